"""Layers of the network like GTCRN; tensors are (batch, channels, frames, bands)."""

from __future__ import annotations

import numpy as np
import torch


def band_matrices(n_freqs: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the maps from bins to bands and back.

    The lowest quarter of the bins is kept as it is. Above, a third as many triangular bands as bins
    have centres at equal distances on the ERB scale of Glasberg and Moore (1990).

    Parameters
    ----------
    n_freqs : int

    Returns
    -------
    to_bands : ndarray of shape (n_bands, n_freqs), float32
        Rows sum to 1.
    to_bins : ndarray of shape (n_freqs, n_bands), float32
        Rows sum to 1.

    Examples
    --------
    >>> band_matrices(257)[0].shape
    (129, 257)
    """
    n_kept = n_freqs // 4 + 1
    n_wide = max((n_freqs - n_kept) // 3, 1)
    # Bins as parts of 8 kHz, whatever the sampling rate.
    hertz = 8000 * np.arange(n_freqs) / max(n_freqs - 1, 1)
    erb = 21.4 * np.log10(1 + 0.00437 * hertz)
    centres = np.linspace(erb[n_kept - 1], erb[-1], n_wide + 1)
    position = np.interp(erb[n_kept:], centres, np.arange(n_wide + 1))
    wide = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(1, n_wide + 1)))
    # Below the first centre all belongs to the first band.
    wide[:, 0] += 1 - wide.sum(axis=1)
    to_bins = np.zeros((n_freqs, n_kept + n_wide))
    to_bins[:n_kept, :n_kept] = np.eye(n_kept)
    to_bins[n_kept:, n_kept:] = wide
    to_bands = to_bins.T / np.maximum(to_bins.sum(axis=0), 1e-12)[:, None]
    return to_bands.astype(np.float32), to_bins.astype(np.float32)


def neighbours(x: torch.Tensor) -> torch.Tensor:
    """Stack each band with the bands beside it as channels.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, frames, bands)

    Returns
    -------
    stacked : Tensor of shape (batch, 3 * channels, frames, bands)
    """
    padded = torch.nn.functional.pad(x, (1, 1))
    n_bands = x.shape[-1]
    return torch.cat([padded[..., i : i + n_bands] for i in range(3)], dim=1)


class Memory:
    """The state of all layers in one tensor, handed out in the order in which layers ask.

    Parameters
    ----------
    state : Tensor of shape (batch, n_numbers), or None
        From `state`; None before the first frame.
    like : Tensor of shape (batch, ...)
        Of the same batch, dtype and device.
    """

    def __init__(self, state: torch.Tensor | None, like: torch.Tensor):
        self._state, self._like, self._start = state, like, 0
        self._kept: list[torch.Tensor] = []

    def take(self, *shape: int) -> torch.Tensor:
        """Return the next part of the state, of shape (batch, *shape); zeros at first.

        Parameters
        ----------
        *shape : int

        Returns
        -------
        part : Tensor of shape (batch, *shape)
        """
        if self._state is None:
            return self._like.new_zeros((len(self._like), *shape))
        start, self._start = self._start, self._start + int(np.prod(shape))
        return self._state[:, start : self._start].reshape(-1, *shape)

    def keep(self, part: torch.Tensor) -> None:
        """Put what a layer will take at the next call; in the order of `take`."""
        self._kept.append(part.flatten(1))

    def state(self) -> torch.Tensor:
        """Return the state after the last frame."""
        return torch.cat(self._kept, dim=1)


class TemporalBlock(torch.nn.Module):
    """Grouped temporal convolution: half of the channels pass, the others are convolved.

    Parameters
    ----------
    n_channels : int
        Even.
    dilation : int
        Frames between the three taps in time.
    """

    def __init__(self, n_channels: int, dilation: int):
        super().__init__()
        half, self.dilation = n_channels // 2, dilation
        self.widen = torch.nn.Conv2d(3 * half, n_channels, 1)
        spread = {"groups": n_channels, "dilation": (dilation, 1), "padding": (0, 1)}
        self.depthwise = torch.nn.Conv2d(n_channels, n_channels, 3, **spread)
        self.narrow = torch.nn.Conv2d(n_channels, half, 1)
        self.first, self.second = torch.nn.PReLU(), torch.nn.PReLU()
        self.norm = torch.nn.GroupNorm(1, n_channels)
        self.attention = TemporalAttention(half)

    def forward(self, x: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Map a tensor to one of the same shape.

        Parameters
        ----------
        x : Tensor of shape (batch, channels, frames, bands)
        memory : Memory

        Returns
        -------
        x : Tensor of shape (batch, channels, frames, bands)
        """
        passed, worked = x.chunk(2, dim=1)
        worked = self.first(self.widen(neighbours(worked)))
        n_past = 2 * self.dilation
        worked = torch.cat([memory.take(worked.shape[1], n_past, worked.shape[3]), worked], dim=2)
        memory.keep(worked[:, :, -n_past:])
        worked = self.depthwise(worked).transpose(1, 2)
        worked = self.norm(worked.flatten(0, 1)).view(worked.shape).transpose(1, 2)
        worked = self.attention(self.narrow(self.second(worked)), memory)
        # Alternated, so that the next block convolves both halves.
        return torch.stack([passed, worked], dim=2).flatten(1, 2)


