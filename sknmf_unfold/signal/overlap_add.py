"""Inverse short-time Fourier transform by overlap-add, block by block."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from .windows import synthesis_window


class OverlapAdd:
    """Inverse of `stft`, block by block.

    The result equals that of `istft`, which adds all frames as one block: every sample is the sum
    of the same frames in the same order.

    Parameters
    ----------
    n_times : int
        Length of the waveform in samples.
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        The analysis window.

    Attributes
    ----------
    waveform : ndarray of shape (n_times,), or None before the first block
        Final except for the last ``n_fft - hop_length`` samples of the frames so far.

    Examples
    --------
    >>> from sknmf_unfold.signal.stft import stft
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> inverse = OverlapAdd(1000)
    >>> for start in range(0, 11, 2):
    ...     inverse.append(stft(x, start=start, stop=start + 2))
    >>> bool(np.allclose(inverse.waveform, x))
    True
    """

    def __init__(
        self,
        n_times: int,
        n_fft: int = 512,
        hop_length: int = 128,
        window: str | tuple | ArrayLike = "sqrt_hann",
    ) -> None:
        self.n_times = n_times
        # The first block decides the dtype.
        self.waveform: np.ndarray = None  # type: ignore[assignment]
        self._add = RunningOverlapAdd(n_fft, hop_length, window)
        # Index of the next sample to write, negative in the zeros before the waveform.
        self._position = hop_length - n_fft

    def append(self, frames: np.ndarray) -> None:
        """Add the next frames.

        Parameters
        ----------
        frames : ndarray of shape (n_frames, n_fft // 2 + 1), complex
            Any number of them.
        """
        if len(frames) == 0:
            return
        samples = self._add(frames)
        if self.waveform is None:
            self.waveform = np.zeros(self.n_times, dtype=samples.dtype)
        first, last = self._position, min(self._position + len(samples), self.n_times)
        if last > 0:
            begin = max(first, 0)
            self.waveform[begin:last] = samples[begin - first : last - first]
        self._position = first + len(samples)


class RunningOverlapAdd:
    """Overlap-add of a stream: returns the samples that are complete after each block of frames.

    Sample 0 is the first one that frame 0 covers, ``n_fft - hop_length`` samples before the
    beginning of the waveform.

    Parameters
    ----------
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        The analysis window.
    """

    def __init__(self, n_fft: int, hop_length: int, window: str | tuple | ArrayLike) -> None:
        self.hop_length = hop_length
        self.window = synthesis_window(window, n_fft, hop_length)
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first frame."""
        # Sums of the frames so far in samples that later frames overlap.
        self._tail = np.zeros(())

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Add frames.

        Parameters
        ----------
        frames : ndarray of shape (..., n_frames, n_fft // 2 + 1), complex
            The next frames, of one or several streams.

        Returns
        -------
        samples : ndarray of shape (..., n_frames * hop_length)
        """
        n_fft, n_frames = len(self.window), frames.shape[-2]
        pieces = scipy.fft.irfft(frames, n=n_fft, axis=-1)
        pieces *= self.window.astype(pieces.dtype, copy=False)
        n_overlaps = math.ceil(n_fft / self.hop_length)
        shape = (*frames.shape[:-2], n_frames + n_overlaps - 1, self.hop_length)
        sums = np.zeros(shape, dtype=pieces.dtype)
        sums[..., : n_overlaps - 1, :] = self._tail
        # From the earliest frame on, the order in which the tail was summed.
        for i in reversed(range(n_overlaps)):
            piece = pieces[..., i * self.hop_length : (i + 1) * self.hop_length]
            sums[..., i : i + n_frames, : piece.shape[-1]] += piece
        self._tail = sums[..., n_frames:, :].copy()
        return sums[..., :n_frames, :].reshape(*shape[:-2], -1)
