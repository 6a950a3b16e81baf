"""Reading of the recordings of a fit: into memory, or, if they are many, from their files.

All recordings are read and checked once before training. Those of a list (pairs, clean recordings,
or noise) that take up to `MAX_KEPT_BYTES` stay in memory. Longer lists become lazy recordings,
which are read again whenever training needs them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sknmf_unfold.datasets._audio_file import AudioFile
from sknmf_unfold.datasets._read_cache import ReadCache
from sknmf_unfold.validation.lazy import LazyWaveform, is_lazy

from ._bars import terminal_bar
from ._recordings import read_together, refuse_failures, say

# Waveforms of one list that stay in memory: 4.7 hours at 16 kHz. The help of `fit` tells it.
MAX_KEPT_BYTES = 2**30
# Longer files that can only be read whole slow training down, which is reported.
MAX_WHOLE_SECONDS = 60

Waveform = np.ndarray | LazyWaveform


class Reading(NamedTuple):
    """A recording that could be read, or a pair of them.

    Attributes
    ----------
    place : int
        Its index among all that were to be read.
    waveforms : tuple of ndarray or LazyWaveform of shape (n_times,)
        One for each file.
    fact : object
        What the caller wanted to know about the samples.
    """

    place: int
    waveforms: tuple[Waveform, ...]
    fact: Any


class Readings:
    """Recordings of a list, read one by one.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    learn : callable
        ``learn(*waveforms)`` returns a fact about the samples of a recording or pair.

    Attributes
    ----------
    done : list of Reading
    failures : list of str
        Faults of the other recordings.
    are_lazy : bool
        Whether waveforms are read from their files again when they are needed.
    """

    def __init__(self, sample_rate: int, learn: Callable[..., Any]):
        self._sample_rate, self._learn = sample_rate, learn
        self._n_bytes = 0
        self._paths: dict[int, tuple[Path, ...]] = {}
        # One for all files, because there may be millions.
        self._no_cache = ReadCache(0)
        self.done: list[Reading] = []
        self.failures: list[str] = []
        self.are_lazy = False

    def add(self, place: int, paths: tuple[Path, ...]) -> None:
        """Read and check a recording or pair; note where that fails."""
        waveforms = read_together(paths, self._sample_rate, self.failures)
        if waveforms is None:
            return
        self._n_bytes += sum(waveform.nbytes for waveform in waveforms)
        self._paths[place] = paths
        reading = Reading(place, waveforms, self._learn(*waveforms))
        if self.are_lazy:
            self._add_lazy(reading)
            return
        self.done.append(reading)
        if self._n_bytes > MAX_KEPT_BYTES:
            self.are_lazy, kept, self.done = True, self.done, []
            for each in kept:
                self._add_lazy(each)

    def _add_lazy(self, reading):
        """Add a recording that will be read again, if its file has as many samples as were read."""
        try:
            paths = self._paths.pop(reading.place)
            files = [AudioFile(path, self._sample_rate, self._no_cache) for path in paths]
            for file, waveform in zip(files, reading.waveforms, strict=True):
                if len(file) != len(waveform):
                    # A header that is wrong: this raises, and tells what is wrong with it.
                    file.read()
        except (OSError, ValueError) as error:
            self.failures.append(str(error))
        else:
            self.done.append(reading._replace(waveforms=tuple(files)))


def read_recordings(
    sources: Sequence[tuple[Path, ...]],
    sample_rate: int,
    skip_unreadable: bool = False,
    learn: Callable[..., Any] = lambda *_: None,
) -> list[Reading]:
    """Read and check recordings, or pairs of them, one by one and with a progress bar.

    Parameters
    ----------
    sources : sequence of tuple of Path
        One file each, or two of equal length.
    sample_rate : int
        In Hz.
    skip_unreadable : bool, default=False
        Whether to leave out recordings that cannot be read, and name them on standard error.
    learn : callable
        ``learn(*waveforms)`` returns a fact about the samples of a recording or pair.

    Returns
    -------
    readings : list of Reading
        In the order of `sources`. Their waveforms are arrays up to `MAX_KEPT_BYTES` in all, else
        lazy.

    Raises
    ------
    ValueError
        If recordings cannot be read: with the faults of all. With `skip_unreadable` if none can.
    """
    readings = Readings(sample_rate, learn)
    with terminal_bar(len(sources), "read") as bar:
        for place, paths in enumerate(sources):
            readings.add(place, paths)
            bar.update()
    if skip_unreadable and readings.done:
        _report_skipped(readings.failures)
    else:
        refuse_failures(readings.failures)
    _report_slow(readings.done, sample_rate)
    return readings.done


def _report_skipped(failures):
    """Count and list the faults of recordings that are left out."""
    if failures:
        lines = "\n  ".join(failures)
        say(f"{len(failures)} recordings cannot be used and are left out:\n  {lines}", sys.stderr)


def _report_slow(readings, sample_rate):
    """Report long files that are decoded whole for every part of them that training needs."""
    waveforms = [waveform for reading in readings for waveform in reading.waveforms]
    n_slow = sum(
        is_lazy(each) and not each.reads_ranges and len(each) > MAX_WHOLE_SECONDS * sample_rate
        for each in waveforms
    )
    if n_slow:
        say(
            f"{n_slow} of {len(waveforms)} recordings are longer than {MAX_WHOLE_SECONDS} s and "
            f"compressed or not of {sample_rate} Hz: each is decoded whole whenever training needs "
            f"a part of it. WAV or FLAC files of {sample_rate} Hz are faster.",
            sys.stderr,
        )
