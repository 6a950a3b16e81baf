"""The short-time Fourier transform and its inverse as pure functions."""

from __future__ import annotations

import functools
import math

import numpy as np
import scipy.fft

from sknmf_unfold._data_checks import as_numbers

# A window whose overlapped squares dip further than this below their peak would amplify rounding
# (and every change that a mask makes) by as much in the dips.
MIN_OVERLAP_RATIO = 1e-2
# Frames of float32 keep within its range below this.
MAX_WINDOW = 1e3


def n_frames_of(n_times, n_fft, hop_length):
    """Count the frames that touch at least one of `n_times` samples.

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


@functools.lru_cache(maxsize=32)
def _named_window(window, n_fft):
    from scipy.signal import get_window

    values = np.sqrt(get_window("hann", n_fft)) if window == "sqrt_hann" else None
    values = get_window(window, n_fft) if values is None else values
    values.flags.writeable = False
    return values


def analysis_window(window, n_fft):
    """Make the analysis window in float64.

    Parameters
    ----------
    window : str, tuple or array-like of shape (n_fft,)
        ``"sqrt_hann"``, anything that `scipy.signal.get_window` takes, or the samples themselves.
    n_fft : int
        Length in samples.

    Returns
    -------
    window : ndarray of shape (n_fft,)

    Raises
    ------
    ValueError
        If the name is unknown or the array has another length.

    Examples
    --------
    >>> analysis_window("sqrt_hann", 4)
    array([0.        , 0.70710678, 1.        , 0.70710678])
    """
    if isinstance(window, (str, tuple)):
        try:
            return _named_window(window, n_fft)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"`window` must be 'sqrt_hann', a window known to scipy.signal.get_window or an "
                f"array of n_fft={n_fft} samples; got {window!r}."
            ) from error
    array = as_numbers(window, "`window`", f"a name or an array of n_fft={n_fft} samples")
    if array.shape != (n_fft,) or not np.all(np.isfinite(array)):
        raise ValueError(
            f"`window` must have n_fft={n_fft} finite samples; got an array of shape {array.shape}."
        )
    # With the headroom that `check_level` leaves, so that no frame overflows.
    if np.abs(array).max() > MAX_WINDOW:
        raise ValueError(
            f"`window` must have samples of at most {MAX_WINDOW:g}; got {np.abs(array).max():.6g}."
        )
    return array


def synthesis_window(window, n_fft, hop_length):
    """Make the window that turns overlap-add into the exact inverse (the canonical dual).

    For a square-root Hann window whose hop divides a half window it is that window again, scaled.

    Parameters
    ----------
    window : str, tuple or array-like of shape (n_fft,)
        The analysis window.
    n_fft, hop_length : int
        Frame length and hop in samples.

    Returns
    -------
    dual : ndarray of shape (n_fft,)

    Raises
    ------
    ValueError
        If some samples are (nearly) lost between the windows, so that no inverse exists.

    References
    ----------
    .. [1] Griffin, Lim, "Signal estimation from modified short-time Fourier transform", IEEE
       Trans. ASSP 32(2), 1984, equation (6).
    """
    values = analysis_window(window, n_fft)
    padded = np.zeros(math.ceil(n_fft / hop_length) * hop_length)
    padded[:n_fft] = values**2
    overlap = padded.reshape(-1, hop_length).sum(axis=0)
    if not overlap.min() > MIN_OVERLAP_RATIO * overlap.max():
        raise ValueError(
            f"`hop_length` and `window` must cover every sample to be invertible; got hop_length="
            f"{hop_length}, n_fft={n_fft}, window={window!r}. Try hop_length={max(1, n_fft // 4)}."
        )
    return values / np.resize(overlap, n_fft)


def stft(waveform, n_fft=512, hop_length=128, window="sqrt_hann", start=0, stop=None):
    """Compute the unnormalised STFT, or a part of its frames; frames before bins.

    Frame t covers samples ``t * hop_length - (n_fft - hop_length)`` up to ``(t + 1) * hop_length``
    (exclusive), zeros outside the waveform: every sample lies under full overlap, the first and the
    last included, and frame t needs no sample after ``(t + 1) * hop_length``.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,), float32 or float64
        Samples in [-1, 1].
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window, see `analysis_window`.
    start : int, default=0
        The first frame to compute.
    stop : int, optional
        The frame to stop before; None, or a number after the last, goes to the end.

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
    padded = _excerpt(waveform, first, (n_frames - 1) * hop_length + n_fft)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    values = analysis_window(window, n_fft).astype(waveform.dtype)
    return scipy.fft.rfft(frames * values, axis=-1)


def _excerpt(waveform, first, length):
    """Copy samples from `first` on, zeros before the waveform's beginning and after its end."""
    excerpt = np.zeros(length, dtype=waveform.dtype)
    inside = waveform[max(first, 0) : max(first + length, 0)]
    offset = max(-first, 0)
    excerpt[offset : offset + len(inside)] = inside
    return excerpt


def istft(frames, n_times, n_fft=512, hop_length=128, window="sqrt_hann"):
    """Invert `stft` by overlap-add with the dual window, to exactly `n_times` samples.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_fft // 2 + 1), complex
        Frames as `stft` makes them, possibly masked.
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
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> inverse = OverlapAdd(1000)
    >>> for start in range(0, 11, 2):
    ...     inverse.append(stft(x, start=start, stop=start + 2))
    >>> bool(np.allclose(inverse.waveform, x))
    True
    """

    def __init__(self, n_times, n_fft=512, hop_length=128, window="sqrt_hann"):
        self.n_times = n_times
        self.hop_length = hop_length
        self.window = synthesis_window(window, n_fft, hop_length)
        self.waveform = None
        # What the frames so far add to the samples after them, and where those samples begin.
        self._tail = np.zeros(())
        self._position = hop_length - n_fft

    def append(self, frames):
        """Add the next frames.

        Parameters
        ----------
        frames : ndarray of shape (n_frames, n_fft // 2 + 1), complex
            Any number of them.
        """
        n_fft, n_frames = len(self.window), len(frames)
        if n_frames == 0:
            return
        pieces = scipy.fft.irfft(frames, n=n_fft, axis=-1)
        pieces *= self.window.astype(pieces.dtype)
        n_overlaps = math.ceil(n_fft / self.hop_length)
        sums = np.zeros((n_frames + n_overlaps - 1, self.hop_length), dtype=pieces.dtype)
        sums[: n_overlaps - 1] = self._tail
        # The earliest frames first, as the tail's have been.
        for i in reversed(range(n_overlaps)):
            piece = pieces[:, i * self.hop_length : (i + 1) * self.hop_length]
            sums[i : i + n_frames, : piece.shape[1]] += piece
        self._tail = sums[n_frames:].copy()
        self._write(sums[:n_frames].reshape(-1))

    def _write(self, samples):
        if self.waveform is None:
            self.waveform = np.zeros(self.n_times, dtype=samples.dtype)
        first, last = self._position, min(self._position + len(samples), self.n_times)
        if last > 0:
            begin = max(first, 0)
            self.waveform[begin:last] = samples[begin - first : last - first]
        self._position = first + len(samples)