class TemporalAttention(torch.nn.Module):
    """Gains of the channels of each frame, from a GRU on their energies.

    Parameters
    ----------
    n_channels : int
    """

    def __init__(self, n_channels: int):
        super().__init__()
        self.gru = torch.nn.GRU(n_channels, 2 * n_channels, batch_first=True)
        self.output = torch.nn.Linear(2 * n_channels, n_channels)

    def forward(self, x: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Scale the channels.

        Parameters
        ----------
        x : Tensor of shape (batch, channels, frames, bands)
        memory : Memory

        Returns
        -------
        x : Tensor of shape (batch, channels, frames, bands)
        """
        energy = x.square().mean(dim=-1).transpose(1, 2)
        before = memory.take(1, self.gru.hidden_size).transpose(0, 1).contiguous()
        units, after = self.gru(energy, before)
        memory.keep(after.transpose(0, 1))
        return x * torch.sigmoid(self.output(units)).transpose(1, 2)[..., None]


class DualPathRecurrence(torch.nn.Module):
    """Grouped GRUs over the bands of a frame, in both directions, then over the frames of a band.

    Parameters
    ----------
    n_channels : int
        A multiple of 4.
    n_bands : int
    """

    def __init__(self, n_channels: int, n_bands: int):
        super().__init__()
        half = n_channels // 2
        self.over_bands = torch.nn.ModuleList(
            [torch.nn.GRU(half, half // 2, batch_first=True, bidirectional=True) for _ in range(2)]
        )
        self.over_frames = torch.nn.ModuleList(
            [torch.nn.GRU(half, half, batch_first=True) for _ in range(2)]
        )
        self.mixing = torch.nn.ModuleList(
            [torch.nn.Linear(n_channels, n_channels) for _ in range(2)]
        )
        self.norms = torch.nn.ModuleList(
            [torch.nn.LayerNorm((n_bands, n_channels)) for _ in range(2)]
        )

    def forward(self, x: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Map a tensor to one of the same shape.

        Parameters
        ----------
        x : Tensor of shape (batch, channels, frames, bands)
        memory : Memory

        Returns
        -------
        x : Tensor of shape (batch, channels, frames, bands)
        """
        x = x.permute(0, 2, 3, 1)
        x = x + self.norms[0](self.mixing[0](self._over_bands(x)))
        x = x + self.norms[1](self.mixing[1](self._over_frames(x, memory)))
        return x.permute(0, 3, 1, 2)

    def _over_bands(self, x):
        halves = x.flatten(0, 1).chunk(2, dim=-1)
        parts = [gru(half)[0] for gru, half in zip(self.over_bands, halves, strict=True)]
        return torch.cat(parts, dim=-1).view(x.shape)

    def _over_frames(self, x, memory):
        batch, _, n_bands, _ = x.shape
        halves = x.transpose(1, 2).flatten(0, 1).chunk(2, dim=-1)
        parts = []
        for gru, half in zip(self.over_frames, halves, strict=True):
            before = memory.take(n_bands, gru.hidden_size).flatten(0, 1)[None].contiguous()
            units, after = gru(half.contiguous(), before)
            memory.keep(after[0].view(batch, n_bands, -1))
            parts.append(units)
        return torch.cat(parts, dim=-1).view(batch, n_bands, -1, x.shape[-1]).transpose(1, 2)
