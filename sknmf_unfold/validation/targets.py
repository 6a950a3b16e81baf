"""Checks of targets: pairing with the mixtures, one source each, neither silent nor the mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .lazy import check_rates, is_lazy
from .recordings import (
    as_list,
    check_list,
    check_peak,
    check_same_length,
    check_source,
    is_number,
    is_spectrogram,
    lazy_waveform_of,
    rows_of,
    source_of,
    waveform_of,
)
from .sequences import Sequences, check_magnitudes
from .tables import check_table_targets
from .warn import warn_user

# Targets that a warning names, before it counts the rest.
MAX_NAMED_TARGETS = 5


def check_targets(y: Any, sequences: Sequences, name: str = "y") -> Sequences:
    """Check the y that goes with checked X: same lengths, magnitudes of the same kind.

    Parameters
    ----------
    y : list of ndarray of shape (n_times,), AudioFiles, Spectrograms, array-like, or Sequences
        For spectrograms: waveforms, files of them, spectrograms (which stand for their waveforms,
        the masks applied), or a 2-D array with a waveform in each row. For magnitudes: magnitudes.
        For a table: anything that broadcasts to it. `Sequences` are checked already, beside the
        same X. Of files only the lengths are read; the targets are lazy then.
    sequences : Sequences
        The checked X.
    name : str, default="y"
        Its name in messages.

    Returns
    -------
    targets : Sequences
        Of the kind and the shapes of `sequences`; `y` itself where it is one.
    """
    if isinstance(y, Sequences):
        return y
    if y is None:
        raise ValueError(f"A separator requires y to be passed, but the target {name} is None.")
    if sequences.kind == "table":
        table = check_table_targets(y, sequences.items[:, 0], name)
        return Sequences(table[:, np.newaxis], "table", name)
    if sequences.kind == "spectrograms":
        return _check_waveform_targets(y, sequences, name)
    return _check_magnitude_targets(y, sequences, name)


def _check_waveform_targets(y, sequences, name):
    y = rows_of(y, name)
    check_list(y, name, "waveforms")
    waveforms = [_check_waveform_target(item, f"{name}[{i}]") for i, item in enumerate(y)]
    names = sequences.name, name
    check_rates(waveforms, sequences.items[0].settings["sample_rate"], name, sequences.name)
    check_same_length([source_of(item) for item in sequences.items], waveforms, names)
    waveforms = _with_dtype(waveforms, sequences.dtype, name)
    items = [item.of(target) for item, target in zip(sequences.items, waveforms, strict=True)]
    return Sequences(items, "spectrograms", name)


def _check_waveform_target(target, label):
    check_one_source(target, label, 1)
    waveform = lazy_waveform_of(target) if is_spectrogram(target) else target
    return check_source(waveform, label)


def _check_magnitude_targets(y, sequences, name):
    y = as_list(y)
    check_list(y, name, "magnitude arrays")
    for i, target in enumerate(y):
        check_one_source(target, f"{name}[{i}]", 2)
    y = check_magnitudes(y, name, sequences.n_freqs)
    check_same_length(sequences.items, y, (sequences.name, name), "frames")
    return Sequences(_with_dtype(y, sequences.dtype, name), "magnitudes", name)


def _with_dtype(arrays, dtype, name):
    """Convert to the dtype of the mixtures, which must be able to hold the targets' peaks."""
    # An overflow becomes an infinity, which is above every peak.
    with np.errstate(over="ignore"):
        arrays = [array.astype(dtype, copy=False) for array in arrays]
    for i, array in enumerate(arrays):
        if not is_lazy(array):
            check_peak(array, f"{name}[{i}]")
    return arrays


def check_one_source(y: Any, label: str, n_axes: int) -> None:
    """Raise ``ValueError`` for a target of several sources or channels.

    Parameters
    ----------
    y : object
        One recording of the targets.
    label : str
        Its name in messages, for example ``"y[3]"``.
    n_axes : int
        Number of axes of one source: 1 for a waveform, 2 for magnitudes.

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
    """Count the axes of an array, or of nested lists by their first items."""
    if hasattr(item, "shape"):
        return len(item.shape)
    if not isinstance(item, (list, tuple)):
        return 0 if is_number(item) else 1
    return 1 + (_n_axes(item[0]) if len(item) else 0)


def warn_of_useless_targets(mixtures: Sequences, targets: Sequences) -> None:
    """Warn of targets that are silent or equal to their mixtures, by name.

    Parameters
    ----------
    mixtures, targets : Sequences
        Checked data of ``fit``. The rows of a table count together: single frames without the
        target, or with nothing else, are common.
    """
    faults = [is_useless(x, y) for x, y in _pairs(mixtures, targets)]
    warn_of_faults(faults, targets)


def is_useless(mixture: np.ndarray, target: np.ndarray) -> tuple[bool, bool]:
    """Tell whether a target is silent, or else equal to its mixture.

    Examples
    --------
    >>> is_useless(np.ones(3), np.zeros(3)), is_useless(np.ones(3), np.ones(3))
    ((True, False), (False, True))
    """
    is_silent = not target.any()
    return is_silent, not is_silent and np.array_equal(mixture, target)


def warn_of_faults(faults: Sequence[tuple[bool, bool]] | np.ndarray, targets: Sequences) -> None:
    """Warn of useless targets by name.

    Parameters
    ----------
    faults : sequence of tuple of bool, or ndarray of shape (n_recordings, 2)
        The return value of `is_useless` for each recording.
    targets : Sequences
    """
    silent, same = (np.flatnonzero(each).tolist() for each in zip(*faults, strict=True))
    if silent:
        _warn(targets, silent, "silent, which teaches to remove everything")
    if same:
        _warn(targets, same, "equal to the mixture, which teaches to remove nothing")


def _pairs(mixtures, targets):
    if mixtures.kind == "table":
        return [(mixtures.items, targets.items)]
    if mixtures.kind == "magnitudes":
        return zip(mixtures.items, targets.items, strict=True)
    waveforms = (map(waveform_of, part.items) for part in (mixtures, targets))
    return zip(*waveforms, strict=True)


def _warn(targets, which, fault):
    if len(which) == len(targets) or targets.kind == "table":
        who = f"All of {targets.name} is"
    else:
        named = ", ".join(f"{targets.name}[{i}]" for i in which[:MAX_NAMED_TARGETS])
        n_more = len(which) - MAX_NAMED_TARGETS
        more = f" and {n_more} more" if n_more > 0 else ""
        who = f"{named}{more} ({len(which)} of {len(targets)} targets):"
    text = f"{who} {fault}. Are these the right recordings?"
    warn_user(text)
