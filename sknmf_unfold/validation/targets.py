"""Checks of training targets: one source each, and something to learn from."""

from __future__ import annotations

import numpy as np

from .recordings import is_number, is_spectrogram, waveform_of
from .warn import warn_user

# Recordings that a warning names, before it counts the rest.
MAX_NAMED = 5


def check_one_source(y, label, n_axes):
    """Raise for a target that holds several sources, or channels.

    Parameters
    ----------
    y : object
        One recording of the targets.
    label : str
        What to call it in messages, for example ``"y[3]"``.
    n_axes : int
        Axes that one source has: 1 for a waveform, 2 for magnitudes.

    Examples
    --------
    >>> check_one_source(np.ones((3, 500)), "y[0]", 1)
    Traceback (most recent call last):
    ...
    ValueError: y[0] has shape (3, 500): stereo or transposed? Several sources? There are two, ...
    """
    shape = () if is_spectrogram(y) else tuple(getattr(y, "shape", ()))
    several = len(shape) == n_axes + 1 and (n_axes == 2 or 1 < min(shape) <= 8)
    facts = f"has shape {shape}: stereo or transposed?"
    if isinstance(y, (list, tuple)) and len(y) > 0 and _n_axes(y[0]) >= n_axes:
        several, facts = True, f"is a {type(y).__name__} of {len(y)} arrays."
    if several:
        each = "waveform, of shape (n_times,)" if n_axes == 1 else "magnitude (n_frames, n_freqs)"
        name = label.rpartition("[")[0]
        raise ValueError(
            f"{label} {facts} Several sources? There are two, the target and the rest: {name} has "
            f"the target's {each}, for each recording. Average the channels of stereo first."
        )


def _n_axes(item):
    """Count axes, of a list by its first items."""
    if hasattr(item, "shape"):
        return len(item.shape)
    if not isinstance(item, (list, tuple)):
        return 0 if is_number(item) else 1
    return 1 + (_n_axes(item[0]) if len(item) else 0)


def warn_of_useless_targets(mixtures, targets):
    """Warn of targets that are silent, or equal to their mixtures, and say which.

    Parameters
    ----------
    mixtures, targets : Sequences
        Checked data of ``fit``. The rows of a table count together: a frame without the target, or
        with nothing else, is nothing special.
    """
    silent, same = [], []
    for i, (x, y) in enumerate(_pairs(mixtures, targets)):
        if not y.any():
            silent.append(i)
        elif np.array_equal(x, y):
            same.append(i)
    if silent:
        _warn(targets, silent, "silent, which teaches to remove everything")
    if same:
        _warn(targets, same, "equal to the mixture, which teaches to remove nothing")


def _pairs(mixtures, targets):
    if mixtures.kind == "table":
        return [(mixtures.items, targets.items)]
    if mixtures.kind == "magnitudes":
        return zip(mixtures.items, targets.items, strict=True)
    sounds = (map(waveform_of, part.items) for part in (mixtures, targets))
    return zip(*sounds, strict=True)


def _warn(targets, which, fault):
    if len(which) == len(targets) or targets.kind == "table":
        who = f"All of {targets.name} is"
    else:
        named = ", ".join(f"{targets.name}[{i}]" for i in which[:MAX_NAMED])
        more = f" and {len(which) - MAX_NAMED} more" if len(which) > MAX_NAMED else ""
        who = f"{named}{more} ({len(which)} of {len(targets)} targets):"
    text = f"{who} {fault}. Are these the right recordings?"
    warn_user(text)
