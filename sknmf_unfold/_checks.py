"""Every input check and its message: what the parameter is, what it got, what it wants."""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import issparse
from sklearn import utils
from sklearn.utils.validation import assert_all_finite, check_array, validate_data

PCM_DTYPES = ("uint8", "int8", "int16", "int32")
# Rates that libsndfile writes and that resampling can reach in reasonable memory.
MAX_SAMPLE_RATE = 10_000_000
# A minute of audio, beyond which memory goes before anything useful comes out.
MAX_N_FFT = 2**20
WAVEFORM = f"floats in [-1, 1] or PCM of dtype {', '.join(PCM_DTYPES)}"


def check_number(name, value, *, low=None, high=None, integer=False, open_low=False):
    """Raise unless `value` is a finite real (or whole) number within its bounds.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        What the user passed.
    low, high : float, optional
        Inclusive bounds.
    integer : bool, default=False
        Whether only whole numbers will do.
    open_low : bool, default=False
        Whether `low` itself is excluded.

    Raises
    ------
    TypeError
        If `value` is not a number of the wanted kind.
    ValueError
        If it is not finite or out of bounds.

    Examples
    --------
    >>> check_number("n_layers", 0, low=1, integer=True)
    Traceback (most recent call last):
    ...
    ValueError: `n_layers` must be a whole number >= 1; got 0.
    """
    kind = numbers.Integral if integer else numbers.Real
    bounds = [f"{'>' if open_low else '>='} {low}"] * (low is not None)
    bounds += [f"<= {high}"] * (high is not None)
    wants = ("a whole number" if integer else "a finite number") + " and".join(
        f" {bound}" for bound in bounds
    )
    if not isinstance(value, kind) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"`{name}` must be {wants}; got {value!r} ({type(value).__name__}).")
    too_low = low is not None and (value <= low if open_low else value < low)
    if not np.isfinite(float(value)) or too_low or (high is not None and value > high):
        raise ValueError(f"`{name}` must be {wants}; got {value!r}.")


def check_choice(name, value, choices):
    """Raise ``ValueError`` unless `value` is one of the strings in `choices`.

    Examples
    --------
    >>> check_choice("inference", "fista", ["mu", "ista"])
    Traceback (most recent call last):
    ...
    ValueError: `inference` must be one of 'mu', 'ista'; got 'fista'.
    """
    if not (isinstance(value, str) and value in choices):
        wants = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {wants}; got {value!r}.")


def check_flag(name, value):
    """Raise ``TypeError`` unless `value` is True or False.

    Examples
    --------
    >>> check_flag("warm_start", "no")
    Traceback (most recent call last):
    ...
    TypeError: `warm_start` must be True or False; got 'no'.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"`{name}` must be True or False; got {value!r}.")


def check_verbose(verbose):
    """Raise unless `verbose` is a flag or a whole number >= 0.

    Examples
    --------
    >>> check_verbose("loud")
    Traceback (most recent call last):
    ...
    TypeError: `verbose` must be a whole number >= 0; got 'loud' (str).
    """
    if not isinstance(verbose, (bool, np.bool_)):
        check_number("verbose", verbose, low=0, integer=True)


def check_random_state(random_state):
    """Turn a `random_state` parameter into a generator, as scikit-learn does.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        A seed, a generator that is used as it is, or numpy's global one.

    Returns
    -------
    rng : numpy.random.RandomState

    Raises
    ------
    ValueError
        If it is none of them.
    """
    try:
        return utils.check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            f"`random_state` must be a whole number from 0 to 4294967295, a RandomState or None; "
            f"got {random_state!r}."
        ) from error


def check_sample_rate(sample_rate, low=1):
    """Raise unless `sample_rate` is a whole number of Hz from `low` to 10 MHz."""
    check_number("sample_rate", sample_rate, low=low, integer=True)
    check_number("sample_rate", sample_rate, high=MAX_SAMPLE_RATE, integer=True)


def check_n_fft(n_fft):
    """Raise unless `n_fft` is a whole number of samples that can be a frame."""
    check_number("n_fft", n_fft, low=2, integer=True)
    check_number("n_fft", n_fft, high=MAX_N_FFT, integer=True)


def check_step_size(step_size):
    """Raise unless `step_size` is ``"auto"`` or a number > 0."""
    if not (isinstance(step_size, str) and step_size == "auto"):
        check_number("step_size", step_size, low=0, open_low=True)


def check_path(name, path, wants="a path"):
    """Check a parameter that names a file or folder; return it as a `Path`.

    Examples
    --------
    >>> check_path("path", 3)
    Traceback (most recent call last):
    ...
    TypeError: `path` must be a path; got 3 (int).
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"`{name}` must be {wants}; got {path!r} ({type(path).__name__}).")
    # libsndfile would take what stands before it for the name.
    if "\0" in str(path):
        raise ValueError(f"`{name}` has a null character in it: {str(path)!r}.")
    return Path(path)


def check_folder(name, path):
    """Check a parameter that names a folder, which need not exist yet.

    Parameters
    ----------
    name : str
        Its name, for the message.
    path : str or os.PathLike
        What it got.

    Returns
    -------
    folder : Path

    Raises
    ------
    TypeError, ValueError
        If it is no path, or the path of a file.
    """
    folder = check_path(name, path, "a path or None")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`{name}` must be a folder; {folder} is a file.")
    return folder


