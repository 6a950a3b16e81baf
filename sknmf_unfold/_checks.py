"""Every check of a parameter and its message: what it is, what it got, what it wants."""

from __future__ import annotations

import numbers
import os
from pathlib import Path

import numpy as np
from sklearn import utils

from ._messages import shown

# Rates that libsndfile writes and that resampling can reach in reasonable memory.
MAX_SAMPLE_RATE = 10_000_000
# A minute of audio, beyond which memory goes before anything useful comes out.
MAX_N_FFT = 2**20


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
        raise TypeError(f"`{name}` must be {wants}; got {shown(value)} ({type(value).__name__}).")
    too_low = low is not None and (value <= low if open_low else value < low)
    if not np.isfinite(float(value)) or too_low or (high is not None and value > high):
        raise ValueError(f"`{name}` must be {wants}; got {shown(value)}.")


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
