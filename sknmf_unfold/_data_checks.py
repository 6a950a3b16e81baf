"""Every check of data and its message: waveforms, magnitudes, tables, components."""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterator

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, validate_data

PCM_DTYPES = ("uint8", "int8", "int16", "int32")
WAVEFORM = f"floats in [-1, 1] or PCM of dtype {', '.join(PCM_DTYPES)}"


def check_list(X, name, what):
    """Raise unless `X` is a non-empty list or tuple of recordings."""
    if isinstance(X, np.ndarray) and X.ndim == 1:
        raise ValueError(f"{name} is one 1-D array; pass a list of {what}, for one [{name}].")
    if not isinstance(X, (list, tuple)):
        raise TypeError(f"{name} must be a list of {what}; got {type(X).__name__}.")
    if len(X) == 0:
        raise ValueError(f"{name} is an empty list; at least one of the {what} is needed.")


def _native_float(array, label, wants):
    """Real numbers as float32 or float64 in native byte order, PCM scaled to [-1, 1]."""
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {label} has dtype {array.dtype}.")
    if array.dtype.name in PCM_DTYPES:
        bits = 8 * array.dtype.itemsize
        offset = 128.0 if array.dtype.kind == "u" else 0.0
        # Rounds once, on conversion: the rest is exact.
        scaled = array.astype(np.float32)
        scaled -= np.float32(offset)
        scaled /= np.float32(2.0 ** (bits - 1))
        return scaled
    if array.dtype.kind != "f":
        raise TypeError(f"{label} has dtype {array.dtype}; wanted {wants}.")
    dtype = np.float32 if array.dtype.itemsize <= 4 else np.float64
    return array.astype(dtype, copy=False)


