"""Work on blocks of frames in threads, each with matrix products of its own.

Products of small blocks are faster on one core each than on all cores one after the other. As many
threads work as matrix products may use: an environment variable such as ``OMP_NUM_THREADS``,
`threadpoolctl` and joblib's processes limit them.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

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
        tasks, results = _Tasks(self._slices), _InOrder(consume)
        # What numpy does about overflow is told to each thread.
        work = functools.partial(self._work, function, tasks, results, np.geterr())
        if len(self._slices) == 1:
            work()
            return
        with one_thread_a_product() as n_threads, ThreadPoolExecutor(n_threads) as threads:
            others = [threads.submit(work) for _ in range(min(n_threads, len(self._slices)) - 1)]
            work()
            for other in others:
                other.result()

    def _work(self, function, tasks, results, settings):
        try:
            workspace = self._workspaces.pop()
        except IndexError:
            workspace = Workspace()
        try:
            with np.errstate(**settings):
                for i, frames in tasks:
                    results.put(i, function(frames, workspace))
        except BaseException:
            tasks.clear()
            raise
        self._workspaces.append(workspace)

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


class _Tasks:
    """Numbered blocks that threads take until there are none."""

    def __init__(self, slices):
        self._left = deque(enumerate(slices))

    def __iter__(self):
        while (task := self._pop()) is not None:
            yield task

    def _pop(self):
        # To look whether one is left would not do: another thread may take it in between.
        try:
            return self._left.popleft()
        except IndexError:
            return None

    def clear(self):
        self._left.clear()


class _InOrder:
    """Pass results on in the order of the blocks, one at a time."""

    def __init__(self, consume):
        self._consume = consume or (lambda result: None)
        self._lock, self._waiting, self._due = threading.Lock(), {}, 0

    def put(self, i, result):
        with self._lock:
            self._waiting[i] = result
            while self._due in self._waiting:
                self._consume(self._waiting.pop(self._due))
                self._due += 1


class _Limit:
    """The limit that all callers share: it is one of the whole process."""

    lock = threading.Lock()
    n_callers = 0
    n_threads = 1
    limiter: Any = None


@functools.cache
def _controller():
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_thread_a_product():
    """Let each matrix product run in the thread that asks for it; also a decorator.

    Around a whole algorithm, because the threads of a product wait for the next one for a while,
    and keep their core busy with that.

    Yields
    ------
    n_threads : int
        How many threads a product might have had.
    """
    with _Limit.lock:
        if _Limit.n_callers == 0:
            libraries = _controller().info()
            _Limit.n_threads = max((each["num_threads"] for each in libraries), default=1)
            _Limit.limiter = _controller().limit(limits=1)
        _Limit.n_callers += 1
    try:
        yield _Limit.n_threads
    finally:
        with _Limit.lock:
            _Limit.n_callers -= 1
            if _Limit.n_callers == 0:
                _Limit.limiter.restore_original_limits()
