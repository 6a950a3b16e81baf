"""Losses of the separated waveform, which the inverse STFT makes inside training."""

from __future__ import annotations

import torch

from sknmf_unfold.signal.windows import synthesis_window

# An error this much below the mixture is as good as none: 30 dB.
FLOOR = 1e-3


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
        From the first sample of the first frame on.

    Examples
    --------
    >>> frames = torch.fft.rfft(torch.ones(1, 3, 4))
    >>> overlap_add(frames, torch.ones(4), 2)
    tensor([[1., 1., 2., 2., 2., 2., 1., 1.]])
    """
    n_fft, n_frames = len(window), frames.shape[1]
    pieces = torch.fft.irfft(frames, n=n_fft) * window
    length = n_fft + (n_frames - 1) * hop_length
    sizes = {"output_size": (1, length), "kernel_size": (1, n_fft), "stride": (1, hop_length)}
    return torch.nn.functional.fold(pieces.transpose(1, 2), **sizes)[:, 0, 0]


class WaveformError:
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

    References
    ----------
    .. [1] Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019: why
       such a ratio.
    .. [2] Wisdom, Tzinis, Erdogan, Weiss, Wilson, Hershey, "Unsupervised sound separation using
       mixture invariant training", NeurIPS 2020: the bound.
    """

    def __init__(self, n_fft, hop_length, window):
        self.hop_length = hop_length
        self.window = torch.from_numpy(synthesis_window(window, n_fft, hop_length).copy())

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
        mask = target_mask(network, mixture.abs())
        window = self.window.to(mask.device, mask.dtype)
        error = overlap_add(mask * mixture - target, window, self.hop_length)
        with torch.no_grad():
            energy = _energy(overlap_add(mixture, window, self.hop_length))
            # Silence has no level to compare with.
            energy = torch.where(energy > 0, energy, torch.ones_like(energy))
        return (10 * torch.log10(_energy(error) / energy + FLOOR)).sum(), len(mixture)


def _energy(waveforms):
    return waveforms.square().sum(dim=1)


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
