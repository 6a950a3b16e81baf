"""`AudioFiles`, a sequence of recordings that are read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sknmf_unfold.validation.lazy import LazyWaveforms
from sknmf_unfold.validation.options import check_choice
from sknmf_unfold.validation.parameters import check_number, check_sample_rate

from ._audio_file import AudioFile, unreadable, warn_of_skipped
from ._read_cache import ReadCache
from .audio_files import _check_paths

ON_ERROR = ("raise", "skip")


class AudioFiles(LazyWaveforms):
    """Sequence of audio files that stands for a list of waveforms, read when they are needed.

    It goes wherever a list of waveforms goes: `STFT`, ``fit``, ``predict`` and ``score`` of every
    pipeline, ``train_test_split``, ``GridSearchCV``, `MixtureDataset`. So recordings need not fit
    into memory. Waveforms are those of `load_audio`: float32, mixed down to mono and resampled.

    Parameters
    ----------
    paths : str, path-like, or list of them
        Files in WAV, FLAC, Ogg or another format of libsndfile.
    sample_rate : int, default=16000
        Sampling rate in Hz to resample to.
    cache_bytes : int, default=0
        Memory for waveforms that were read, which are then not read again; the least recently used
        are dropped first. Parts of this sequence share it, other processes have their own.
    on_error : {"raise", "skip"}, default="raise"
        ``"raise"`` reports an unreadable file where its header is needed first, as in ``fit``.
        ``"skip"`` reads all headers now, and leaves unreadable files out.

    Attributes
    ----------
    sample_rate : int
        Sampling rate in Hz.
    skipped : list of tuple (Path, str)
        Files that were left out, each with the reason.

    Raises
    ------
    TypeError, ValueError, OSError
        If a parameter is not as described, or, with ``"skip"``, if no file can be read. An error of
        a file names it, here and later. Samples that are not finite are found when they are read.

    Notes
    -----
    ``files[i]`` reads a waveform; a slice, an integer array or a boolean mask gives `AudioFiles`.
    Each read opens the file and closes it again, in any thread. A pickle has the paths, and the
    lengths that are known, but no samples.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sknmf_unfold import STFT
    >>> from sknmf_unfold.datasets import AudioFiles, save_audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [pathlib.Path(folder) / name for name in ("a.wav", "b.wav")]
    ...     for path in paths:
    ...         save_audio(path, np.sin(np.arange(8000) / 10), sample_rate=8000)
    ...     files = AudioFiles(paths)
    ...     spectrograms = STFT().transform(files)
    ...     print(files[1:], files[0].shape, spectrograms[0].shape)
    AudioFiles(1 file, sample_rate=16000) (16000,) (128, 257)
    """

    def __init__(
        self,
        paths: str | os.PathLike | Iterable[str | os.PathLike],
        sample_rate: int = 16000,
        *,
        cache_bytes: int = 0,
        on_error: str = "raise",
    ) -> None:
        files = _check_paths(paths)
        self.sample_rate = check_sample_rate(sample_rate)
        cache = ReadCache(check_number("cache_bytes", cache_bytes, low=0, integer=True))
        check_choice("on_error", on_error, ON_ERROR)
        self._items = [AudioFile(path, self.sample_rate, cache) for path in files]
        self.skipped: list[tuple[Path, str]] = []
        if on_error == "skip":
            self._skip_unreadable()

    def _skip_unreadable(self) -> None:
        reasons = [unreadable(item) for item in self._items]
        pairs = list(zip(self._items, reasons, strict=True))
        self._items = [item for item, reason in pairs if reason is None]
        self.skipped = [(item.path, reason) for item, reason in pairs if reason is not None]
        warn_of_skipped(self.skipped, len(pairs))

    def _part(self, items: list[AudioFile]) -> AudioFiles:
        part = type(self).__new__(type(self))
        part.sample_rate, part._items, part.skipped = self.sample_rate, items, []
        return part

    @property
    def paths(self) -> list[Path]:
        """Paths of the files."""
        return [item.path for item in self._items]

    @property
    def shape(self) -> tuple[int]:
        """``(n_files,)``."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        files = "file" if len(self) == 1 else "files"
        return f"AudioFiles({len(self)} {files}, sample_rate={self.sample_rate})"

    def __getitem__(self, key: Any) -> Any:
        # scikit-learn indexes objects with a shape as arrays: X[indices, ...].
        key = key[0] if isinstance(key, tuple) else key
        if isinstance(key, slice):
            return self._part(self._items[key])
        if np.ndim(key) == 0:
            return self._items[key].read()
        return self._part([self._items[i] for i in np.arange(len(self))[key]])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (item.read() for item in self._items)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Make an object array of the recordings, which are not read."""
        array = np.empty(len(self), dtype=object)
        for i, item in enumerate(self._items):
            array[i] = item
        return array

    def items(self) -> list[AudioFile]:
        """List the recordings as lazy waveforms, which know their lengths but hold no samples.

        Returns
        -------
        items : list of AudioFile
            Each has a length and a `shape`, and is read by ``read()``, a slice or
            ``numpy.asarray``.
        """
        return list(self._items)
