"""Recordings of a command: reading, checks and the report of those that failed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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


def read_together(
    paths: tuple[Path, ...], sample_rate: int, failures: list[str]
) -> tuple[np.ndarray, ...] | None:
    """Read a recording, or a pair of equally long ones.

    Parameters
    ----------
    paths : tuple of Path
        One file, or the noisy and the clean one of a pair.
    sample_rate : int
        In Hz.
    failures : list of str
        Gets the faults, one line for each file or for a pair.

    Returns
    -------
    waveforms : tuple of ndarray of shape (n_times,), float32, or None
        One for each file; None where there is a fault.
    """
    found = [read_or_note(path, sample_rate, failures) for path in paths]
    waveforms = tuple(waveform for waveform in found if waveform is not None)
    if len(waveforms) < len(paths):
        return None
    if len(set(map(len, waveforms))) > 1:
        failures.append(_describe_lengths(paths, waveforms, sample_rate))
        return None
    return waveforms


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


def refuse_equal(pairs: Sequence[tuple[Path, ...]]) -> None:
    """Raise ``ValueError`` for pairs whose noisy recordings all equal their clean ones."""
    noisy, clean = pairs[0]
    raise ValueError(
        f"The noisy recordings in {noisy.parent} are the clean ones in {clean.parent}, sample "
        f"by sample; there is nothing to learn from them."
    )