def is_number(value):
    """Whether an item of a list stands for one number, and not for a row or a recording."""
    # A ragged list has no number of dimensions.
    return not isinstance(value, (list, tuple)) and np.ndim(value) == 0


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
    """Make an array of numbers of what may be none; masked samples are no numbers.

    Examples
    --------
    >>> as_array([[1.0, 2.0], [3.0]], "X[0]")
    Traceback (most recent call last):
    ...
    TypeError: X[0] cannot become an array of numbers: ...
    """
    if np.ma.is_masked(value):
        raise ValueError(f"{label} has masked entries; fill them first, for example by filled(0).")
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
        raise TypeError(f"{label} must be {wants}; got {value!r}.")
    return array.astype(np.float64)


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
    # A long double that float64 cannot hold becomes an infinity, which is reported by its place.
    with np.errstate(over="ignore"):
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
    array = as_array(waveform, label)
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
    array = _native_float(array, label, "floats or whole numbers >= 0")
    _check_finite(array, label, ("frame", "bin"))
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


def check_same_length(X, Y, names=("X", "Y"), unit="samples"):
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


def check_waveform_table(estimator, X, reset):
    """Rows of a 2-D array as waveforms of one length, in float32 or float64."""
    check_array_like(X, "X", "1-D waveforms")
    X = _plain_table(X)
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) == 2 and shape[0] >= 1024 and shape[1] <= 8:
        raise ValueError(
            f"X has shape {shape}: stereo or transposed audio? Rows are waveforms, so these would "
            f"be {shape[0]} waveforms of {shape[1]} samples; pass a list of 1-D waveforms."
        )
    if isinstance(X, np.ndarray) and X.dtype.name in PCM_DTYPES and X.ndim == 2:
        X = _native_float(X, "X", WAVEFORM)
    return _validated(estimator, X, reset, "X")


def _plain_table(X):
    """Native floats of an array of other ones, so that they compute as a list of them does."""
    if isinstance(X, np.ndarray) and X.dtype.kind == "f" and not np.ma.is_masked(X):
        return _native_float(X, "X", "floats")
    return X


def _validated(estimator, X, reset, name):
    """scikit-learn's check of a table, with the place of what is not finite."""
    if np.ma.is_masked(X):
        raise ValueError(f"{name} has masked entries; fill them first, for example by filled(0).")
    dtypes = [np.float64, np.float32]
    X = validate_data(estimator, X, dtype=dtypes, ensure_all_finite=False, reset=reset)
    _check_finite_table(X, name)
    check_level(X, name)
    return X


def _check_finite_table(table, name):
    """Raise in scikit-learn's words, which its checks look for, and with the place."""
    try:
        assert_all_finite(table, input_name=name)
    except ValueError as error:
        words = str(error).splitlines()[0].rstrip(".")
        place = zip(("row", "column"), np.argwhere(~np.isfinite(table))[0], strict=False)
        where = ", ".join(f"{axis} {index}" for axis, index in place)
        raise ValueError(f"{words}. The first is in {where}.") from None


def check_array_like(X, name, what):
    """Raise for what no array can be made of, before anything tries to."""
    # scikit-learn says what is wrong with sparse matrices, some of which are dicts.
    others = (str, bytes, numbers.Number, dict, set, Iterator)
    if X is None or (isinstance(X, others) and not issparse(X)):
        raise TypeError(f"{name} must be a list of {what}, or a 2-D array; got {type(X).__name__}.")
    # A column of lists, as polars has them.
    one_axis = len(getattr(X, "shape", ())) == 1
    if one_axis and not isinstance(X, np.ndarray) and as_array(X, name).dtype.kind == "O":
        raise TypeError(
            f"{name} must be a list of {what}, or a 2-D array; got a {type(X).__name__} of "
            f"objects. Make a list of it."
        )


def check_magnitude_table(estimator, X, reset, name="X"):
    """Rows of a 2-D array as independent magnitude frames, in float32 or float64."""
    check_array_like(X, name, "Spectrogram items or magnitude arrays")
    X = _validated(estimator, _plain_table(X), reset, name)
    if X.min() < 0:
        raise ValueError(
            f"Negative values in data passed to {type(estimator).__name__}: {name} has a minimum "
            f"of {X.min():.6g}; magnitudes are >= 0."
        )
    return X


def check_table_targets(Y, X, name="Y"):
    """Targets of a table: anything non-negative that broadcasts to its (n_samples, n_freqs).

    One number a sample (a 1-D `Y`) is the target of all bins of that sample.
    """
    settings = {"ensure_2d": False, "ensure_all_finite": False, "input_name": name}
    Y = check_array(Y, dtype=X.dtype, **settings)
    _check_finite_table(Y, name)
    if len(Y) != len(X):
        raise ValueError(f"X has {len(X)} samples but {name} has {len(Y)}; they must pair up.")
    if Y.min() < 0:
        raise ValueError(f"Negative values in data: {name} has a minimum of {Y.min():.6g}.")
    check_level(Y, name)
    Y = Y[:, np.newaxis] if Y.ndim == 1 else Y
    if Y.ndim != 2 or Y.shape[1] not in (1, X.shape[1]):
        raise ValueError(f"{name} of shape {Y.shape} does not broadcast to X of shape {X.shape}.")
    return np.broadcast_to(Y, X.shape)


def check_components(name, components, n_freqs):
    """Check a dictionary: not negative, rows of `n_freqs` bins, none of them silent."""
    components = as_numbers(components, f"`{name}`", "an array of numbers")
    if components.ndim != 2 or components.shape[1] != n_freqs or len(components) == 0:
        raise ValueError(
            f"`{name}` must be non-negative with {n_freqs} columns; got shape {components.shape}."
        )
    _check_finite_table(components, name)
    if components.min() < 0:
        raise ValueError(
            f"`{name}` must be non-negative with {n_freqs} columns; got a minimum of "
            f"{components.min():.6g}."
        )
    if not components.any(axis=1).all():
        row = int(np.argmin(components.any(axis=1)))
        raise ValueError(f"`{name}` has only zeros in row {row}; unit norm needs one that is not.")
    return components


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
