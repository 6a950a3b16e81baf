"""Recordings in files and folders: search, pairs by name, and those held out for validation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sknmf_unfold.datasets._recording_search import Recording, check_distinct, pair_by_name
from sknmf_unfold.datasets._recording_search import find_recordings as search

from ._recordings import say

# Files that the line about files left out names, before it counts the rest.
MAX_NAMED_FILES = 20
# Whole folders are held out for validation up to this share of the recordings.
MAX_VALIDATION_SHARE = 1 / 3


def find_recordings(places: Sequence[Path]) -> list[Recording]:
    """List the recordings of files and folders; report other files on standard error.

    Parameters
    ----------
    places : list of Path
        See `sknmf_unfold.datasets._recording_search.find_recordings`.

    Returns
    -------
    recordings : list of Recording

    Raises
    ------
    FileNotFoundError
        If a place does not exist.
    ValueError
        If a folder has no recordings.
    """
    return search(places, _report_skipped)


def _report_skipped(folder, names):
    """Name files that are left out, in one line on standard error."""
    if names:
        n_more = len(names) - MAX_NAMED_FILES
        more = f" and {n_more} more" if n_more > 0 else ""
        listed = ", ".join(names[:MAX_NAMED_FILES]) + more
        say(f"{folder}: no audio that libsndfile reads, left out: {listed}", sys.stderr)


def find_distinct(
    places: dict[str, Sequence[Path]],
) -> tuple[list[Recording], list[Recording]]:
    """List the recordings of two options, which must have no file in common.

    Parameters
    ----------
    places : dict of list of Path
        Files and folders of each of the two options.

    Returns
    -------
    first, second : list of Recording

    Raises
    ------
    ValueError
        If a file belongs to both.
    """
    first, second = (find_recordings(each) for each in places.values())
    option, other = places
    check_distinct(first, second, (option, other))
    return first, second


def pair_recordings(
    noisy: Sequence[Path], clean: Sequence[Path]
) -> dict[Recording, tuple[Path, Path]]:
    """Pair noisy and clean recordings by their names below the folders, without suffix.

    Parameters
    ----------
    noisy, clean : list of Path
        Files and folders that have one file each for every recording.

    Returns
    -------
    pairs : dict of tuple of Path
        Noisy and clean file, by the noisy recording, in the order of the names.

    Raises
    ------
    ValueError
        If a file belongs to both, two have one name, or one has no partner.
    """
    found = find_distinct({"--noisy": noisy, "--clean": clean})
    pairs = pair_by_name(*found, ("--noisy", "--clean"))
    return {noisy: (noisy.path, clean.path) for noisy, clean in pairs}


def hold_out(
    recordings: Sequence[Recording], fraction: float, rng: np.random.RandomState
) -> np.ndarray:
    """Draw recordings for validation: whole folders if they suit, else single files.

    A folder often has the recordings of one speaker, who is then not heard in training.

    Parameters
    ----------
    recordings : list of Recording
        At least two.
    fraction : float
        Least share of the recordings for validation.
    rng : numpy.random.RandomState

    Returns
    -------
    held_out : ndarray of bool of shape (n_recordings,)

    Examples
    --------
    >>> names = [(speaker, number) for speaker in "abcd" for number in "12"]
    >>> recordings = [Recording(Path(n), ("speech", s)) for s, n in names]
    >>> hold_out(recordings, 0.1, np.random.RandomState(0)).astype(int)
    array([0, 0, 0, 0, 1, 1, 0, 0])
    """
    n_recordings = len(recordings)
    least = min(max(1, int(np.ceil(fraction * n_recordings))), n_recordings - 1)
    most = max(least, int(MAX_VALIDATION_SHARE * n_recordings))
    depths = range(1, 1 + max(len(each.folders) for each in recordings))
    keys: list[list[tuple]] = [[each.folders[:depth] for each in recordings] for depth in depths]
    keys.append([(i,) for i in range(n_recordings)])
    drawn = (_draw_groups(each, least, most, rng) for each in keys)
    return next(held_out for held_out in drawn if held_out is not None)


def _draw_groups(keys, least, most, rng):
    """Draw groups of recordings with one key until they are enough; None if that cannot be."""
    numbers = {key: i for i, key in enumerate(sorted(set(keys)))}
    labels = np.array([numbers[key] for key in keys])
    sizes, chosen, n_chosen = np.bincount(labels), [], 0
    for group in rng.permutation(len(numbers)):
        if n_chosen + sizes[group] <= most:
            chosen.append(group)
            n_chosen += sizes[group]
        if n_chosen >= least:
            return np.isin(labels, chosen)
    return None
