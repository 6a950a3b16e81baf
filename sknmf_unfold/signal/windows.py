"""Windows of the short-time Fourier transform and of its inverse."""

from __future__ import annotations

import functools
import math

import numpy as np

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_n_fft, check_number, check_sample_rate
from sknmf_unfold.validation.recordings import as_numbers

# A window whose overlapped squares dip further than this below their peak would amplify rounding
# (and every change that a mask makes) by as much in the dips.
MIN_OVERLAP_RATIO = 1e-2
# Frames of float32 keep within its range below this.
MAX_WINDOW = 1e3


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
    # A tuple of numbers is what settings keep of an array.
    if isinstance(window, str) or (
        isinstance(window, tuple) and any(isinstance(part, str) for part in window[:1])
    ):
        try:
            return _named_window(window, n_fft)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"`window` must be 'sqrt_hann', a window known to scipy.signal.get_window or an "
                f"array of n_fft={n_fft} samples; got {shown(window)}."
            ) from error
    array = as_numbers(window, "`window`", f"a name or an array of n_fft={n_fft} samples")
    if array.shape != (n_fft,) or not np.all(np.isfinite(array)):
        raise ValueError(
            f"`window` must have n_fft={n_fft} finite samples; got an array of shape {array.shape}."
        )
    # With the headroom that `check_peak` leaves, so that no frame overflows.
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
            f"{hop_length}, n_fft={n_fft}, window={shown(window)}. Try "
            f"hop_length={max(1, n_fft // 4)}."
        )
    return values / np.resize(overlap, n_fft)


def check_stft_settings(n_fft, hop_length, window, sample_rate):
    """Check the settings of an STFT that has an inverse.

    Parameters
    ----------
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        The analysis window.
    sample_rate : int
        In Hz.

    Returns
    -------
    settings : dict
        The same, numbers as Python's own.

    Raises
    ------
    ValueError, TypeError
        If one is out of bounds, or the window and its hop leave samples out.

    Examples
    --------
    >>> check_stft_settings(np.int64(64), 16, "hann", 8000)
    {'n_fft': 64, 'hop_length': 16, 'window': 'hann', 'sample_rate': 8000}
    """
    n_fft = check_n_fft(n_fft)
    hop_length = check_number("hop_length", hop_length, low=1, high=n_fft, integer=True)
    sample_rate = check_sample_rate(sample_rate)
    synthesis_window(window, n_fft, hop_length)
    return {
        "n_fft": n_fft,
        "hop_length": hop_length,
        "window": window,
        "sample_rate": sample_rate,
    }
