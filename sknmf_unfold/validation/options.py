"""Checks of parameters other than numbers: choices, flags, random states, paths."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
from sklearn import utils

from .messages import shown
from .parameters import check_number


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
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


def check_flag(name: str, value: object) -> None:
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


def check_verbose(verbose: object) -> None:
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


def check_random_state(random_state: object) -> np.random.RandomState:
    """Turn a `random_state` parameter into a generator, as scikit-learn does.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        A seed, a generator that is used as it is, or numpy's global generator (None).

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


def check_path(name: str, path: object, wants: str = "a path") -> Path:
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
    # libsndfile would take the part before it for the name.
    if "\0" in str(path):
        raise ValueError(f"`{name}` has a null character in it: {shown(str(path))}.")
    return Path(path)


def check_folder(name: str, path: object) -> Path:
    """Check a parameter that names a folder, which need not exist yet.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    path : str or os.PathLike

    Returns
    -------
    folder : Path

    Raises
    ------
    TypeError, ValueError
        If it is not a path, or the path of a file.
    """
    folder = check_path(name, path, "a path or None")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`{name}` must be a folder; {folder} is a file.")
    return folder
