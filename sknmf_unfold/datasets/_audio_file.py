"""`AudioFile`, one recording in a file as a lazy waveform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.lazy import LazyWaveform
from sknmf_unfold.validation.messages import shown_path
from sknmf_unfold.validation.recordings import check_peak
from sknmf_unfold.validation.warn import warn_user

from ._read_cache import ReadCache

if TYPE_CHECKING:
    from ._audio_waveforms import Header


class AudioFile(LazyWaveform):
    """A recording in an audio file, read at every use, mixed down to mono and resampled.

    Every read opens the file and closes it again, so that threads can read side by side. A pickle
    has the path and the header, if it was read, but no samples.

    Parameters
    ----------
    path : Path
    sample_rate : int
        Sampling rate in Hz to resample to.
    cache : ReadCache
        Keeps waveforms that were read, shared with other files.
    """

    __slots__ = ("_cache", "_header", "_name", "sample_rate")

    sample_rate: int

    def __init__(self, path: Path, sample_rate: int, cache: ReadCache) -> None:
        # A text takes less memory than a `Path`.
        self._name, self.sample_rate = str(path), sample_rate
        self._cache = cache
        self._header: Header | None = None

    def __repr__(self) -> str:
        return f"AudioFile({self._name!r}, sample_rate={self.sample_rate})"

    @property
    def path(self) -> Path:
        """Path of the file."""
        return Path(self._name)

    @property
    def header(self) -> Header:
        """The header of the file, read once."""
        if self._header is None:
            from ._audio_waveforms import read_header

            self._header = read_header(self.path, self.sample_rate)
        return self._header

    def __len__(self) -> int:
        return self.header.length_at(self.sample_rate)

    @property
    def fingerprint(self) -> str:
        """Path, size, time of the last change, and sampling rate."""
        header = self.header
        return f"{self.path.absolute()} {header.n_bytes} {header.mtime_ns} {self.sample_rate}"

    @property
    def reads_ranges(self) -> bool:  # type: ignore[override]
        """Whether a slice reads only its own samples; a recording that is cached is read whole."""
        header = self.header
        is_kept = self.nbytes <= self._cache.max_bytes
        return header.has_ranges and header.rate == self.sample_rate and not is_kept

    def read(self) -> np.ndarray:
        """Read all samples, from the cache if it has them."""
        return self._samples().copy() if self._cache.max_bytes else self._decode()

    def __getitem__(self, times: Any) -> Any:
        if not isinstance(times, slice):
            return self.read()[times]
        start, stop, step = times.indices(len(self))
        if step == 1 and stop - start < len(self) and self.reads_ranges:
            return self._decode_range(start, max(start, stop))
        return self._samples()[times].copy()

    def _samples(self):
        """Return the samples, which the cache may share."""
        key = self._name, self.sample_rate
        waveform = self._cache.get(key)
        if waveform is None:
            waveform = self._decode()
            self._cache.put(key, waveform)
        return waveform

    @default_settings()
    def _decode(self):
        from ._audio_waveforms import at_rate, check_unchanged, decode

        waveform, rate = decode(self.path, self.sample_rate)
        if self._header is not None:
            check_unchanged(self.path, self._header, len(waveform), rate)
        resampled = at_rate(waveform, rate, self.sample_rate)
        check_peak(resampled, shown_path(self.path))
        return resampled

    @default_settings()
    def _decode_range(self, start, stop):
        from ._audio_waveforms import decode_range

        samples = decode_range(self.path, self.header, start, stop)
        if len(samples):
            check_peak(samples, shown_path(self.path))
        return samples


def unreadable(item: AudioFile) -> str | None:
    """Return the reason why the header of a file cannot be read, or None if it can."""
    try:
        len(item)
    except (OSError, ValueError) as error:
        return str(error)
    return None


def warn_of_skipped(skipped: list[tuple[Path, str]], n_all: int, what: str = "files") -> None:
    """Warn of files that were left out, with their number and the first reason.

    Raises
    ------
    ValueError
        If none is left.
    """
    if not skipped:
        return
    if len(skipped) == n_all:
        raise ValueError(f"None of {n_all} {what} can be used. The first fault: {skipped[0][1]}")
    warn_user(
        f"{len(skipped)} of {n_all} {what} cannot be used and are left out; `skipped` lists them. "
        f"The first fault: {skipped[0][1]}"
    )
