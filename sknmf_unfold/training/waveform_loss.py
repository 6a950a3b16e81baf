"""Losses of the separated waveform, which the inverse STFT makes inside training."""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable

from sknmf_unfold.signal.windows import analysis_window, synthesis_window

# An error this much below the mixture is as good as none: 30 dB.
FLOOR = 1e-3


class WaveformLoss:
    """The energy of the error of the separated waveform over that of the mixture, in dB.

    Less is better: up to a constant of each mixture it is the negative signal-to-noise ratio. It
    is bounded below, where the error is 30 dB weaker than the mixture, and each sequence counts
    the same however loud it is.

    Parameters
    ----------
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window.
    scale_invariant : bool, default=False
        Whether the error is what is left of the separated waveform beside a multiple of the
        target, over the energy of that multiple: the negative SI-SDR [3]_, bounded by 30 dB both
        ways.

    References
    ----------
    .. [1] Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019: why
       such a ratio.
    .. [2] Wisdom, Tzinis, Erdogan, Weiss, Wilson, Hershey, "Unsupervised sound separation using
       mixture invariant training", NeurIPS 2020: the bound.
    .. [3] The first one, equation (4).
    """

    def __init__(self, n_fft, hop_length, window, scale_invariant=False):
        self.hop_length = hop_length
        self.scale_invariant = scale_invariant
        values = synthesis_window(window, n_fft, hop_length)
        self.window = torch.from_numpy(values.copy())
        # Frames hold the energy of a waveform as often as they overlap.
        self.overlap = float((analysis_window(window, n_fft) ** 2).sum() / hop_length)

    def __call__(self, network, batch):
        """Compute the summed loss of a batch.

        Parameters
        ----------
        network : torch.nn.Module
            ``forward(magnitude, state=None) -> (masks, state)``, see also `batch_loss`.
        batch : tuple of Tensor
            ``mixture`` and ``target``, both complex, and ``n_frames``, see `Pairs.batch`.

        Returns
        -------
        total : Tensor of shape ()
            In dB.
        count : int
            Number of sequences.
        """
        mixture, target, _ = batch
        magnitude = mixture.abs()
        mask = target_mask(network, magnitude)
        window = self.window.to(mask.device, mask.dtype)
        errors = masked_energy(mask, mixture, target, window, self.hop_length)
        if self.scale_invariant:
            silence = torch.zeros_like(target)
            separated = masked_energy(mask, mixture, silence, window, self.hop_length)
            clean = overlap_add(target, window, self.hop_length).square().sum(dim=1)
            explained = _explained(separated, clean, errors)
            errors, energies = separated - explained, explained + FLOOR * separated
        else:
            energies = _spectral_energy(magnitude, len(window)) / self.overlap
        # Silence has no level to compare with.
        energies = torch.where(energies > 0, energies, torch.ones_like(energies))
        return (10 * torch.log10(errors / energies + FLOOR)).sum(), len(mixture)


def target_mask(network, magnitude):
    """Compute the mask of the target, by the shortest way that a network has.

    Parameters
    ----------
    network : torch.nn.Module
        As for `batch_loss`.
    magnitude : Tensor of shape (batch, frames, bins)

    Returns
    -------
    mask : Tensor of shape (batch, frames, bins)
    """
    if not hasattr(network, "hidden"):
        return network(magnitude)[0][:, 0]
    return network.target_mask(network.hidden(magnitude), network.output_weights()).transpose(0, 1)


def masked_energy(mask, mixture, target, window, hop_length):
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


def overlap_add(frames, window, hop_length):
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
    """Complex numbers and samples stay inside, where each is gone through once."""

    @staticmethod
    def forward(ctx, mask, mixture, target, window, hop_length):
        waveforms = overlap_add(torch.mul(mixture, mask).sub_(target), window, hop_length)
        ctx.save_for_backward(mixture, waveforms, window)
        ctx.hop_length = hop_length
        return waveforms.square().sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        mixture, waveforms, window = ctx.saved_tensors
        pieces = waveforms.unfold(1, len(window), ctx.hop_length) * window
        # The adjoint of the inverse transform: every bin but the outer ones stands for two.
        frames = torch.fft.rfft(pieces)
        frames[..., 1 : (len(window) + 1) // 2] *= 2
        by_mask = torch.addcmul(mixture.real * frames.real, mixture.imag, frames.imag)
        return by_mask.mul_((2 / len(window)) * gradient[:, None, None]), None, None, None, None


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
