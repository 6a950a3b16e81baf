"""Computation on blocks of frames in threads, with matrix products of one thread each.

Several small products at a time, each on one core, are faster than one after the other on all
cores.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_array, issparse

from sknmf_unfold.base.workers import product_workers

# Entries of the activations of a block: a few arrays of this size stay in a core's cache.
BLOCK_ENTRIES = 2**19
MIN_BLOCK_FRAMES, MAX_BLOCK_FRAMES = 1024, 4096


def block_length(n_components: int) -> int:
    """Choose the number of frames of a block.

    Parameters
    ----------
    n_components : int

    Returns
    -------
    n_frames : int

    Examples
    --------
    >>> block_length(10), block_length(200), block_length(2000)
    (4096, 2621, 1024)
    """
    return min(max(BLOCK_ENTRIES // n_components, MIN_BLOCK_FRAMES), MAX_BLOCK_FRAMES)


class Workspace(dict):
    """Buffers that a thread reuses for each block, as allocating them is slow."""

    def array(self, name: object, *shape: int, dtype: DTypeLike) -> np.ndarray:
        """Return an array of this shape, uninitialised or with its former entries.

        Parameters
        ----------
        name : hashable
            Key of the buffer.
        *shape : int
        dtype : dtype

        Returns
        -------
        array : ndarray
        """
        size = int(np.prod(shape))
        if name not in self or self[name].size < size or self[name].dtype != dtype:
            self[name] = np.empty(size, dtype=dtype)
        return self[name][:size].reshape(shape)


class Blocks:
    """Frames in blocks.

    Results do not depend on the number of threads.

    Parameters
    ----------
    n_frames : int
        Number of frames in total.
    length : int
        Number of frames in each block but the last.

    Examples
    --------
    >>> Blocks(10, 4).sum(lambda frames, workspace: (frames.start, 1.0))
    [12.0, 3.0]
    """

    def __init__(self, n_frames: int, length: int) -> None:
        self._slices = [slice(s, min(s + length, n_frames)) for s in range(0, n_frames, length)]
        self._workspaces: deque = deque()

    @classmethod
    def of_data(cls, X: np.ndarray | csr_array, n_components: int) -> Blocks:
        """Divide frames so that arrays of the size of activations and of data stay in the cache.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_frames, n_freqs)
            No array of the shape of a block is made of sparse data.
        n_components : int

        Returns
        -------
        blocks : Blocks
        """
        width = n_components if issparse(X) else max(n_components, X.shape[1])
        return cls(X.shape[0], block_length(width))

    def run(self, function: Callable, consume: Callable | None = None) -> None:
        """Call a function for each block.

        Parameters
        ----------
        function : callable
            ``function(frames, workspace)`` with a slice and a `Workspace`.
        consume : callable, optional
            ``consume(result)`` gets the results in the order of the blocks.
        """
        work = functools.partial(self._work, function)
        consume = consume or (lambda result: None)
        if len(self._slices) == 1:
            consume(work(self._slices[0]))
            return
        with product_workers() as workers:
            workers.run(work, self._slices, consume)

    def _work(self, function, frames):
        try:
            workspace = self._workspaces.pop()
        except IndexError:
            workspace = Workspace()
        result = function(frames, workspace)
        self._workspaces.append(workspace)
        return result

    def sum(self, function: Callable) -> list:
        """Sum in float64 the return values of a function over all blocks.

        Parameters
        ----------
        function : callable
            ``function(frames, workspace)`` returns a tuple of arrays or numbers.

        Returns
        -------
        totals : list of ndarray or float
        """
        totals: list = []

        def add(parts):
            if not totals:
                totals.extend(np.zeros(np.shape(part)) for part in parts)
            for total, part in zip(totals, parts, strict=True):
                total += part

        self.run(function, add)
        return [float(total) if total.ndim == 0 else total for total in totals]
