"""Recordings of a command: reading, checks and the report of those that failed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import numpy as np

from sknmf_unfold.datasets import load_audio
from sknmf_unfold.validation.recordings import check_peak


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
