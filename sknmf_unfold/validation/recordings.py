"""Every check of recordings and its message: lists, waveforms, magnitudes."""

from __future__ import annotations

import os

import numpy as np

from .messages import shown
from .samples import (
    check_one_axis,
    check_rows,
    float_samples,
    native_float,
    refuse_bytes,
    without_objects,
)


def is_number(value):
    """Whether an item of a list stands for one number, and not for a row or a recording."""
    # A ragged list has no number of dimensions.
    return not isinstance(value, (list, tuple)) and np.ndim(value) == 0


def is_spectrogram(item):
    """Whether an item is a spectrogram that knows its waveform."""
    return hasattr(item, "magnitude") and hasattr(item, "waveform")


def waveform_of(item):
    """Return a spectrogram's waveform: with a mask, what the masked frames sound like."""
    return item.waveform if item.mask is None else item.inverse()


def sound_of(item):
    """Return what a spectrogram sounds like, and anything else as it is."""
    return waveform_of(item) if is_spectrogram(item) else item


def as_list(X):
    """Make a list of an object array or Series of recordings; return anything else as it is.

    numpy makes such arrays of lists whose items differ in length.

    Examples
    --------
    >>> X = np.empty(2, dtype=object)
    >>> X[:] = [np.ones(2), np.ones(1)]
    >>> as_list(X)
    [array([1., 1.]), array([1.])]
    """
    if getattr(X, "ndim", None) != 1 or getattr(getattr(X, "dtype", None), "kind", "") != "O":
        return X
    return list(X) if any(hasattr(x, "waveform") or not is_number(x) for x in X) else X


def as_array(value, label):
    """Make an array of numbers of what may be none, as masked samples and raw bytes are.

    Examples
    --------
    >>> as_array([[1.0, 2.0], [3.0]], "X[0]")
    Traceback (most recent call last):
    ...
    TypeError: X[0] cannot become an array of numbers: ...
    """
    if np.ma.is_masked(value):
        raise ValueError(f"{label} has masked entries; fill them first, for example by filled(0).")
    refuse_bytes(value, label)
    try:
        return np.asarray(value)
    # Whatever the __array__ of a foreign type raises, a tensor that records gradients for one.
    except Exception as error:
        raise TypeError(f"{label} cannot become an array of numbers: {error}") from error


def as_numbers(value, label, wants):
    """Make a float64 array of real numbers, which need not be finite.

    Examples
    --------
    >>> as_numbers("hann", "`window`", "samples")
    Traceback (most recent call last):
    ...
    TypeError: `window` must be samples; got 'hann'.
    """
    array = as_array(value, label)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{label} must be {wants}; got {shown(value)}.")
    return array.astype(np.float64)


def check_list(X, name, what):
    """Raise unless `X` is a non-empty list or tuple of recordings."""
    if isinstance(X, np.ndarray) and X.ndim == 1:
        raise ValueError(f"{name} is one 1-D array; pass a list of {what}, for one [{name}].")
    if not isinstance(X, (list, tuple)):
        raise TypeError(f"{name} must be a list of {what}; got {type(X).__name__}.")
    if len(X) == 0:
        raise ValueError(f"{name} is an empty list; at least one of the {what} is needed.")


def check_finite(array, label, axes):
    """Raise with the position of the first NaN or infinity."""
    # The sum is finite whenever all entries are (unless it overflows), and needs no temporary.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        value = "NaN" if np.isnan(array[tuple(bad[0])]) else "infinity"
        where = ", ".join(f"{axis} {index}" for axis, index in zip(axes, bad[0], strict=True))
        raise ValueError(f"{label} contains {value} at {where}.")


def check_waveform(waveform, label):
    """One 1-D waveform as finite float32 or float64, PCM scaled to [-1, 1].

    Parameters
    ----------
    waveform : array-like of shape (n_times,)
        Samples: floats, or integer PCM (uint8, int8, int16, int32).
    label : str
        What to call it in messages, for example ``"X[3]"``.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float32 or float64

    Examples
    --------
    >>> check_waveform(np.array([0, -32768], dtype="int16"), "X[0]")
    array([ 0., -1.], dtype=float32)
    """
    if isinstance(waveform, (str, os.PathLike)):
        raise TypeError(
            f"{label} is a path, {shown(str(waveform))}; read it with "
            f"sknmf_unfold.datasets.load_audio."
        )
    if is_spectrogram(waveform):
        raise TypeError(f"{label} is a Spectrogram; the waveform of one is its `inverse()`.")
    array = without_objects(as_array(waveform, label))
    if array.dtype == object:
        raise TypeError(f"{label} must be a 1-D array of samples; got dtype object.")
    check_one_axis(array.shape, label)
    if array.size == 0:
        raise ValueError(f"{label} is empty; a waveform has at least one sample.")
    array = float_samples(array, label)
    check_finite(array, label, ("sample",))
    return array


