"""Losses of the separated waveform."""

import numpy as np
import pytest
import torch

from sknmf_unfold.metrics import si_sdr
from sknmf_unfold.signal.stft import istft, n_frames_of, stft
from sknmf_unfold.signal.windows import synthesis_window
from sknmf_unfold.training.batch_loss import make_batch_loss
from sknmf_unfold.training.batches import Pairs
from sknmf_unfold.training.losses import LOSSES
from sknmf_unfold.training.waveform_losses import MIN_ENERGY_RATIO, overlap_add


def waveform_loss(n_fft, hop_length, window, scale_invariant=False):
    settings = {"n_fft": n_fft, "hop_length": hop_length, "window": window, "sample_rate": 16000}
    return make_batch_loss(LOSSES["si_sdr" if scale_invariant else "snr"], settings)


class Mask(torch.nn.Module):
    """The same mask whatever it is given."""

    def __init__(self, mask):
        super().__init__()
        self.mask = torch.nn.Parameter(torch.from_numpy(mask))

    def forward(self, magnitude, state=None):
        assert not magnitude.is_complex()
        mask = self.mask[:, : magnitude.shape[1]]
        return torch.stack([mask, 1 - mask], dim=1), state


@pytest.mark.parametrize("settings", [(64, 16, "sqrt_hann"), (64, 32, "hann"), (60, 25, "hamming")])
def test_overlap_add_is_the_inverse_stft(settings):
    n_fft, hop_length, window = settings
    x = np.random.default_rng(0).standard_normal((2, 500))
    frames = [stft(each, n_fft, hop_length, window) for each in x]
    frames = [f * np.random.default_rng(1).uniform(size=f.shape) for f in frames]
    expected = [istft(f, 500, n_fft, hop_length, window) for f in frames]
    values = torch.from_numpy(synthesis_window(window, n_fft, hop_length).copy())
    actual = overlap_add(torch.from_numpy(np.stack(frames)), values, hop_length).numpy()
    start = n_fft - hop_length
    np.testing.assert_allclose(actual[:, start : start + 500], expected, rtol=0, atol=1e-12)


def example(lengths=(400, 250), dtype="float64"):
    """Mixtures, targets and masks of recordings of different lengths."""
    rng = np.random.default_rng(0)
    Y = [rng.standard_normal(n).astype(dtype) for n in lengths]
    X = [y + rng.standard_normal(len(y)).astype(dtype) for y in Y]
    frames = [[stft(x, 64, 16) for x in part] for part in (X, Y)]
    longest = n_frames_of(max(lengths), 64, 16)
    mask = rng.uniform(size=(len(lengths), longest, 33)).astype(dtype)
    return X, Y, frames, mask


def test_it_is_the_error_of_the_waveform_in_decibels():
    X, Y, frames, mask = example()
    batch = Pairs(*frames).batch([0, 1], "cpu")
    total, count = waveform_loss(64, 16, "sqrt_hann")(Mask(mask), batch)
    expected = 0.0
    for x, y, part, weights in zip(X, Y, frames[0], mask, strict=True):
        # Also what the frames at both ends add outside of the recording, as training has it.
        padded = np.pad(x, 48), np.pad(y, 48)
        estimate = istft(part * weights[: len(part)], len(x), 64, 16)
        error = np.sum((estimate - y) ** 2) / np.sum(x**2)
        assert len(padded[0]) == len(x) + 96
        expected += 10 * np.log10(error + MIN_ENERGY_RATIO)
    assert count == 2
    # The ends outside of a recording of 250 samples hold little of the error.
    assert float(total.detach()) == pytest.approx(expected, abs=0.3)


def test_scale_invariance_makes_it_the_negative_si_sdr():
    _, _, frames, mask = example(lengths=(4000, 2500))
    for dtype, scale in ((np.float64, 1), (np.float32, 1e-3)):
        parts = [
            [(scale * f).astype(np.result_type(dtype, np.complex64)) for f in x] for x in frames
        ]
        loss = waveform_loss(64, 16, "sqrt_hann", scale_invariant=True)
        total, count = loss(Mask(mask.astype(dtype)), Pairs(*parts).batch([0, 1], "cpu"))
        # What the frames at both ends add outside of the recording counts in training too.
        values = torch.from_numpy(synthesis_window("sqrt_hann", 64, 16).copy())
        expected = 0.0
        for x, y, weights in zip(*frames, mask, strict=True):
            both = [torch.from_numpy(f)[None] for f in (x * weights[: len(x)], y)]
            estimate, clean = (overlap_add(f, values, 16)[0].numpy() for f in both)
            expected += 10 * np.log10(
                10 ** (-si_sdr([clean], [estimate])[0] / 10) + MIN_ENERGY_RATIO
            )
        assert count == 2
        # The bounds move both by up to 0.04 dB.
        assert float(total.detach()) == pytest.approx(expected, abs=0.08)
        louder = loss(Mask(0.3 * mask.astype(dtype)), Pairs(*parts).batch([0, 1], "cpu"))[0]
        assert float(louder.detach()) == pytest.approx(float(total.detach()), abs=1e-4)


