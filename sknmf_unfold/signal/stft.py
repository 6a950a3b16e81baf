"""Short-time Fourier transform and its inverse as pure functions: framing and zero padding.

The zero padding at both ends is decided here: `n_frames_of` counts the frames, and `stft` places
the first one ``n_fft - hop_length`` samples before the waveform.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from sknmf_unfold.validation.lazy import LazyWaveform

from .highpass import HighPassed
from .overlap_add import OverlapAdd
from .windows import analysis_window


def n_frames_of(n_times: int, n_fft: int, hop_length: int) -> int:
    """Count the frames of an STFT: those that cover at least one of `n_times` samples.

    Parameters
    ----------
    n_times, n_fft, hop_length : int
        Lengths of waveform, frame and hop in samples.

    Returns
    -------
    n_frames : int

    Examples
    --------
    >>> n_frames_of(1, 512, 128), n_frames_of(129, 512, 128)
    (4, 5)
    """
    return (n_times - 1 + n_fft - hop_length) // hop_length + 1


def stft(
    waveform: np.ndarray | LazyWaveform | HighPassed,
    n_fft: int = 512,
    hop_length: int = 128,
    window: str | tuple | ArrayLike = "sqrt_hann",
    start: int = 0,
    stop: int | None = None,
) -> np.ndarray:
    """Compute the unnormalised STFT, or a range of its frames; frames before bins.

    Frame t covers samples ``t * hop_length - (n_fft - hop_length)`` up to ``(t + 1) * hop_length``
    (exclusive), with zeros outside the waveform. So every sample lies under full overlap, the first
    and the last included, and frame t needs no sample after ``(t + 1) * hop_length``.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,), float32 or float64, LazyWaveform or HighPassed
        Samples in [-1, 1]. Of a `LazyWaveform` only the samples under the frames are read, where
        its file allows that, and of a `HighPassed` only these are filtered.
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window, see `analysis_window`.
    start : int, default=0
        Index of the first frame.
    stop : int, optional
        Index after the last frame; by default, or if it is too large, all frames.

    Returns
    -------
    frames : ndarray of shape (n_frames, n_fft // 2 + 1), complex64 or complex128

    Examples
    --------
    >>> stft(np.ones(1000)).shape, stft(np.ones(1000), start=8, stop=10).shape
    ((11, 257), (2, 257))
    """
    total = n_frames_of(len(waveform), n_fft, hop_length)
    n_frames = (total if stop is None else min(stop, total)) - start
    if n_frames <= 0:
        dtype = np.result_type(waveform.dtype, np.complex64)
        return np.empty((0, n_fft // 2 + 1), dtype=dtype)
    first = start * hop_length - (n_fft - hop_length)
    padded = _padded_excerpt(waveform, first, (n_frames - 1) * hop_length + n_fft)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    values = analysis_window(window, n_fft).astype(waveform.dtype)
    return scipy.fft.rfft(frames * values, axis=-1)


def _padded_excerpt(
    waveform: np.ndarray | LazyWaveform | HighPassed, first: int, length: int
) -> np.ndarray:
    """Copy samples from index `first` on, with zeros before and after the waveform."""
    excerpt = np.zeros(length, dtype=waveform.dtype)
    inside = waveform[max(first, 0) : max(first + length, 0)]
    offset = max(-first, 0)
    excerpt[offset : offset + len(inside)] = inside
    return excerpt


def istft(
    frames: np.ndarray,
    n_times: int,
    n_fft: int = 512,
    hop_length: int = 128,
    window: str | tuple | ArrayLike = "sqrt_hann",
) -> np.ndarray:
    """Invert `stft` by overlap-add with the dual window, to exactly `n_times` samples.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_fft // 2 + 1), complex
        All frames of `stft`, possibly masked.
    n_times : int
        Length of the waveform in samples.
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        The analysis window.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float32 or float64

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> bool(np.allclose(istft(stft(x), 1000), x))
    True
    """
    inverse = OverlapAdd(n_times, n_fft, hop_length, window)
    inverse.append(frames)
    return inverse.waveform
