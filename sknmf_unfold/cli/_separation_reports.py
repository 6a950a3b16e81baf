"""Reports of the command `separate`: progress, levels before and after, and the summary."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ._interrupts import Interrupt
from ._recordings import printable


class Progress:
    """Progress of one file, which an interrupt ends.

    Parameters
    ----------
    bar : tqdm.tqdm or NoBar
        One step for each file.
    interrupt : Interrupt
    message : str
        Of the error that an interrupt raises.
    """

    def __init__(self, bar: Any, interrupt: Interrupt, message: str):
        self._bar, self._interrupt, self._message = bar, interrupt, message
        self._share = 0.0

    def follow(self, blocks: Iterable[np.ndarray], n_expected: int) -> Iterator[np.ndarray]:
        """Yield blocks; raise ``KeyboardInterrupt`` before the next one after an interrupt.

        Parameters
        ----------
        blocks : iterable of ndarray of shape (n_times, n_channels)
        n_expected : int
            About the number of samples of each channel.
        """
        n_times = 0
        for block in blocks:
            if self._interrupt.happened:
                raise KeyboardInterrupt(self._message)
            yield block
            n_times += len(block)
            self._advance(min(n_times / max(n_expected, 1), 1.0))

    def complete(self) -> None:
        """Count the file as done."""
        self._advance(1.0)

    def _advance(self, share):
        self._bar.update(share - self._share)
        self._share = share

    def write(self, line: str, file: Any) -> None:
        """Print a line above the bar."""
        self._bar.write(printable(line, file), file=file)


class Levels:
    """Energies of a recording before and after separation.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    """

    def __init__(self, sample_rate: int):
        self._sample_rate, self._n_times = sample_rate, 0
        self._before = self._after = 0.0

    def add(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        """Add samples of shape (n_times, n_channels), before and after separation."""
        self._n_times += len(inputs)
        self._before += float(np.square(inputs, dtype=np.float64).sum())
        self._after += float(np.square(outputs, dtype=np.float64).sum())

    @property
    def seconds(self) -> float:
        """Duration."""
        return self._n_times / self._sample_rate

    @property
    def reduction(self) -> float:
        """Level before minus level after, in dB; NaN if either is silence."""
        if min(self._before, self._after) == 0:
            return math.nan
        return 10 * math.log10(self._before / self._after)


class Summary:
    """Summary of all files, from the moment when it is made."""

    def __init__(self) -> None:
        self._start, self._n_files = time.perf_counter(), 0
        self._seconds = 0.0
        self._reductions: list[float] = []

    def add(self, levels: Levels) -> None:
        """Add a file."""
        self._n_files += 1
        self._seconds += levels.seconds
        if not math.isnan(levels.reduction):
            self._reductions.append(levels.reduction)

    def __str__(self) -> str:
        elapsed = time.perf_counter() - self._start
        text = (
            f"{self._n_files} file{'s' * (self._n_files != 1)}, {self._seconds:.1f} s of sound in "
            f"{elapsed:.1f} s ({self._seconds / elapsed:.1f} times real time)"
        )
        if self._reductions:
            text += f", level reduced by {np.mean(self._reductions):.1f} dB on average"
        return text
