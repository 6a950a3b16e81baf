"""Every check of a parameter and its message: what it is, what it got, what it wants."""

from __future__ import annotations

import math
import numbers
import os
from pathlib import Path

import numpy as np
from sklearn import utils

from .messages import shown

# Rates that libsndfile writes and that resampling can reach in reasonable memory.
MAX_SAMPLE_RATE = 10_000_000
# A minute of audio, beyond which memory goes before anything useful comes out.
MAX_N_FFT = 2**20
# What a whole number can be that torch, numpy and files take.
MAX_WHOLE = 2**63 - 1
# Weights that a laptop holds but hardly trains: 8 GiB in float32.
MAX_WEIGHTS = 2**31
# Bounds of sizes, far beyond what separates better.
MAX_LAYERS = 1000
MAX_COMPONENTS = 100_000
MAX_UNITS = 100_000
MAX_CONTEXT = 10_000
# What float32 holds with room for squares and for sums over many frames.
MAX_WEIGHT = 1e15
MIN_STEP_SIZE, MAX_STEP_SIZE = 1e-30, 1e6
MAX_LEARNING_RATE = 1e6


def check_number(name, value, *, low=None, high=None, integer=False, open_low=False):
    """Check that `value` is a finite real (or whole) number within its bounds.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        What the user passed: a Python or numpy number of any width, or a fraction.
    low, high : float, optional
        Inclusive bounds. A whole number has at most 64 bits.
    integer : bool, default=False
        Whether only whole numbers will do.
    open_low : bool, default=False
        Whether `low` itself is excluded.

    Returns
    -------
    number : int or float
        The value as Python's own int (if `integer`) or float, which neither overflows nor rounds
        as numpy's narrow numbers do.

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
    >>> check_number("batch_size", np.uint8(200), low=1, integer=True) + 100
    300
    """
    kind = numbers.Integral if integer else numbers.Real
    if not isinstance(value, kind) or isinstance(value, (bool, np.bool_)):
        wants = _wanted(low, high, integer, open_low)
        raise TypeError(f"`{name}` must be {wants}; got {shown(value)} ({type(value).__name__}).")
    number = int(value) if integer else _as_float(value)  # type: ignore[call-overload]
    too_low = low is not None and (number <= low if open_low else number < low)
    if integer and number > MAX_WHOLE and high is None and not too_low:
        high = MAX_WHOLE
    if not _is_finite(number) or too_low or (high is not None and number > high):
        wants = _wanted(low, high, integer, open_low)
        raise ValueError(f"`{name}` must be {wants}; got {shown(value)}.")
    return number


def _as_float(value):
    """Convert a real number; what is beyond all floats becomes infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_finite(number):
    return isinstance(number, int) or math.isfinite(number)


def _wanted(low, high, integer, open_low):
    """Describe the numbers that will do."""
    bounds = [f"{'>' if open_low else '>='} {low}"] * (low is not None)
    bounds += [f"<= {high}"] * (high is not None)
    kind = "a whole number" if integer else "a finite number"
    return kind + " and".join(f" {bound}" for bound in bounds)


def check_size(name, value, *, high, low=1):
    """Check a whole number that memory grows with.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        What the user passed.
    high : int
        Beyond it nothing useful comes out.
    low : int, default=1
        The least number.

    Returns
    -------
    size : int

    Raises
    ------
    TypeError, ValueError
        If it is no whole number, or out of bounds.

    Examples
    --------
    >>> check_size("n_layers", 10**9, high=MAX_LAYERS)
    Traceback (most recent call last):
    ...
    ValueError: `n_layers` must be a whole number <= 1000; got 1000000000.
    """
    check_number(name, value, low=low, integer=True)
    return check_number(name, value, high=high, integer=True)


def check_n_weights(n_weights, **parameters):
    """Raise ``ValueError`` if a network of these parameters would have too many weights.

    Parameters
    ----------
    n_weights : int
        How many it has, at least.
    **parameters : object
        What makes them so many, for the message.

    Examples
    --------
    >>> check_n_weights(10**12, n_layers=500, n_units=20_000)
    Traceback (most recent call last):
    ...
    ValueError: `n_layers`=500, `n_units`=20000 make 1e+12 weights or more; wanted at most \
2147483648. Lower one of them.
    """
    if n_weights > MAX_WEIGHTS:
        made = ", ".join(f"`{name}`={value!r}" for name, value in parameters.items())
        raise ValueError(
            f"{made} make {n_weights:.3g} weights or more; wanted at most {MAX_WEIGHTS}. Lower "
            f"one of them."
        )


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
        raise ValueError(f"`{name}` must be one of {wants}; got {shown(value)}.")


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
        raise TypeError(f"`{name}` must be True or False; got {shown(value)}.")


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
            f"got {shown(random_state)}."
        ) from error


def check_sample_rate(sample_rate, low=1):
    """Return `sample_rate` as an int if it is a whole number of Hz from `low` to 10 MHz."""
    return check_size("sample_rate", sample_rate, low=low, high=MAX_SAMPLE_RATE)


def check_n_fft(n_fft):
    """Return `n_fft` as an int if it is a whole number of samples that can be a frame."""
    return check_size("n_fft", n_fft, low=2, high=MAX_N_FFT)


def check_step_size(step_size):
    """Return `step_size` as it is if it is ``"auto"``, and as a float if it is a number > 0."""
    if isinstance(step_size, str) and step_size == "auto":
        return step_size
    check_number("step_size", step_size, low=0, open_low=True)
    return check_number("step_size", step_size, low=MIN_STEP_SIZE, high=MAX_STEP_SIZE)


def check_sparsity(sparsity):
    """Return `sparsity` as a float if it is a number >= 0 that float32 holds."""
    check_number("sparsity", sparsity, low=0)
    return check_number("sparsity", sparsity, high=MAX_WEIGHT)


def check_path(name, path, wants="a path"):
    """Check a parameter that names a file or folder; return it as a `Path`.

    Examples
    --------
    >>> check_path("path", 3)
    Traceback (most recent call last):
    ...
    TypeError: `path` must be a path; got 3 (int).
    """
    # A path-like object may name its file by bytes.
    if not (isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str)):
        raise TypeError(f"`{name}` must be {wants}; got {shown(path)} ({type(path).__name__}).")
    # libsndfile would take what stands before it for the name.
    if "\0" in str(path):
        raise ValueError(f"`{name}` has a null character in it: {shown(str(path))}.")
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
