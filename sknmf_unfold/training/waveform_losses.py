"""Losses of the separated waveform, which the inverse STFT makes inside training.

Both are energies of an error over an energy, in dB: Le Roux, Wisdom, Erdogan, Hershey, "SDR -
half-baked or well done?", ICASSP 2019. They are bounded as in Wisdom, Tzinis, Erdogan, Weiss,
Wilson, Hershey, "Unsupervised sound separation using mixture invariant training", NeurIPS 2020.
"""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable

from sknmf_unfold.signal.windows import analysis_window, synthesis_window

# Ratio that is added to each before the logarithm, so that an error 30 dB below is as good as none.
MIN_ENERGY_RATIO = 1e-3
# Exponent of compressed magnitudes, and the smallest mask (-120 dB) that is told apart from 0.
COMPRESSION, MIN_MASK = 0.3, 1e-6


def error_over_mixture(
    mask: torch.Tensor,
    mixture: torch.Tensor,
    target: torch.Tensor,
    magnitude: torch.Tensor,
    n_fft: int,
    hop_length: int,
    window: str | tuple,
) -> torch.Tensor:
    """Compute the energy of the error of the separated waveform over that of the mixture.

    Less is better: up to a constant of each mixture it is the negative signal-to-noise ratio. Each
    sequence counts the same however loud it is.

    Parameters
    ----------
    mask : Tensor of shape (batch, frames, bins)
        Nothing else has a gradient.
    mixture, target : Tensor of shape (batch, frames, bins), complex
        Padded with zeros.
    magnitude : Tensor of shape (batch, frames, bins)
        Of the mixture.
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window.

    Returns
    -------
    losses : Tensor of shape (batch,)
        In dB, at least -30.
    """
    synthesis = _synthesis_window(window, n_fft, hop_length, mask)
    errors = masked_energy(mask, mixture, target, synthesis, hop_length)
    # Frames hold the energy of a waveform as often as they overlap.
    overlap = float((analysis_window(window, n_fft) ** 2).sum() / hop_length)
    return _decibels(errors, _spectral_energy(magnitude, n_fft) / overlap)


def error_over_projection(
    mask: torch.Tensor,
    mixture: torch.Tensor,
    target: torch.Tensor,
    n_fft: int,
    hop_length: int,
    window: str | tuple,
) -> torch.Tensor:
    """Compute the negative SI-SDR of the separated waveform.

    The error is what is left of the waveform beside the multiple of the target that is closest to
    it, over the energy of that multiple: equation (4) of the first paper above.

    Parameters
    ----------
    mask : Tensor of shape (batch, frames, bins)
        Nothing else has a gradient.
    mixture, target : Tensor of shape (batch, frames, bins), complex
        Padded with zeros.
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window.

    Returns
    -------
    losses : Tensor of shape (batch,)
        In dB, from -30 to 30.
    """
    synthesis = _synthesis_window(window, n_fft, hop_length, mask)
    errors = masked_energy(mask, mixture, target, synthesis, hop_length)
    silence = torch.zeros_like(target)
    separated = masked_energy(mask, mixture, silence, synthesis, hop_length)
    clean = overlap_add(target, synthesis, hop_length).square().sum(dim=1)
    explained = _explained(separated, clean, errors)
    return _decibels(separated - explained, explained + MIN_ENERGY_RATIO * separated)


def compressed_error_over_mixture(
    mask: torch.Tensor, target: torch.Tensor, magnitude: torch.Tensor
) -> torch.Tensor:
    """Compute the energy of the error of compressed magnitudes over that of the mixture's.

    Parameters
    ----------
    mask : Tensor of shape (batch, frames, bins)
        Nothing else has a gradient.
    target : Tensor of shape (batch, frames, bins), complex
        Padded with zeros.
    magnitude : Tensor of shape (batch, frames, bins)
        Of the mixture.

    Returns
    -------
    losses : Tensor of shape (batch,)
        In dB, at least -30.
    """
    compressed = magnitude**COMPRESSION
    # Below the bound the mask has no gradient, where that of the power is infinite.
    estimate = mask.clamp(min=MIN_MASK) ** COMPRESSION * compressed
    errors = (estimate - target.abs() ** COMPRESSION).square().sum(dim=(1, 2))
    return _decibels(errors, compressed.square().sum(dim=(1, 2)))


