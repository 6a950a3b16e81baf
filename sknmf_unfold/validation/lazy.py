"""Lazy recordings: waveforms that are read from their files when their samples are needed.

Estimators keep these objects where they would keep arrays. The length is known without the samples;
the samples are checked at every read, and a reader's errors name the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import DTypeLike


class LazyWaveform(ABC):
    """A waveform that is read when its samples are needed.

    A subclass has ``__len__``, `read` and `fingerprint`, and, where a part of the samples can be
    read at a small cost, ``__getitem__`` and `reads_ranges`. Its attributes are those of an array
    of shape (n_times,), and `numpy.asarray` reads it.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the samples, float32 by default.
    sample_rate : int or None
        Sampling rate in Hz that the samples are read at, None if it is not known.
    reads_ranges : bool
        Whether a slice reads little more than the samples in it.

    Examples
    --------
    >>> class Silence(LazyWaveform):
    ...     fingerprint = "silence"
    ...     def __len__(self):
    ...         return 4
    ...     def read(self):
    ...         return np.zeros(4, np.float32)
    >>> Silence().shape, Silence()[1:3], is_lazy(Silence())
    ((4,), array([0., 0.], dtype=float32), True)
    """

    # Corpora have millions of them.
    __slots__ = ()

    ndim = 1
    dtype: np.dtype = np.dtype(np.float32)
    sample_rate: int | None = None
    reads_ranges: bool = False

    @abstractmethod
    def __len__(self) -> int:
        """Count the samples, without reading them."""

    @abstractmethod
    def read(self) -> np.ndarray:
        """Read all samples.

        Returns
        -------
        waveform : ndarray of shape (n_times,)
            Finite, of `dtype`, and the caller's own.

        Raises
        ------
        ValueError, OSError
            If they cannot be read, are not finite, or not as many as ``__len__`` says.
        """

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A short string that changes with the samples, known without reading them."""

    @property
    def shape(self) -> tuple[int]:
        """``(n_times,)``."""
        return (len(self),)

    @property
    def nbytes(self) -> int:
        """Size of the samples in memory, once they are read."""
        return len(self) * self.dtype.itemsize

    def astype(self, dtype: DTypeLike, copy: bool = True) -> LazyWaveform:
        """Convert the samples whenever they are read; `copy` is there for the sake of arrays."""
        return self if np.dtype(dtype) == self.dtype else _Converted(self, np.dtype(dtype))

    def __getitem__(self, times: Any) -> Any:
        return self.read()[times]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.read())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.read(), dtype=dtype)


class _Converted(LazyWaveform):
    """A lazy waveform in another dtype."""

    def __init__(self, waveform: LazyWaveform, dtype: np.dtype) -> None:
        self._waveform, self.dtype = waveform, dtype
        self.sample_rate = waveform.sample_rate

    @property
    def reads_ranges(self) -> bool:  # type: ignore[override]
        return self._waveform.reads_ranges

    @property
    def fingerprint(self) -> str:
        return f"{self._waveform.fingerprint} {self.dtype}"

    def __len__(self) -> int:
        return len(self._waveform)

    def read(self) -> np.ndarray:
        return self._waveform.read().astype(self.dtype)

    def __getitem__(self, times: Any) -> Any:
        return self._waveform[times].astype(self.dtype)


class LazyWaveforms(ABC):
    """A collection of lazy waveforms that stands for a list of waveforms."""

    @abstractmethod
    def items(self) -> list[Any]:
        """List the recordings as `LazyWaveform` objects."""


def is_lazy(waveform: object) -> TypeGuard[LazyWaveform]:
    """Tell whether an object is a waveform that is read when its samples are needed."""
    return isinstance(waveform, LazyWaveform)


def samples_of(waveform: np.ndarray | LazyWaveform) -> np.ndarray:
    """Return the samples of a waveform: an array as it is, a lazy one is read."""
    return waveform.read() if is_lazy(waveform) else waveform  # type: ignore[return-value]


def check_rates(waveforms: Any, sample_rate: int, name: str, owner: str) -> None:
    """Raise ``ValueError`` for files that are read at another rate than the one that is wanted.

    Parameters
    ----------
    waveforms : list of ndarray or LazyWaveform of shape (n_times,)
        Arrays, whose rate nobody knows, always pass.
    sample_rate : int
        In Hz.
    name : str
        Name of the list in messages.
    owner : str
        The object that has this `sample_rate`, for messages.
    """
    for i, waveform in enumerate(waveforms):
        rate = getattr(waveform, "sample_rate", None)
        if is_lazy(waveform) and rate not in (None, sample_rate):
            raise ValueError(
                f"{name}[{i}] is read at {rate} Hz, but {owner} has sample_rate={sample_rate}: "
                f"pass the same `sample_rate` to AudioFiles."
            )