def compressed_loss(frames, mask):
    """The loss of each recording and its gradient for the mask."""
    network = Mask(mask)
    settings = {"n_fft": 64, "hop_length": 16, "window": "sqrt_hann", "sample_rate": 16000}
    losses = [make_batch_loss(LOSSES[name], settings) for name in ("snr_compressed", "snr")]
    batch = Pairs(*frames).batch(range(len(frames[0])), "cpu")
    totals = [loss(network, batch)[0] for loss in losses]
    # The mean of the two terms: take the other one out.
    compressed = 2 * totals[0] - totals[1]
    (gradient,) = torch.autograd.grad(compressed, network.mask)
    return float(compressed.detach()), gradient.numpy()


def test_compressed_magnitudes_are_compared_as_a_loop_does():
    _, _, frames, mask = example()
    expected = 0.0
    for x, y, weights in zip(*frames, mask, strict=True):
        error = energy = 0.0
        for t in range(len(x)):
            for f in range(x.shape[1]):
                estimate = weights[t, f] * abs(x[t, f])
                error += (estimate**0.3 - abs(y[t, f]) ** 0.3) ** 2
                energy += abs(x[t, f]) ** 0.6
        expected += 10 * np.log10(error / energy + MIN_ENERGY_RATIO)
    total, gradient = compressed_loss(frames, mask)
    assert total == pytest.approx(expected, rel=1e-9)
    # A step along one entry of the mask.
    step = np.zeros_like(mask)
    step[0, 3, 5] = 1e-4
    changed = [compressed_loss(frames, mask + sign * step)[0] for sign in (1, -1)]
    assert (changed[0] - changed[1]) / 2e-4 == pytest.approx(gradient[0, 3, 5], rel=1e-3)


def test_compressed_magnitudes_of_any_level_count_alike_and_a_mask_of_0_is_harmless():
    _, _, frames, mask = example(dtype="float32")
    expected, gradient = compressed_loss(frames, mask)
    for scale in (np.float32(1e-4), np.float32(1e4)):
        total, scaled = compressed_loss([[scale * x for x in part] for part in frames], mask)
        assert total == pytest.approx(expected, rel=1e-4)
        np.testing.assert_allclose(scaled, gradient, rtol=0.01, atol=1e-5)
    total, gradient = compressed_loss([[0 * x for x in part] for part in frames], 0 * mask)
    assert np.isfinite(total) and np.isfinite(gradient).all()


# Along random directions, and for every entry.
@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("scale_invariant", [False, True])
@pytest.mark.parametrize("settings", [(64, 16, "sqrt_hann"), (60, 25, "hamming")])
def test_its_gradient(settings, scale_invariant, fast):
    n_fft, hop_length, window = settings
    rng = np.random.default_rng(0)
    waves = [[rng.standard_normal(n) for n in (200, 120)] for _ in range(2)]
    frames = [[stft(x, n_fft, hop_length, window) for x in part] for part in waves]
    mask = rng.uniform(size=(2, n_frames_of(200, n_fft, hop_length), n_fft // 2 + 1))
    batch = Pairs(*frames).batch([0, 1], "cpu")
    network = Mask(mask)
    loss = waveform_loss(n_fft, hop_length, window, scale_invariant)

    def total(values):
        network.mask.data = values.data
        return torch.func.functional_call(_Loss(network, loss, batch), {"network.mask": values}, ())

    values = torch.from_numpy(mask).requires_grad_()
    assert torch.autograd.gradcheck(total, values, fast_mode=fast)


class _Loss(torch.nn.Module):
    def __init__(self, network, loss, batch):
        super().__init__()
        self.network, self.loss, self.batch = network, loss, batch

    def forward(self):
        return self.loss(self.network, self.batch)[0]


def test_level_does_not_matter_and_padding_does_not_count():
    _, _, frames, mask = example()
    loss = waveform_loss(64, 16, "sqrt_hann")
    together = loss(Mask(mask), Pairs(*frames).batch([0, 1], "cpu"))[0]
    alone = [loss(Mask(mask[i : i + 1]), Pairs(*frames).batch([i], "cpu"))[0] for i in (0, 1)]
    torch.testing.assert_close(together, sum(alone), rtol=0, atol=1e-9)
    louder = [[0.01 * f for f in part] for part in frames]
    quiet = loss(Mask(mask), Pairs(*louder).batch([0, 1], "cpu"))[0]
    torch.testing.assert_close(together, quiet, rtol=0, atol=1e-9)


def test_the_scale_invariant_loss_is_bounded_where_the_target_is_silent():
    _, _, (mixtures, _), mask = example()
    silence = [0 * f for f in mixtures]
    loss = waveform_loss(64, 16, "sqrt_hann", scale_invariant=True)
    network = Mask(np.ones_like(mask))
    total, _ = loss(network, Pairs(mixtures, silence).batch([0, 1], "cpu"))
    assert float(total.detach()) == pytest.approx(2 * 30, abs=1e-4)
    total.backward()
    assert torch.isfinite(network.mask.grad).all()


@pytest.mark.parametrize("scale_invariant", [False, True])
def test_it_is_bounded_and_finite(scale_invariant):
    _, _, (mixtures, _), mask = example()
    loss = waveform_loss(64, 16, "sqrt_hann", scale_invariant)
    for targets, mixture in ((mixtures, mixtures), ([0 * f for f in mixtures],) * 2):
        network = Mask(np.ones_like(mask))
        total, _ = loss(network, Pairs(mixture, targets).batch([0, 1], "cpu"))
        assert float(total.detach()) == pytest.approx(2 * -30, abs=1e-6)
        total.backward()
        assert torch.isfinite(network.mask.grad).all()