def masked_energy(
    mask: torch.Tensor,
    mixture: torch.Tensor,
    target: torch.Tensor,
    window: torch.Tensor,
    hop_length: int,
) -> torch.Tensor:
    """Compute the energy of the waveform of ``mask * mixture - target``.

    Parameters
    ----------
    mask : Tensor of shape (batch, frames, bins)
        Nothing else has a gradient.
    mixture, target : Tensor of shape (batch, frames, bins), complex
    window : Tensor of shape (n_fft,)
        Synthesis window.
    hop_length : int
        In samples.

    Returns
    -------
    energies : Tensor of shape (batch,)

    Examples
    --------
    >>> frames = torch.fft.rfft(torch.ones(1, 3, 4))
    >>> masked_energy(torch.ones(1, 3, 3), frames, 0 * frames, torch.ones(4), 2)
    tensor([20.])
    """
    return _MaskedEnergy.apply(mask, mixture, target, window, hop_length)


def overlap_add(frames: torch.Tensor, window: torch.Tensor, hop_length: int) -> torch.Tensor:
    """Synthesise waveforms.

    Parameters
    ----------
    frames : Tensor of shape (batch, frames, bins), complex
    window : Tensor of shape (n_fft,)
        Synthesis window.
    hop_length : int
        In samples.

    Returns
    -------
    waveforms : Tensor of shape (batch, n_fft + (frames - 1) * hop_length)
        From the first sample of the first frame on; zeros may follow.

    Examples
    --------
    >>> frames = torch.fft.rfft(torch.ones(1, 3, 4))
    >>> overlap_add(frames, torch.ones(4), 2)
    tensor([[1., 1., 2., 2., 2., 2., 1., 1.]])
    """
    n_fft, n_frames = len(window), frames.shape[1]
    pieces = torch.fft.irfft(frames, n=n_fft).mul_(window)
    n_overlaps = -(-n_fft // hop_length)
    sums = pieces.new_zeros(len(frames), n_frames + n_overlaps - 1, hop_length)
    for i in range(n_overlaps):
        piece = pieces[..., i * hop_length : (i + 1) * hop_length]
        sums[:, i : i + n_frames, : piece.shape[-1]] += piece
    return sums.flatten(1)[:, : n_fft + (n_frames - 1) * hop_length]


class _MaskedEnergy(torch.autograd.Function):
    """Energy of ``mask * mixture - target``, in few passes through frames and samples."""

    @staticmethod
    def forward(ctx, mask, mixture, target, window, hop_length):
        waveforms = overlap_add(torch.mul(mixture, mask).sub_(target), window, hop_length)
        ctx.save_for_backward(mixture, waveforms, window)
        ctx.hop_length = hop_length
        return waveforms.square().sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_energies):
        mixture, waveforms, window = ctx.saved_tensors
        pieces = waveforms.unfold(1, len(window), ctx.hop_length) * window
        # The adjoint of the inverse transform: every bin but the outer ones stands for two.
        frames = torch.fft.rfft(pieces)
        frames[..., 1 : (len(window) + 1) // 2] *= 2
        grad_mask = torch.addcmul(mixture.real * frames.real, mixture.imag, frames.imag)
        return (
            grad_mask.mul_((2 / len(window)) * grad_energies[:, None, None]),
            None,
            None,
            None,
            None,
        )


def _synthesis_window(window, n_fft, hop_length, like):
    values = synthesis_window(window, n_fft, hop_length)
    return torch.from_numpy(values.copy()).to(like.device, like.dtype)


def _decibels(errors, energies):
    # Silence has no level to compare with.
    energies = torch.where(energies > 0, energies, torch.ones_like(energies))
    return 10 * torch.log10(errors / energies + MIN_ENERGY_RATIO)


def _explained(separated, clean, errors):
    """Energy of the multiple of the target that is closest to the separated waveform."""
    products = (separated + clean - errors) / 2
    explained = products.square() / torch.where(clean > 0, clean, torch.ones_like(clean))
    # Never more than all, whatever the rounding.
    return torch.minimum(explained, separated)


def _spectral_energy(magnitude, n_fft):
    """Energy of all frames together, by Parseval's theorem."""
    energies = magnitude.square().sum(dim=1)
    energies[:, 1 : (n_fft + 1) // 2] *= 2
    return energies.sum(dim=1) / n_fft
