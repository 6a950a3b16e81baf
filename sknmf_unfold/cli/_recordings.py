"""Recordings of a command: search of folders, pairs of files, reading, report of failures."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TextIO

import numpy as np

from sknmf_unfold.datasets import load_audio
from sknmf_unfold.datasets._audio_input import open_audio
from sknmf_unfold.validation.recordings import check_peak

# An unreadable file with one of these suffixes is a broken recording, not one to be left out.
AUDIO_SUFFIXES = frozenset(
    ".wav .wave .bwf .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .snd .caf .w64 .rf64".split()
)
# Files that the line about files left out names, before it counts the rest.
MAX_NAMED_FILES = 20


def find_recordings(folder: Path) -> list[Path]:
    """List the recordings of a folder, sorted by name; report other files on standard error.

    Parameters
    ----------
    folder : Path
        The folder. Its subfolders and hidden files are ignored.

    Returns
    -------
    files : list of Path
        Files with the usual suffixes, and all others that libsndfile opens.

    Raises
    ------
    ValueError
        If it is not a folder, has no recordings, or has two of one name without suffix.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    content = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in content if _is_recording(path)]
    _report_skipped(folder, sorted({path.name for path in content} - {path.name for path in files}))
    if not files:
        raise ValueError(f"{folder} has no audio files.")
    for first, second in itertools.pairwise(sorted(files, key=lambda path: path.stem)):
        if first.stem == second.stem:
            raise ValueError(
                f"{folder} has two recordings of one name, {first.name} and {second.name}; names "
                f"without suffix tell recordings apart."
            )
    return files


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


def pair_recordings(noisy_dir: Path, clean_dir: Path) -> list[tuple[Path, Path]]:
    """Pair the recordings of two folders by their names without suffix.

    Parameters
    ----------
    noisy_dir, clean_dir : Path
        Folders that have one file each for every recording.

    Returns
    -------
    pairs : list of tuple of Path
        Noisy and clean.

    Raises
    ------
    ValueError
        If both are one folder, or a file has no partner.
    """
    if noisy_dir.is_dir() and clean_dir.is_dir() and noisy_dir.samefile(clean_dir):
        raise ValueError(
            f"{noisy_dir} and {clean_dir} are one folder; pass the one with the noisy recordings, "
            f"then the one with the clean ones."
        )
    folders = [{path.stem: path for path in find_recordings(d)} for d in (noisy_dir, clean_dir)]
    alone = sorted(set(folders[0]) ^ set(folders[1]))
    if alone:
        where = noisy_dir if alone[0] in folders[0] else clean_dir
        raise ValueError(
            f"{len(alone)} recordings are in one of {noisy_dir} and {clean_dir} only, for example "
            f"{alone[0]!r} in {where}; files pair up by name."
        )
    return [(folders[0][stem], folders[1][stem]) for stem in sorted(folders[0])]


def read_recording(path: Path, sample_rate: int) -> np.ndarray:
    """Read one recording and check its peak.

    Raises
    ------
    OSError, ValueError
        If it cannot be read or peaks too high; the message begins with the path.
    """
    [waveform] = load_audio([path], sample_rate)
    check_peak(waveform, str(path))
    return waveform


def read_pairs(
    pairs: list[tuple[Path, Path]], sample_rate: int
) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Read all readable pairs of recordings.

    Parameters
    ----------
    pairs : list of tuple of Path
        Noisy and clean.
    sample_rate : int
        In Hz.

    Returns
    -------
    X, Y : list of ndarray of shape (n_times,), float32
        Noisy and clean waveforms.
    failures : list of str
        Faults of the other pairs, one line for each file or pair.
    """
    X: list[np.ndarray] = []
    Y: list[np.ndarray] = []
    failures: list[str] = []
    for paths in pairs:
        x, y = (read_or_note(path, sample_rate, failures) for path in paths)
        if x is None or y is None:
            continue
        if len(x) != len(y):
            failures.append(_describe_lengths(paths, (x, y), sample_rate))
            continue
        X.append(x)
        Y.append(y)
    return X, Y, failures


def _describe_lengths(paths, waveforms, sample_rate):
    (noisy, clean), (x, y) = paths, waveforms
    return (
        f"{noisy} has {len(x)} samples but {clean} has {len(y)} (at {sample_rate} Hz); noisy and "
        f"clean recordings must be equally long."
    )


def read_or_note(path: Path, sample_rate: int, failures: list[str]) -> np.ndarray | None:
    """Read one recording; where that fails append the reason to `failures` and return None."""
    try:
        return read_recording(path, sample_rate)
    except (OSError, ValueError) as error:
        failures.append(str(error))
        return None


def refuse_failures(failures: list[str]) -> None:
    """Raise ``ValueError`` with all failures, if there are any."""
    if len(failures) == 1:
        raise ValueError(failures[0])
    if failures:
        lines = "\n  ".join(failures)
        raise ValueError(f"{len(failures)} recordings cannot be used:\n  {lines}")


def finish(failures: list[str], n_done: int) -> None:
    """End a command: with status 1 if some recordings failed, with an error if all did."""
    if n_done == 0:
        refuse_failures(failures)
    for failure in failures:
        say(f"error: {failure}", sys.stderr)
    if failures:
        raise SystemExit(1)


def printable(text: str, file: TextIO) -> str:
    """Escape characters that the encoding of `file` lacks: names of files may be any bytes."""
    encoding = getattr(file, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line, with characters that the encoding lacks escaped."""
    file = file or sys.stdout
    print(printable(text, file), file=file)


def refuse_equal(X: list[np.ndarray], Y: list[np.ndarray], pairs: list[tuple[Path, Path]]) -> None:
    """Raise ``ValueError`` if every noisy recording equals its clean one."""
    if all(np.array_equal(x, y) for x, y in zip(X, Y, strict=True)):
        noisy, clean = pairs[0]
        raise ValueError(
            f"The noisy recordings in {noisy.parent} are the clean ones in {clean.parent}, sample "
            f"by sample; there is nothing to learn from them."
        )
