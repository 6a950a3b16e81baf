"""Work on blocks of frames in threads, each with matrix products of its own.

Products of small blocks are faster on one core each than on all cores one after the other.
"""

from __future__ import annotations

import functools
from collections import deque

import numpy as np

from sknmf_unfold.base.workers import product_workers

# Numbers of a block's activations: a few arrays of this size stay in a core's cache.
BLOCK_SIZE = 2**19
MIN_BLOCK, MAX_BLOCK = 1024, 4096


def block_length(n_components):
    """Choose how many frames are worked on together.

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
    return min(max(BLOCK_SIZE // n_components, MIN_BLOCK), MAX_BLOCK)


class Workspace(dict):
    """Memory that a thread uses again for each block: to ask the system for it takes long."""

    def array(self, name, *shape, dtype):
        """Return an array of this shape with whatever it has been left with.

        Parameters
        ----------
        name : str
            What the array is for.
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

    Which thread does what, and how many there are, makes no difference to the results.

    Parameters
    ----------
    n_frames : int
        Number of all frames.
    length : int
        Number of frames in each block but the last.

    Examples
    --------
    >>> Blocks(10, 4).sum(lambda frames, workspace: (frames.start, 1.0))
    [12.0, 3.0]
    """

    def __init__(self, n_frames, length):
        self._slices = [slice(s, min(s + length, n_frames)) for s in range(0, n_frames, length)]
        self._workspaces: deque = deque()

    def run(self, function, consume=None):
        """Call a function for each block.

        Parameters
        ----------
        function : callable
            ``function(frames, workspace)`` with a slice and a `Workspace`.
        consume : callable, optional
            Gets the results one after the other, in the order of the blocks.
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

    def sum(self, function):
        """Add up, in float64, what a function returns for each block.

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
