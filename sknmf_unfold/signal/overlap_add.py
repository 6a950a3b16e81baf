"""The inverse of the short-time Fourier transform, for frames that come block by block."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft

from .windows import synthesis_window


class OverlapAdd:
    """The inverse of `stft` for frames that come block by block.

    Gives the numbers of `istft`, which is the same with one block: every sample is the sum of the
    same frames in the same order.

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
        Final up to the last ``n_fft - hop_length`` samples that the frames so far touch.

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

    def __init__(self, n_times, n_fft=512, hop_length=128, window="sqrt_hann"):
        self.n_times = n_times
        self.waveform = None
        self._add = RunningOverlapAdd(n_fft, hop_length, window)
        # Where the next samples belong.
        self._position = hop_length - n_fft

    def append(self, frames):
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
    """The samples that frames, coming a few at a time, complete.

    Sample 0 is the first one that frame 0 covers, ``n_fft - hop_length`` samples before the
    beginning of the waveform.

    Parameters
    ----------
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        The analysis window.
    """

    def __init__(self, n_fft, hop_length, window):
        self.hop_length = hop_length
        self.window = synthesis_window(window, n_fft, hop_length)
        self.reset()

    def reset(self):
        """Begin again before the first frame."""
        # What the frames so far add to the samples after them.
        self._tail = np.zeros(())

    def __call__(self, frames):
        """Add frames.

        Parameters
        ----------
        frames : ndarray of shape (..., n_frames, n_fft // 2 + 1), complex
            The next ones, of one or several streams.

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
        # The earliest frames first, as the tail's have been.
        for i in reversed(range(n_overlaps)):
            piece = pieces[..., i * self.hop_length : (i + 1) * self.hop_length]
            sums[..., i : i + n_frames, : piece.shape[-1]] += piece
        self._tail = sums[..., n_frames:, :].copy()
        return sums[..., :n_frames, :].reshape(*shape[:-2], -1)
