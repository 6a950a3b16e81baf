"""Parts of recordings: views of arrays, and lazy parts of lazy recordings."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.validation.lazy import LazyWaveform, is_lazy


class LazyPart(LazyWaveform):
    """A part of a lazy recording.

    Parameters
    ----------
    whole : LazyWaveform
    start, stop : int
        Its first sample, and the one after its last.

    Examples
    --------
    >>> from sknmf_unfold.datasets import AudioFiles, example_path
    >>> [whole] = AudioFiles(example_path()).items()
    >>> part = LazyPart(whole, 1000, 5000)
    >>> part.shape, bool((part[:10] == whole.read()[1000:1010]).all())
    ((4000,), True)
    """

    def __init__(self, whole: LazyWaveform, start: int, stop: int):
        self._whole, self._start, self._stop = whole, start, stop
        self.dtype, self.sample_rate = whole.dtype, whole.sample_rate

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def reads_ranges(self) -> bool:  # type: ignore[override]
        """Whether a slice reads little more than its own samples."""
        return self._whole.reads_ranges

    @property
    def fingerprint(self) -> str:
        """That of the recording, and the place of the part in it."""
        return f"{self._whole.fingerprint} {self._start}:{self._stop}"

    def read(self) -> np.ndarray:
        """Read the samples of the part."""
        return self._whole[self._start : self._stop]

    def __getitem__(self, times: Any) -> Any:
        if not isinstance(times, slice):
            return self.read()[times]
        start, stop, step = times.indices(len(self))
        if step != 1:
            return self.read()[times]
        return self._whole[self._start + start : self._start + max(start, stop)]


def part_of(waveform: np.ndarray | LazyWaveform, start: int, stop: int) -> Any:
    """Return a part of a waveform: a view of an array, a lazy part of a lazy one."""
    return LazyPart(waveform, start, stop) if is_lazy(waveform) else waveform[start:stop]


def equal_parts(waveform: np.ndarray | LazyWaveform, max_times: int) -> list[Any]:
    """Divide a waveform into the fewest parts of at most `max_times` samples, about equally long.

    Parameters
    ----------
    waveform : ndarray or LazyWaveform of shape (n_times,)
    max_times : int
        Largest number of samples of a part.

    Returns
    -------
    parts : list of ndarray or LazyWaveform
        Together they are the waveform. The first ones may be a sample longer.

    Examples
    --------
    >>> equal_parts(np.arange(7), max_times=3)
    [array([0, 1, 2]), array([3, 4]), array([5, 6])]
    """
    n_parts = -(-len(waveform) // max_times)
    length, n_longer = divmod(len(waveform), n_parts)
    stops = length * np.arange(n_parts + 1) + np.minimum(np.arange(n_parts + 1), n_longer)
    bounds = zip(stops[:-1].tolist(), stops[1:].tolist(), strict=True)
    return [part_of(waveform, *each) for each in bounds]
