"""Frames that are computed when they are needed, and the recordings that they are computed from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

Value = TypeVar("Value")


class LazyFrames:
    """Frames of a sequence that are computed each time that they are needed.

    Parameters
    ----------
    compute : callable
        ``compute(start, stop)`` returns frames of shape (stop - start, n_freqs).
    shape : tuple of int
        ``(n_frames, n_freqs)``.
    dtype : numpy.dtype
        Of the return value of `compute`.
    start : int, default=0
        The first frame.

    Examples
    --------
    >>> frames = LazyFrames(lambda start, stop: np.eye(9)[start:stop], (9, 9), np.dtype(float))
    >>> np.asarray(frames[3:6][1:]).shape
    (2, 9)
    """

    def __init__(
        self,
        compute: Callable[[int, int], np.ndarray],
        shape: tuple[int, int],
        dtype: np.dtype,
        start: int = 0,
    ):
        self.compute = compute
        self.shape = shape
        self.dtype = dtype
        self.start = start

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, part):
        start, stop, _ = part.indices(len(self))
        shape = max(stop - start, 0), self.shape[1]
        return LazyFrames(self.compute, shape, self.dtype, self.start + start)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.compute(self.start, self.start + len(self)), dtype=dtype)


class Source(Generic[Value]):
    """Something that is computed when it is first needed, and dropped after its last use.

    For recordings that are read or mixed. Any thread may ask for it; the first one computes it, and
    others wait for that.

    Parameters
    ----------
    compute : callable
        Without arguments.

    Examples
    --------
    >>> source = Source(lambda: np.ones(3))
    >>> source.expect(2)
    >>> source() is source(), source.is_kept
    (True, True)
    >>> source.release(), source.release(), source.is_kept
    (None, None, False)
    """

    def __init__(self, compute: Callable[[], Value]):
        self._compute = compute
        self._lock = threading.Lock()
        self._values: list[Value] = []
        self._n_uses = 1

    def __call__(self) -> Value:
        """Return it, computed unless it is kept."""
        with self._lock:
            if not self._values:
                self._values.append(self._compute())
            return self._values[0]

    @property
    def is_kept(self) -> bool:
        """Whether it is in memory."""
        return bool(self._values)

    def prepare(self) -> None:
        """Compute it for the uses to come, unless these are over already."""
        if self._n_uses > 0:
            self()

    def expect(self, n_uses: int) -> None:
        """Set the number of uses after which it is dropped.

        Parameters
        ----------
        n_uses : int
        """
        self._n_uses = n_uses

    def release(self) -> None:
        """Count a use, and drop it after the last one."""
        with self._lock:
            self._n_uses -= 1
            if self._n_uses <= 0:
                self._values.clear()
