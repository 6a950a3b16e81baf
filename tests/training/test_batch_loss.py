"""Losses of a batch: in chunks of frames, or sequence by sequence."""

import pytest
import torch

from sknmf_unfold.networks.drnmf import DRNMF
from sknmf_unfold.networks.initial_weights import unfold
from sknmf_unfold.training import batch_loss
from sknmf_unfold.training.batch_loss import framewise_loss, sequence_loss
from sknmf_unfold.training.losses import LOSSES


@pytest.fixture(params=[1, 7, 1000], autouse=True)
def rows(request, monkeypatch):
    """One frame a chunk, several, or all."""
    monkeypatch.setattr(batch_loss, "CHUNK_ROWS", request.param)


def problem(lengths=(9, 5, 1), n_components=6, n_freqs=4):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    components = draw(n_components, n_freqs)
    values = unfold(components / components.norm(dim=1, keepdim=True), 2, 0.05, 0.3)
    values["output_components"] = draw(n_components, n_freqs)
    network = DRNMF(values, learn_sparsity=True, learn_mask_exponent=True)
    mixture, target = (
        draw(len(lengths), max(lengths), n_freqs),
        draw(len(lengths), max(lengths), n_freqs),
    )
    return network, (mixture, target, torch.tensor(lengths))


def loss_and_gradients(network, batch, function):
    network.zero_grad()
    total, count = function(network, batch)
    (total / count).backward()
    return total.detach(), count, [p.grad.clone() for p in network.parameters() if p.requires_grad]


def whole(network, batch):
    """The same with the masks of both sources of all frames, recorded by autograd."""
    whole_network = torch.nn.Module()
    whole_network.forward = network.forward
    return framewise_loss(whole_network, batch)


@pytest.mark.parametrize("lengths", [(9, 5, 1), (6, 6), (4,), (1, 1, 1)])
def test_equals_the_loss_of_all_frames_at_once(lengths):
    network, batch = problem(lengths)
    total, count, gradients = loss_and_gradients(network, batch, framewise_loss)
    expected, expected_count, wanted = loss_and_gradients(network, batch, whole)
    assert count == expected_count == sum(lengths) * 4
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=0)
    for one, other in zip(gradients, wanted, strict=True):
        assert other.abs().max() > 0 or sum(lengths) == 1
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)


def test_without_gradients_the_loss_is_the_same():
    network, batch = problem()
    expected, _ = framewise_loss(network, batch)
    with torch.no_grad():
        total, _ = framewise_loss(network, batch)
    assert not total.requires_grad
    torch.testing.assert_close(total, expected.detach(), rtol=1e-13, atol=0)


def test_what_is_not_trained_gets_no_gradient():
    network, batch = problem()
    for parameter in (network.log_sparsity, network.log_exponent, network.log_output):
        parameter.requires_grad_(False)
    total, _ = framewise_loss(network, batch)
    total.backward()
    assert network.log_sparsity.grad is None and network.log_output.grad is None
    assert network.log_components.grad.abs().max() > 0


@pytest.mark.parametrize("fill", [1e30, float("inf"), float("nan")])
def test_padding_does_not_matter_whatever_is_in_it(fill):
    network, batch = problem()
    expected = loss_and_gradients(network, batch, framewise_loss)
    filled = [x.clone() for x in batch[:2]]
    for i, n_frames in enumerate(batch[2]):
        # The network gets the padding, but nothing depends on what it makes of it.
        filled[1][i, n_frames:] = fill
    actual = loss_and_gradients(network, (*filled, batch[2]), framewise_loss)
    torch.testing.assert_close(actual[0], expected[0], rtol=1e-13, atol=0)
    for one, other in zip(actual[2], expected[2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)


def test_the_batch_is_left_alone():
    network, batch = problem()
    copies = [x.clone() for x in batch]
    loss_and_gradients(network, batch, framewise_loss)
    assert all(torch.equal(x, copy) for x, copy in zip(batch, copies, strict=True))


def test_sequences_come_without_padding_in_any_order():
    network, (mixture, target, n_frames) = problem((5, 5, 9, 1, 5))
    for i, n in enumerate(n_frames):
        mixture[i, n:], target[i, n:] = 0, float("nan")
    shapes = []

    def mean(mask, mixture, target):
        shapes.append(tuple(mask.shape))
        return (mask * mixture - target).abs().mean(dim=(1, 2))

    total, count = sequence_loss(network, (mixture, target, n_frames), mean)
    assert shapes == [(2, 5, 4), (1, 9, 4), (1, 1, 4), (1, 5, 4)]
    assert count == 5
    expected = [
        sequence_loss(network, (mixture[i : i + 1, :n], target[i : i + 1, :n], n[None]), mean)[0]
        for i, n in enumerate(n_frames)
    ]
    torch.testing.assert_close(total, sum(expected), rtol=1e-12, atol=0)


def test_padding_adds_nothing_to_losses_of_waveforms():
    network, _ = problem(n_freqs=33)
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([9, 5, 1])
    frames = torch.rand(2, 3, 9, 33, 2, generator=generator, dtype=torch.float64)
    frames[:, torch.arange(9) >= lengths[:, None]] = 0
    mixture, target = torch.view_as_complex(frames)
    settings = {"n_fft": 64, "hop_length": 16, "window": "hann", "sample_rate": 16000}
    waveform_losses = [loss for loss in LOSSES.values() if loss.is_waveform]
    assert waveform_losses
    for loss in waveform_losses:
        function = batch_loss.make_batch_loss(loss, settings)
        total, count = function(network, (mixture, target, lengths))
        alone = [
            function(network, (mixture[i : i + 1, :n], target[i : i + 1, :n], n[None]))[0]
            for i, n in enumerate(lengths)
        ]
        assert count == 3
        torch.testing.assert_close(total, sum(alone), rtol=1e-12, atol=0)
