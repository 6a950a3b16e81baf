"""Analysis and synthesis windows of the short-time Fourier transform, and its settings checked."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_n_fft, check_number, check_sample_rate
from sknmf_unfold.validation.recordings import as_numbers

from .highpass import check_highpass

# Least ratio of the minimum to the maximum of the overlapped squared windows. Below it the inverse
# would amplify rounding, and every change that a mask makes, where the overlap is small.
MIN_OVERLAP_RATIO = 1e-2
# Frames of float32 audio do not overflow below this peak of the window.
MAX_WINDOW_PEAK = 1e3


@functools.lru_cache(maxsize=32)
def _named_window(window: str | tuple, n_fft: int) -> np.ndarray:
    from scipy.signal import get_window

    values = np.sqrt(get_window("hann", n_fft)) if window == "sqrt_hann" else None
    values = get_window(window, n_fft) if values is None else values
    values.flags.writeable = False
    return values


def analysis_window(window: str | tuple | ArrayLike, n_fft: int) -> np.ndarray:
    """Compute the analysis window in float64.

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
    # `Spectrogram.settings` stores an array as a tuple of numbers.
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
    # Together with the headroom of `check_peak`, no frame overflows.
    peak = np.abs(array).max()
    if peak > MAX_WINDOW_PEAK:
        raise ValueError(
            f"`window` must have samples of at most {MAX_WINDOW_PEAK:g}; got {peak:.6g}."
        )
    return array


def synthesis_window(window: str | tuple | ArrayLike, n_fft: int, hop_length: int) -> np.ndarray:
    """Compute the window with which overlap-add is the exact inverse (the canonical dual).

    For a square-root Hann window whose hop divides half its length it is that window, scaled.

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
        If the windows (nearly) vanish at some samples, so that no stable inverse exists.

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


def check_stft_settings(
    n_fft: int,
    hop_length: int,
    window: str | tuple | ArrayLike,
    sample_rate: int,
    highpass: float | None,
) -> dict[str, Any]:
    """Check the settings of an STFT that has an inverse.

    Parameters
    ----------
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        The analysis window.
    sample_rate : int
        Sampling rate in Hz.
    highpass : float or None
        Cutoff in Hz of the high-pass filter before the analysis; None for no filter.

    Returns
    -------
    settings : dict
        The same, with numbers as Python numbers.

    Raises
    ------
    ValueError, TypeError
        If one is out of bounds, or the STFT has no inverse.

    Examples
    --------
    >>> check_stft_settings(np.int64(64), 16, "hann", 8000, 50)
    {'n_fft': 64, 'hop_length': 16, 'window': 'hann', 'sample_rate': 8000, 'highpass': 50.0}
    """
    n_fft = check_n_fft(n_fft)
    hop_length = check_number("hop_length", hop_length, low=1, high=n_fft, integer=True)
    sample_rate = check_sample_rate(sample_rate)
    highpass = check_highpass(highpass, sample_rate)
    synthesis_window(window, n_fft, hop_length)
    return {
        "n_fft": n_fft,
        "hop_length": hop_length,
        "window": window,
        "sample_rate": sample_rate,
        "highpass": highpass,
    }
