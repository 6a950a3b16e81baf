"""Separation of channels by one mask, which they share so that no sound moves between them."""

from __future__ import annotations

import math

import numpy as np

from sknmf_unfold.runtime.masks import MaskEstimator
from sknmf_unfold.streaming import StreamingSeparator


class ChannelSeparator(StreamingSeparator):
    """Separate channels that arrive in chunks, all by one mask.

    The mask is estimated from the root mean square of the channels' magnitudes, at each time and
    frequency. Unlike the mean of the samples it does not vanish where channels are in antiphase.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `STFT` and a separator.
    n_channels : int
        Number of channels; samples have the shape (n_channels, n_times).
    max_attenuation : float or None, default=None
        Bound in dB on what is taken away; None for no bound.
    """

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self._n_streams or 1

    def _make_masks(self, dtype, n_streams):
        self._shared = SharedMasks(super()._make_masks(dtype, 1))
        return self._shared

    def begin(self, low: float, high: float) -> None:
        """Start a recording, and choose the band whose mean mask `take_gains` returns.

        Parameters
        ----------
        low, high : float
            Bounds of the band in Hz, both included.
        """
        self.reset()
        self.take_gains()
        step = self.sample_rate_ / self.latency_
        stop = math.floor(high / step) + 1
        # At least one bin, also where bins are wider than the band.
        self._shared.bins = slice(min(math.ceil(low / step), stop - 1), stop)

    def take_gains(self) -> np.ndarray:
        """Return the mean mask of the band in each frame since the last call.

        Returns
        -------
        gains : ndarray of shape (n_frames,)
        """
        gains, self._shared.gains = self._shared.gains, []
        return np.concatenate([np.empty(0, np.float32), *gains])


class SharedMasks:
    """The mask of several channels, from the root mean square of their magnitudes.

    Parameters
    ----------
    masks : MaskEstimator
        Estimates the mask of one stream.

    Attributes
    ----------
    bins : slice
        Bins of the band.
    gains : list of ndarray of shape (n_frames,)
        Mean masks of the band, until they are taken.
    """

    def __init__(self, masks: MaskEstimator):
        self._masks = masks
        self.bins = slice(None)
        self.gains: list[np.ndarray] = []

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Map magnitudes (n_channels, n_frames, n_freqs) to a mask (1, n_frames, n_freqs)."""
        # Squares of loud samples would overflow.
        norm = np.hypot.reduce(magnitude, axis=0, keepdims=True)
        mask = self._masks(norm / magnitude.dtype.type(math.sqrt(len(magnitude))))
        self.gains.append(mask[0, :, self.bins].mean(axis=-1))
        return mask

    def reset(self) -> None:
        """Return to the state before the first frame."""
        self._masks.reset()
