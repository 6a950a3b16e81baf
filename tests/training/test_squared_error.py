"""The squared error of masked magnitudes, summed over what is not padding."""

import math

import pytest
import torch

from sknmf_unfold.training.batch_loss import framewise_loss, valid_frames

LENGTHS = [(4,), (4, 2), (3, 5, 1), (1,)]


def signal_approximation(masks, *batch):
    """The loss of a network that has these masks."""
    network = torch.nn.Module()
    network.forward = lambda magnitude, state=None: (masks, state)
    return framewise_loss(network, batch)


def sequences(lengths, n_freqs=3, seed=0):
    """For each length: logits of masks (2, n, f), a mixture and a target (n, f)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    logits = [draw(2, n, n_freqs).requires_grad_() for n in lengths]
    return logits, [draw(n, n_freqs) for n in lengths], [draw(n, n_freqs) for n in lengths]


def padded(tensors, length, fill):
    """One tensor (batch, ..., length, f), `fill` after the end of each sequence."""
    rows = []
    for tensor in tensors:
        shape = (*tensor.shape[:-2], length - tensor.shape[-2], tensor.shape[-1])
        rows.append(torch.cat([tensor, tensor.new_full(shape, fill)], dim=-2))
    return torch.stack(rows)


def unpadded_loss(logits, mixtures, targets, bias):
    """Summed error and number of entries, one sequence after the other."""
    total, count = 0.0, 0
    for logit, mixture, target in zip(logits, mixtures, targets, strict=True):
        masks = torch.softmax(logit + bias, dim=0)
        total = total + ((target - masks[0] * mixture) ** 2).sum()
        count += mixture.numel()
    return total, count


def test_equals_the_loop_over_entries():
    logits, mixtures, targets = sequences((3, 5, 1))
    masks = torch.softmax(padded(logits, 6, 0.0), dim=1).detach()
    total, count = signal_approximation(
        masks, padded(mixtures, 6, 0.0), padded(targets, 6, 0.0), torch.tensor([3, 5, 1])
    )
    errors = []
    for i, n_frames in enumerate((3, 5, 1)):
        for t in range(n_frames):
            for f in range(3):
                masked = float(masks[i, 0, t, f]) * float(mixtures[i][t, f])
                errors.append((float(targets[i][t, f]) - masked) ** 2)
    assert count == len(errors) == 27
    assert float(total) == pytest.approx(math.fsum(errors), rel=1e-14)


@pytest.mark.parametrize("fill", [0.0, 1.0, -1e30, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("extra", [0, 3])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_padding_does_not_matter_whatever_is_in_it(lengths, extra, fill):
    logits, mixtures, targets = sequences(lengths)
    # A parameter of all frames, as a network's are: also the masks of the padding depend on it.
    bias = torch.tensor([[[0.3]], [[0.0]]], dtype=torch.float64, requires_grad=True)
    parameters = [bias, *logits]
    expected, expected_count = unpadded_loss(logits, mixtures, targets, bias)
    expected_gradients = torch.autograd.grad(expected / expected_count, parameters)

    length = max(lengths) + extra
    masks = torch.softmax(padded(logits, length, 0.0) + bias, dim=1)
    total, count = signal_approximation(
        masks, padded(mixtures, length, fill), padded(targets, length, fill), torch.tensor(lengths)
    )
    assert count == expected_count
    torch.testing.assert_close(total, expected, rtol=1e-14, atol=0)
    gradients = torch.autograd.grad(total / count, parameters)
    for actual, wanted in zip(gradients, expected_gradients, strict=True):
        assert wanted.abs().max() > 1e-4
        torch.testing.assert_close(actual, wanted, rtol=1e-13, atol=1e-16)


def test_only_the_first_source_is_compared():
    logits, mixtures, targets = sequences((4,))
    masks = torch.softmax(logits[0], dim=0)[None]
    changed = masks.clone()
    changed[:, 1] = 7
    arguments = mixtures[0][None], targets[0][None], torch.tensor([4])
    totals = [signal_approximation(x, *arguments)[0] for x in (masks, changed)]
    assert torch.equal(*totals)


def test_a_perfect_mask_has_no_loss_and_none_of_it_the_power_of_the_target():
    mixture = torch.rand(2, 4, 3, dtype=torch.float64) + 0.5
    target = 0.25 * mixture
    n_frames = torch.tensor([4, 2])
    perfect, nothing = (torch.full((2, 2, 4, 3), x, dtype=torch.float64) for x in (0.25, 0.0))
    assert float(signal_approximation(perfect, mixture, target, n_frames)[0]) == 0
    total, _ = signal_approximation(nothing, mixture, target, n_frames)
    power = target[0].square().sum() + target[1, :2].square().sum()
    torch.testing.assert_close(total, power, rtol=1e-14, atol=0)


@pytest.mark.parametrize("level", [1e-8, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_goes_with_the_square_of_the_level(level, dtype):
    logits, mixtures, targets = sequences((5,))
    masks = torch.softmax(logits[0], dim=0)[None].detach()
    arguments = [x[0][None] for x in (mixtures, targets)]
    expected = float(signal_approximation(masks, *arguments, torch.tensor([5]))[0])
    scaled = [(level * x).to(dtype) for x in arguments]
    copies = [x.clone() for x in scaled]
    total, _ = signal_approximation(masks.to(dtype), *scaled, torch.tensor([5]))
    assert total.dtype == dtype
    rel = 1e-5 if dtype == torch.float32 else 1e-13
    assert float(total) == pytest.approx(level**2 * expected, rel=rel)
    assert all(torch.equal(x, copy) for x, copy in zip(scaled, copies, strict=True))


def test_valid_frames_are_the_first_ones():
    n_frames = [0, 1, 4, 5]
    valid = valid_frames(torch.tensor(n_frames), 5)
    assert valid.dtype == torch.bool
    assert valid.tolist() == [[t < n for t in range(5)] for n in n_frames]
