"""The short-time Fourier transform and its inverse as pure functions."""

from __future__ import annotations

import functools
import math

import numpy as np
import scipy.fft

# A window whose overlapped squares dip further than this below their peak would amplify rounding
# (and every change that a mask makes) by as much in the dips.
MIN_OVERLAP_RATIO = 1e-2


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
    array = np.asarray(window, dtype=np.float64)
    if array.shape != (n_fft,) or not np.all(np.isfinite(array)):
        raise ValueError(
            f"`window` must have n_fft={n_fft} finite samples; got an array of shape {array.shape}."
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


def stft(waveform, n_fft=512, hop_length=128, window="sqrt_hann"):
    """Compute the unnormalised STFT, frames before bins.

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

    Returns
    -------
    frames : ndarray of shape (n_frames, n_fft // 2 + 1), complex64 or complex128

    Examples
    --------
    >>> stft(np.ones(1000)).shape
    (11, 257)
    """
    n_frames = n_frames_of(len(waveform), n_fft, hop_length)
    padded = np.zeros((n_frames - 1) * hop_length + n_fft, dtype=waveform.dtype)
    start = n_fft - hop_length
    padded[start : start + len(waveform)] = waveform
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    values = analysis_window(window, n_fft).astype(waveform.dtype)
    return scipy.fft.rfft(frames * values, axis=-1)


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
    n_overlaps = math.ceil(n_fft / hop_length)
    pieces = scipy.fft.irfft(frames, n=n_fft, axis=-1)
    pieces *= synthesis_window(window, n_fft, hop_length).astype(pieces.dtype)
    blocks = np.zeros((len(frames) + n_overlaps - 1, hop_length), dtype=pieces.dtype)
    for i in range(n_overlaps):
        piece = pieces[:, i * hop_length : (i + 1) * hop_length]
        blocks[i : i + len(frames), : piece.shape[1]] += piece
    start = n_fft - hop_length
    return blocks.reshape(-1)[start : start + n_times].copy()
