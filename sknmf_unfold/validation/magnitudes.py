"""Checks of magnitude spectrograms, and of the masks of spectrograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from .lazy import is_lazy
from .recordings import as_array, check_finite, check_peak
from .samples import native_float


def check_magnitude(magnitude: ArrayLike, label: str, n_freqs: int | None = None) -> np.ndarray:
    """Check a magnitude spectrogram; return it as finite non-negative float32 or float64.

    Parameters
    ----------
    magnitude : array-like of shape (n_frames, n_freqs)
        Magnitudes, frames before bins.
    label : str
        Its name in messages.
    n_freqs : int, optional
        The number of bins it must have.

    Returns
    -------
    magnitude : ndarray of shape (n_frames, n_freqs), float32 or float64
    """
    if issparse(magnitude):
        raise TypeError(
            f"{label} is sparse, as no item of a list of recordings can be; pass "
            f"{label}.toarray(). SparseNMF takes one sparse table of the frames of all, "
            f"scipy.sparse.vstack(X)."
        )
    if is_lazy(magnitude):
        # Its samples need not be read.
        _refuse_waveform(magnitude.shape, label)
    array = as_array(magnitude, label)
    if array.ndim == 1:
        _refuse_waveform(array.shape, label)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{label} must be a non-empty 2-D array (n_frames, n_freqs); got shape {array.shape}."
        )
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    array = native_float(array, label, "floats or whole numbers >= 0")
    check_finite(array, label, ("frame", "bin"))
    if array.min() < 0:
        frame, bin_ = np.argwhere(array < 0)[0]
        raise ValueError(
            f"Negative values in data: {label} has {array[frame, bin_]:.6g} at frame {frame}, "
            f"bin {bin_}; magnitudes are >= 0."
        )
    check_peak(array, label)
    if n_freqs is not None and array.shape[1] != n_freqs:
        hint = " Is it (bins, frames)? Frames come first." if array.shape[0] == n_freqs else ""
        raise ValueError(f"{label} has {array.shape[1]} bins but {n_freqs} are wanted.{hint}")
    return array


def _refuse_waveform(shape, label):
    raise ValueError(
        f"{label} is 1-D, of shape {shape}, but magnitude spectrograms (n_frames, n_freqs) are "
        f"wanted: did you forget STFT()?"
    )


def check_mask(mask: ArrayLike, shape: tuple[int, int], label: str) -> np.ndarray:
    """Check the mask of a spectrogram; return it as an array of finite numbers.

    Examples
    --------
    >>> check_mask([[True, False]], (1, 2), "`mask`")
    array([[ True, False]])
    """
    array = as_array(mask, label)
    if array.shape != shape:
        raise ValueError(
            f"{label} must have the shape of the spectrogram, {shape}; got {array.shape}."
        )
    if array.dtype.kind not in "fciub":
        raise TypeError(f"{label} has dtype {array.dtype}; wanted numbers.")
    check_finite(np.abs(array) if array.dtype.kind == "c" else array, label, ("frame", "bin"))
    return array