def refuse_one_item(X, name):
    """Raise for a spectrogram in place of a list of them."""
    if is_spectrogram(X):
        raise TypeError(f"{name} is one Spectrogram; pass a list of one, [{name}].")


def rows_of(X, name):
    """Make a list of the rows of a 2-D array of waveforms, which may be a DataFrame or a tensor.

    Object arrays and Series of recordings become lists too; anything else returns as it is.

    Examples
    --------
    >>> rows_of(np.eye(2), "Y")
    [array([1., 0.]), array([0., 1.])]
    """
    refuse_one_item(X, name)
    X = as_list(X)
    if isinstance(X, (list, tuple)) or len(getattr(X, "shape", ())) < 2:
        return X
    array = as_array(X, name)
    # Sparse matrices do not become one.
    if array.ndim < 2:
        return X
    check_rows(array.shape, name)
    return list(array)


def check_level(array, label):
    """Raise where sums over the entries may overflow the dtype, as those of a transform do.

    Examples
    --------
    >>> check_level(np.array([1e38], dtype="float32"), "X[0]")
    Traceback (most recent call last):
    ...
    ValueError: X[0] peaks at 1e+38, too much to compute with in float32; scale it to about [-1, 1].
    """
    peak = float(max(abs(array.min()), abs(array.max())))
    if peak > 1e-6 * np.finfo(array.dtype).max:
        raise ValueError(
            f"{label} peaks at {peak:.6g}, too much to compute with in {array.dtype}; scale it to "
            f"about [-1, 1]."
        )


def check_waveforms(X, name="X"):
    """Check a list of 1-D waveforms of any lengths.

    Examples
    --------
    >>> check_waveforms([np.zeros((16000, 2))])
    Traceback (most recent call last):
    ...
    ValueError: X[0] has shape (16000, 2): stereo or transposed? ...
    """
    check_list(X, name, "1-D waveforms")
    waveforms = [check_waveform(x, f"{name}[{i}]") for i, x in enumerate(X)]
    check_rows((len(waveforms), max(map(len, waveforms))), name)
    for i, waveform in enumerate(waveforms):
        check_level(waveform, f"{name}[{i}]")
    return waveforms


def check_magnitude(magnitude, label, n_freqs=None):
    """One magnitude spectrogram as finite non-negative float32 or float64.

    Parameters
    ----------
    magnitude : array-like of shape (n_frames, n_freqs)
        Magnitudes, frames before bins.
    label : str
        What to call it in messages.
    n_freqs : int, optional
        The number of bins it must have.

    Returns
    -------
    magnitude : ndarray of shape (n_frames, n_freqs), float32 or float64
    """
    array = as_array(magnitude, label)
    if array.ndim == 1:
        raise ValueError(
            f"{label} is 1-D, of shape {array.shape}, but magnitude spectrograms "
            f"(n_frames, n_freqs) are wanted: did you forget STFT()?"
        )
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
    check_level(array, label)
    if n_freqs is not None and array.shape[1] != n_freqs:
        hint = " Is it (bins, frames)? Frames come first." if array.shape[0] == n_freqs else ""
        raise ValueError(f"{label} has {array.shape[1]} bins but {n_freqs} are wanted.{hint}")
    return array


def check_mask(mask, shape, label):
    """Mask of a spectrogram as an array of finite numbers.

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


def check_same_length(X, Y, names=("X", "y"), unit="samples"):
    """Raise unless mixtures and targets pair up, item by item and sample by sample."""
    first, second = names
    check_list(Y, second, "targets")
    if len(X) != len(Y):
        raise ValueError(
            f"{first} has {len(X)} items but {second} has {len(Y)}; they must pair up."
        )
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        if len(x) != len(y):
            raise ValueError(
                f"{first}[{i}] has {len(x)} {unit} but {second}[{i}] has {len(y)}; mixtures and "
                f"targets must be equally long."
            )
