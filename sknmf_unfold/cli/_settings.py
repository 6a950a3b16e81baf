"""Parameters of estimators on the command line: ``--set NAME=VALUE``."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Parse settings of the form ``NAME=VALUE``.

    Parameters
    ----------
    texts : list of str
        A value is a Python literal (number, list, ``None``, ``True``), or else a string.

    Returns
    -------
    settings : dict

    Raises
    ------
    ValueError
        If a text has no name or no ``=``, or a name is given twice.

    Examples
    --------
    >>> parse_settings(["n_fft=1024", "window=hann", "gain_db=[-3, 0]"])
    {'n_fft': 1024, 'window': 'hann', 'gain_db': [-3, 0]}
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        name = name.strip()
        if not separator or not name.isidentifier():
            raise ValueError(f"--set takes NAME=VALUE, as in n_fft=1024; got {text!r}.")
        if name in settings:
            raise ValueError(f"--set has two values of `{name}`; leave one out.")
        settings[name] = _literal(value.strip())
    return settings


def _literal(text):
    """Return the value of a Python literal, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def merge_options(settings: dict[str, Any], options: Mapping[str, tuple[str, Any]]) -> dict:
    """Merge settings with the parameters that have options of their own.

    Parameters
    ----------
    settings : dict
        As `parse_settings` returns them.
    options : mapping of tuple (str, object)
        Option and its value by name of the parameter; None stands for an option that is not given.

    Returns
    -------
    merged : dict

    Raises
    ------
    ValueError
        If a parameter is given both ways.

    Examples
    --------
    >>> merge_options({"n_fft": 256}, {"max_epochs": ("--max-epochs", 3), "device": ("--on", None)})
    {'n_fft': 256, 'max_epochs': 3}
    """
    given = {name: value for name, (_, value) in options.items() if value is not None}
    for name in given.keys() & settings.keys():
        raise ValueError(f"`{name}` is given twice, by {options[name][0]} and by --set.")
    return settings | given


def distribute(
    settings: Mapping[str, Any], owners: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, Any]]:
    """Give every setting to the owner that has a parameter of its name.

    Parameters
    ----------
    settings : mapping
    owners : mapping of iterable of str
        Names of the parameters of each owner. The first owner that has a name gets the setting.

    Returns
    -------
    parts : dict of dict
        Settings of each owner.

    Raises
    ------
    ValueError
        If no owner has a parameter of that name.

    Examples
    --------
    >>> distribute({"n_fft": 256}, {"STFT": ["n_fft"], "separator": ["n_layers"]})
    {'STFT': {'n_fft': 256}, 'separator': {}}
    >>> distribute({"n_ftt": 256}, {"STFT": ["n_fft"], "separator": ["n_layers"]})
    Traceback (most recent call last):
    ...
    ValueError: --set n_ftt: there is no such parameter of STFT or separator. Did you mean n_fft?
    """
    known = {owner: set(names) for owner, names in owners.items()}
    parts: dict[str, dict[str, Any]] = {owner: {} for owner in known}
    for name, value in settings.items():
        owner = next((owner for owner in known if name in known[owner]), None)
        if owner is None:
            raise _unknown(name, known)
        parts[owner][name] = value
    return parts


def _unknown(name, known):
    """Make the error for a name that no owner has, with the names that are like it."""
    names = sorted(set().union(*known.values()))
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names)}."
    return ValueError(f"--set {name}: there is no such parameter of {' or '.join(known)}. {hint}")