def _check_finite(array, label, axes):
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
    """One 1-D waveform as finite float32 or float64, integer PCM scaled to [-1, 1].

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
            f"{label} is a path, {str(waveform)!r}; read it with sknmf_unfold.datasets.load_audio."
        )
    array = np.asarray(waveform)
    if array.dtype == object:
        raise TypeError(f"{label} must be a 1-D array of samples; got dtype object.")
    if array.ndim == 2 and min(array.shape) <= 8:
        raise ValueError(
            f"{label} has shape {array.shape}: stereo or transposed? A waveform is 1-D, "
            f"of shape (n_times,); average the channels first."
        )
    if array.ndim != 1:
        raise ValueError(f"{label} must be 1-D, of shape (n_times,); got shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{label} is empty; a waveform has at least one sample.")
    array = _native_float(array, label, WAVEFORM)
    _check_finite(array, label, ("sample",))
    return array


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
    return [check_waveform(x, f"{name}[{i}]") for i, x in enumerate(X)]


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
    array = np.asarray(magnitude)
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
    array = _native_float(array, label, "floats or whole numbers >= 0")
    _check_finite(array, label, ("frame", "bin"))
    if array.min() < 0:
        frame, bin_ = np.argwhere(array < 0)[0]
        raise ValueError(
            f"Negative values in data: {label} has {array[frame, bin_]:.6g} at frame {frame}, "
            f"bin {bin_}; magnitudes are >= 0."
        )
    if n_freqs is not None and array.shape[1] != n_freqs:
        hint = " Is it (bins, frames)? Frames come first." if array.shape[0] == n_freqs else ""
        raise ValueError(f"{label} has {array.shape[1]} bins but {n_freqs} are wanted.{hint}")
    return array


def check_same_length(X, Y):
    """Raise unless mixtures and targets pair up, item by item and sample by sample."""
    check_list(Y, "Y", "targets")
    if len(X) != len(Y):
        raise ValueError(f"X has {len(X)} items but Y has {len(Y)}; they must pair up.")
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        if len(x) != len(y):
            raise ValueError(
                f"X[{i}] has {len(x)} samples but Y[{i}] has {len(y)}; mixtures and targets "
                f"must be equally long."
            )


def check_waveform_table(estimator, X, reset):
    """Rows of a 2-D array as waveforms of one length, in float32 or float64."""
    _check_array_like(X, "X", "1-D waveforms")
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) == 2 and shape[0] >= 1024 and shape[1] <= 8:
        raise ValueError(
            f"X has shape {shape}: stereo or transposed audio? Rows are waveforms, so these would "
            f"be {shape[0]} waveforms of {shape[1]} samples; pass a list of 1-D waveforms."
        )
    if isinstance(X, np.ndarray) and X.dtype.name in PCM_DTYPES and X.ndim == 2:
        X = _native_float(X, "X", WAVEFORM)
    return validate_data(estimator, X, dtype=[np.float64, np.float32], reset=reset)


def _check_array_like(X, name, what):
    """Raise for what no array can be made of, before anything tries to."""
    # scikit-learn says what is wrong with sparse matrices, some of which are dicts.
    others = (str, bytes, numbers.Number, dict, set, Iterator)
    if X is None or (isinstance(X, others) and not issparse(X)):
        raise TypeError(f"{name} must be a list of {what}, or a 2-D array; got {type(X).__name__}.")


def check_magnitude_table(estimator, X, reset, name="X"):
    """Rows of a 2-D array as independent magnitude frames, in float32 or float64."""
    _check_array_like(X, name, "Spectrogram items or magnitude arrays")
    X = validate_data(estimator, X, dtype=[np.float64, np.float32], reset=reset)
    if X.min() < 0:
        raise ValueError(
            f"Negative values in data passed to {type(estimator).__name__}: X has a minimum of "
            f"{X.min():.6g}; magnitudes are >= 0."
        )
    return X


def check_table_targets(Y, X):
    """Targets of a table: anything non-negative that broadcasts to its (n_samples, n_freqs).

    One number a sample (a 1-D `Y`) is the target of all bins of that sample.
    """
    Y = check_array(Y, ensure_2d=False, dtype=X.dtype, input_name="Y")
    if len(Y) != len(X):
        raise ValueError(f"X has {len(X)} samples but Y has {len(Y)}; they must pair up.")
    if Y.min() < 0:
        raise ValueError(f"Negative values in data: Y has a minimum of {Y.min():.6g}.")
    Y = Y[:, np.newaxis] if Y.ndim == 1 else Y
    if Y.ndim != 2 or Y.shape[1] not in (1, X.shape[1]):
        raise ValueError(f"Y of shape {Y.shape} does not broadcast to X of shape {X.shape}.")
    return np.broadcast_to(Y, X.shape)


def check_sample_weight(sample_weight, n_samples):
    """Weights of recordings (or rows of a table) as float64, None as it is.

    Examples
    --------
    >>> check_sample_weight([1, 2], 3)
    Traceback (most recent call last):
    ...
    ValueError: `sample_weight` must have one weight for each of the 3 items of X; got shape (2,).
    """
    if sample_weight is None:
        return None
    settings = {"ensure_2d": False, "dtype": np.float64, "input_name": "sample_weight"}
    weights = check_array(np.atleast_1d(sample_weight), **settings)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"`sample_weight` must have one weight for each of the {n_samples} items of X; got "
            f"shape {weights.shape}."
        )
    if weights.min() < 0 or not weights.any():
        raise ValueError(
            f"`sample_weight` must be >= 0 and not all 0; got a minimum of {weights.min():.6g} and "
            f"a maximum of {weights.max():.6g}."
        )
    return weights


def check_components(name, components, n_freqs):
    """Check a dictionary that the user brings.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    components : array-like of shape (n_components, n_freqs)
        Non-negative, no row of zeros.
    n_freqs : int
        Number of bins that it must have.

    Returns
    -------
    components : ndarray of shape (n_components, n_freqs), float64
    """
    if np.asarray(components).dtype.kind not in "fiu":
        raise TypeError(f"`{name}` must be an array of numbers; got {components!r}.")
    components = check_array(components, dtype=np.float64, input_name=name)
    if components.shape[1] != n_freqs or components.min() < 0:
        raise ValueError(
            f"`{name}` must be non-negative with {n_freqs} columns; got shape {components.shape} "
            f"and a minimum of {components.min():.6g}."
        )
    if not components.any(axis=1).all():
        row = int(np.argmin(components.any(axis=1)))
        raise ValueError(f"`{name}` has only zeros in row {row}; unit norm needs one that is not.")
    return components
