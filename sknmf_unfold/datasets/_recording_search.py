"""Search for recordings in folders with all their subfolders, and pairs of them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# An unreadable file with one of these suffixes is a broken recording, not one to be left out.
AUDIO_SUFFIXES = frozenset(
    ".wav .wave .bwf .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .snd .caf .w64 .rf64".split()
)


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


def find_recordings(
    places: Sequence[Path], report: Callable[[Path, list[str]], object] | None = None
) -> list[Recording]:
    """List the recordings of files and folders.

    Parameters
    ----------
    places : list of Path
        Audio files, and folders that are searched with all their subfolders. Hidden files and
        folders are ignored.
    report : callable, optional
        ``report(folder, names)`` is told which other files a folder has.

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
        for recording in _find_in(place, report):
            found.setdefault(recording.path.resolve(), recording)
    return list(found.values())


def _find_in(place, report):
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
    if report is not None:
        report(place, skipped)
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
    from ._audio_input import open_audio

    try:
        open_audio(path).close()
    except (OSError, ValueError):
        return False
    return True


def check_distinct(
    first: Sequence[Recording], second: Sequence[Recording], names: tuple[str, str]
) -> None:
    """Raise ``ValueError`` if two lists of recordings, called `names`, have a file in common."""
    common = {each.path.resolve() for each in first} & {each.path.resolve() for each in second}
    if common:
        raise ValueError(
            f"{min(common)} belongs to both {' and '.join(names)}; pass different recordings."
        )


def pair_by_name(
    first: Sequence[Recording], second: Sequence[Recording], names: tuple[str, str]
) -> list[tuple[Recording, Recording]]:
    """Pair recordings by their names below the folders, without suffix.

    Parameters
    ----------
    first, second : list of Recording
    names : tuple of str
        Names of the two lists in messages.

    Returns
    -------
    pairs : list of tuple of Recording
        In the order of the names.

    Raises
    ------
    ValueError
        If two have one name, or one has no partner.
    """
    by_name = _by_name(first), _by_name(second)
    alone = sorted(set(by_name[0]) ^ set(by_name[1]))
    if alone:
        owner = names[0] if alone[0] in by_name[0] else names[1]
        raise ValueError(
            f"{len(alone)} recordings are in one of {names[0]} and {names[1]} only, for example "
            f"{alone[0]!r} in {owner}; files pair up by name."
        )
    return [(by_name[0][name], by_name[1][name]) for name in sorted(by_name[0])]


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
