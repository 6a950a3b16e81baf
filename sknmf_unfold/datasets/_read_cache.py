"""Bounded cache of waveforms that were read from files, the least recently used dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np


class ReadCache:
    """Waveforms by key, up to a size in bytes; several threads may use it.

    A copy or pickle is empty.

    Parameters
    ----------
    max_bytes : int
        Size of all waveforms together. Larger ones are not kept at all.

    Examples
    --------
    >>> cache = ReadCache(max_bytes=16)
    >>> cache.put("a", np.ones(1)), cache.put("b", np.zeros(1)), cache.put("c", np.ones(1))
    (None, None, None)
    >>> cache.get("a") is None, cache.get("b")
    (True, array([0.]))
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._waveforms: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        return ReadCache, (self.max_bytes,)

    def get(self, key: Hashable) -> np.ndarray | None:
        """Return the waveform of a key, which must not be written to, or None."""
        with self._lock:
            if key in self._waveforms:
                self._waveforms.move_to_end(key)
            return self._waveforms.get(key)

    def put(self, key: Hashable, waveform: np.ndarray) -> None:
        """Keep a waveform, and drop others until all fit."""
        if waveform.nbytes > self.max_bytes:
            return
        with self._lock:
            replaced = self._waveforms.pop(key, None)
            self.n_bytes += waveform.nbytes - (0 if replaced is None else replaced.nbytes)
            self._waveforms[key] = waveform
            while self.n_bytes > self.max_bytes:
                _, dropped = self._waveforms.popitem(last=False)
                self.n_bytes -= dropped.nbytes
