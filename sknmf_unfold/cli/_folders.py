"""Recordings in files and folders: search, pairs by name, and those held out for validation."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sknmf_unfold.datasets._audio_input import open_audio

from ._recordings import say

# An unreadable file with one of these suffixes is a broken recording, not one to be left out.
AUDIO_SUFFIXES = frozenset(
    ".wav .wave .bwf .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .snd .caf .w64 .rf64".split()
)
# Files that the line about files left out names, before it counts the rest.
MAX_NAMED_FILES = 20
# Whole folders are held out for validation up to this share of the recordings.
MAX_VALIDATION_SHARE = 1 / 3


class Recording(NamedTuple):
    """An audio file that was found in a folder, or named itself.

    Attributes
    ----------
    path : Path
    folders : tuple of str
        The argument that it was found in, and the folders below it.
    """

    path: Path
    folders: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name below the argument, without suffix."""
        return "/".join((*self.folders[1:], self.path.stem))


def find_recordings(places: Sequence[Path]) -> list[Recording]:
    """List the recordings of files and folders; report other files on standard error.

    Parameters
    ----------
    places : list of Path
        Audio files, and folders that are searched with all their subfolders. Hidden files and
        folders are ignored.

    Returns
    -------
    recordings : list of Recording
        Files with the usual suffixes, and all others that libsndfile opens; each file once. Those
        of a folder are sorted by name.

    Raises
    ------
    FileNotFoundError
        If a place does not exist.
    ValueError
        If a folder has no recordings.
    """
    found: dict[Path, Recording] = {}
    for place in places:
        for recording in _find_in(place):
            found.setdefault(recording.path.resolve(), recording)
    return list(found.values())


def _find_in(place):
    """List the recordings of one file or folder."""
    if not place.exists():
        raise FileNotFoundError(f"{place} does not exist; pass audio files or folders of them.")
    if not place.is_dir():
        return [Recording(place, (str(place.parent),))]
    found, skipped = [], []
    for path in _files_in(place, ()):
        if _is_recording(path):
            below = path.relative_to(place).parts[:-1]
            found.append(Recording(path, (str(place), *below)))
        else:
            skipped.append(str(path.relative_to(place)))
    _report_skipped(place, skipped)
    if not found:
        raise ValueError(f"{place} has no audio files, nor have its subfolders.")
    return found


def _files_in(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Iterate over the files of a folder and its subfolders, sorted by name."""
    # A link to a folder above would be followed for ever.
    above = (*above, folder.resolve())
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif path.resolve() not in above:
            yield from _files_in(path, above)


def _is_recording(path):
    """Whether a file is audio by its suffix, or can be opened as such."""
    if not path.is_file():
        return False
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return True
    try:
        open_audio(path).close()
    except (OSError, ValueError):
        return False
    return True


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
    common = {each.path.resolve() for each in first} & {each.path.resolve() for each in second}
    if common:
        raise ValueError(
            f"{min(common)} belongs to both {' and '.join(places)}; pass different recordings."
        )
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
    by_name = [_by_name(recordings) for recordings in found]
    alone = sorted(set(by_name[0]) ^ set(by_name[1]))
    if alone:
        option = "--noisy" if alone[0] in by_name[0] else "--clean"
        raise ValueError(
            f"{len(alone)} recordings are in one of --noisy and --clean only, for example "
            f"{alone[0]!r} in {option}; files pair up by name."
        )
    pairs = ((by_name[0][name], by_name[1][name]) for name in sorted(by_name[0]))
    return {noisy: (noisy.path, clean.path) for noisy, clean in pairs}


def _by_name(recordings):
    """Index recordings by name; raise ``ValueError`` if two have one name."""
    found: dict[str, Recording] = {}
    for recording in recordings:
        other = found.setdefault(recording.name, recording)
        if other is not recording:
            raise ValueError(
                f"{other.path} and {recording.path} are two recordings of one name; names without "
                f"suffix tell recordings apart."
            )
    return found


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
    drawn = (draw_groups(each, least, most, rng) for each in keys)
    return next(held_out for held_out in drawn if held_out is not None)


def draw_groups(
    keys: Sequence[Any], least: int, most: int, rng: np.random.RandomState
) -> np.ndarray | None:
    """Draw groups of recordings with one key until they are enough; None if that cannot be.

    Parameters
    ----------
    keys : list of tuple or str
        Key of each recording.
    least, most : int
        Bounds of the number of recordings.
    rng : numpy.random.RandomState

    Returns
    -------
    drawn : ndarray of bool of shape (n_recordings,), or None
    """
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
