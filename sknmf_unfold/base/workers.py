"""Worker threads that share the items of a loop, each with operations of one thread.

As many threads work as one operation might use: an environment variable such as
``OMP_NUM_THREADS``, ``torch.set_num_threads``, `threadpoolctl` and joblib's processes limit them.
Tasks that run at once share them, see `thread_shares`. How the work is divided does not depend on
their number, so neither do the results. `threads` says why operations are limited to one thread.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from .thread_shares import ThreadShare
from .threads import limit_new_thread, one_thread_a_product, one_thread_of_torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """The calling thread, and others that work beside it.

    Parameters
    ----------
    n_threads : int
        Number of threads, the calling one included.
    pool : concurrent.futures.ThreadPoolExecutor, optional
        The other threads; needed where `n_threads` > 1.
    share : ThreadShare, optional
        Says how many of these threads this task may use; by default all.

    Examples
    --------
    >>> results = []
    >>> Workers(1).run(len, ["a", "bc"], results.append)
    >>> results
    [1, 2]
    """

    def __init__(
        self,
        n_threads: int,
        pool: ThreadPoolExecutor | None = None,
        share: ThreadShare | None = None,
    ):
        self._n_most, self._pool, self._share = n_threads, pool, share

    @property
    def n_threads(self) -> int:
        """Number of threads that work at this moment, the calling one included."""
        return self._n_most if self._share is None else min(self._n_most, self._share.n_now())

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function for each item.

        Parameters
        ----------
        function : callable
        items : iterable
            The calling thread iterates over it.

        Returns
        -------
        results : list
            In the order of the items.
        """
        results: list[Result] = []
        self.run(function, items, results.append)
        return results

    def run(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        consume: Callable[[Result], object],
    ) -> None:
        """Call a function for each item, and another for each result.

        Parameters
        ----------
        function : callable
            Called by any of the threads.
        items : iterable
            The calling thread iterates over it, not far ahead of the calls.
        consume : callable
            Takes the results one at a time, in the order of the items.
        """
        if self._pool is None:
            for item in items:
                consume(function(item))
            return
        tasks = _Tasks(function, consume)
        others: list[Future] = []
        try:
            for item in items:
                tasks.append(item)
                others = [each for each in others if not each.done()]
                # Each takes tasks until there are none, or it is one thread too many.
                if len(others) < self.n_threads - 1:
                    others.append(self._pool.submit(self._help, tasks, len(others) + 1))
                while len(tasks) > 3 * self.n_threads:
                    # Results that wait for an earlier one take memory too.
                    if not tasks.work_once():
                        wait(others)
                        # After an error of another thread there are results that never come.
                        tasks.raise_error()
            tasks.work()
        finally:
            tasks.clear()
            # No thread works on after an error or an interrupt has left this function.
            wait(others)
        tasks.raise_error()

    def _help(self, tasks, position):
        """Take tasks in another thread, as long as the share of threads allows it."""
        while position < self.n_threads and tasks.work_once():
            pass


class _Tasks:
    """Items that threads take until there are none; results are consumed in their order."""

    def __init__(self, function, consume):
        self._function, self._consume = function, consume
        self._left: deque = deque()
        self._lock, self._waiting, self._due = threading.Lock(), {}, 0
        self._n_items, self._error = 0, None
        # Each thread has its own settings of numpy for overflow and the like.
        self._settings: Any = np.geterr()

    def __len__(self):
        """Count the items whose results are not consumed yet."""
        return self._n_items - self._due

    def append(self, item):
        self.raise_error()
        self._left.append((self._n_items, item))
        self._n_items += 1

    def work(self):
        while self.work_once():
            pass

    def work_once(self):
        """Take an item; return whether there was one."""
        # A look whether one is left would not do: another thread may take it in between.
        try:
            i, item = self._left.popleft()
        except IndexError:
            return False
        try:
            with np.errstate(**self._settings):
                self._put(i, self._function(item))
        except BaseException as error:
            self._error = error
            self.clear()
            raise
        return True

    def _put(self, i, result):
        with self._lock:
            self._waiting[i] = result
            while self._due in self._waiting:
                self._consume(self._waiting.pop(self._due))
                self._due += 1

    def clear(self):
        self._left.clear()

    def raise_error(self):
        if self._error is not None:
            raise self._error


@contextmanager
def worker_threads(at_most: int) -> Iterator[Workers]:
    """Limit operations of numpy and torch to one thread each, and yield threads for them.

    A thread that already works for others gets no workers of its own.

    Parameters
    ----------
    at_most : int
        Largest number of threads that take part.

    Yields
    ------
    workers : Workers
    """
    with (
        one_thread_of_torch() as n_threads,
        product_workers(at_most, n_threads) as workers,
    ):
        yield workers


@contextmanager
def product_workers(
    at_most: int = sys.maxsize, n_operations: int | None = None
) -> Iterator[Workers]:
    """Limit matrix products of numpy to one thread each, and yield threads for them.

    Parameters
    ----------
    at_most : int, optional
        Largest number of threads that take part.
    n_operations : int, optional
        Number of threads that an operation of torch might use, if the work has any.

    Yields
    ------
    workers : Workers
    """
    with one_thread_a_product() as n_threads:
        share = ThreadShare(min(n_threads, n_operations or n_threads))
        n_threads = min(share.n_most, at_most)
        if n_threads == 1 or getattr(_here, "is_working", False):
            yield Workers(1)
            return
        begin = functools.partial(_begin_work, n_operations)
        with ThreadPoolExecutor(n_threads - 1, initializer=begin) as pool:
            _here.is_working = True
            try:
                yield Workers(n_threads, pool, share)
            finally:
                _here.is_working = False


# Whether this thread is one of some `Workers`.
_here = threading.local()


def _begin_work(n_operations):
    _here.is_working = True
    limit_new_thread(n_operations)
