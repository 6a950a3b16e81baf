"""Load of a stream: the time that separation takes, beside the duration of the sound."""

from __future__ import annotations

import time


class Load:
    """Measurement of the load: the time of separation divided by the duration of the sound.

    Parameters
    ----------
    sample_rate : int
        In Hz.

    Attributes
    ----------
    n_times : int
        Samples so far, counted by the caller.
    """

    def __init__(self, sample_rate: int):
        self.sample_rate = sample_rate
        self.n_times = 0
        self._busy, self._longest, self._reported = 0.0, 0.0, 0

    def __enter__(self):
        self._start = time.perf_counter()

    def __exit__(self, *error):
        seconds = time.perf_counter() - self._start
        self._busy += seconds
        self._longest = max(self._longest, seconds)

    @property
    def due(self) -> bool:
        """Whether ten more seconds of sound are complete since the last time this was read."""
        tens = int(self.n_times / self.sample_rate) // 10
        due, self._reported = tens > self._reported, tens
        return due

    def __str__(self):
        seconds = self.n_times / self.sample_rate
        share = self._busy / seconds if seconds else 0.0
        return (
            f"{seconds:.1f} s of sound, load {100 * share:.1f} %, longest chunk "
            f"{1000 * self._longest:.2f} ms"
        )
