"""Results that background threads compute while earlier ones are used.

Decoding of files, mixing and Fourier transforms of numpy, scipy, soxr and libsndfile release
Python's global lock, so that they run beside the training of a network.
"""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from .thread_shares import ThreadShare
from .threads import limit_new_thread, one_thread_a_product, one_thread_of_torch

Result = TypeVar("Result")

# Threads at most: few are enough to keep a network busy.
MAX_THREADS = 4


class Timed(Generic[Result]):
    """An iterator that adds up the time that its consumer waits.

    Parameters
    ----------
    results : iterable

    Attributes
    ----------
    seconds : float
        So far.

    Examples
    --------
    >>> results = Timed(x * x for x in (1, 2, 3))
    >>> list(results), results.seconds > 0
    ([1, 4, 9], True)
    """

    def __init__(self, results: Iterable[Result]):
        self._results = iter(results)
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        start = time.perf_counter()
        try:
            return next(self._results)
        finally:
            self.seconds += time.perf_counter() - start


@contextmanager
def read_ahead(
    calls: Iterable[Callable[[], Result]],
    n_threads: int | None = None,
    depth: int | None = None,
) -> Iterator[Timed[Result]]:
    """Call functions in background threads, a few ahead of the one whose result is used.

    An error or interrupt of a call is raised where its result would come. The threads end with the
    block: calls that have not begun by then are dropped, and those that have are waited for. So
    consume the results inside it. Operations of numpy and torch use one thread each, see `threads`.

    Parameters
    ----------
    calls : iterable of callable
        Without arguments. The consumer's thread iterates over them, in order and at most `depth`
        ahead: random numbers drawn there do not depend on timing or on `n_threads`.
    n_threads : int, optional
        Number of background threads; 0 computes each result when it is consumed. By default as
        many as this task may use (see `ThreadShare`), at most `MAX_THREADS`.
    depth : int, optional
        Number of results that are computed or waiting at most; by default ``n_threads + 1``.

    Yields
    ------
    results : Timed
        In the order of the calls.

    Examples
    --------
    >>> calls = [lambda i=i: i * i for i in range(4)]
    >>> with read_ahead(calls, n_threads=2) as results:
    ...     list(results)
    [0, 1, 4, 9]
    """
    with one_thread_of_torch() as n_operations, one_thread_a_product() as n_products:
        if n_threads is None:
            share = ThreadShare(min(n_products, n_operations or n_products))
            n_threads = min(share.n_most, MAX_THREADS)
        if n_threads == 0:
            yield Timed(call() for call in calls)
            return
        begin = functools.partial(limit_new_thread, n_operations)
        pool = ThreadPoolExecutor(n_threads, "read-ahead", initializer=begin)
        pending: deque[Future] = deque()
        try:
            yield Timed(_results(pool, pending, iter(calls), depth or n_threads + 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _results(pool, pending, calls, depth):
    # Each thread has its own settings of numpy for overflow and the like.
    compute = functools.partial(_compute, np.geterr())
    pending.extend(pool.submit(compute, call) for call in islice(calls, depth))
    while pending:
        wait([pending[0]])
        pending.extend(pool.submit(compute, call) for call in islice(calls, 1))
        # Not kept in a variable: its memory is free once the consumer is done with it.
        yield pending.popleft().result()


def _compute(settings: Any, call: Callable[[], Result]) -> Result:
    with np.errstate(**settings):
        return call()
