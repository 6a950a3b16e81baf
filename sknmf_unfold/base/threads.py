"""Work in threads, each with operations of numpy and torch of its own.

numpy and torch run an operation in several threads, which wait for each other at its end, and keep
their cores busy with that. Beside other programs one of them often has no core, and the others
wait: small operations, of which a network that goes through frames has thousands, then take many
times as long. Threads that have parts of the work, in operations of one thread, meet only when the
parts are done.

As many threads work as an operation might have: an environment variable such as
``OMP_NUM_THREADS``, ``torch.set_num_threads``, `threadpoolctl` and joblib's processes limit them.
How the work is divided does not depend on them, so neither do the results.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController


class Workers:
    """The calling thread, and others that work beside it.

    Parameters
    ----------
    n_threads : int
        Number of all of them.
    pool : concurrent.futures.ThreadPoolExecutor, optional
        Has the others.

    Examples
    --------
    >>> results = []
    >>> Workers(1).run(len, ["a", "bc"], results.append)
    >>> results
    [1, 2]
    """

    def __init__(self, n_threads, pool=None):
        self.n_threads, self._pool = n_threads, pool

    def map(self, function, items):
        """Call a function for each item.

        Parameters
        ----------
        function : callable
        items : iterable
            Is gone through by the calling thread.

        Returns
        -------
        results : list
            In the order of the items.
        """
        results: list = []
        self.run(function, items, results.append)
        return results

    def run(self, function, items, consume):
        """Call a function for each item, and another for each result.

        Parameters
        ----------
        function : callable
            Is called by any of the threads.
        items : iterable
            Is gone through by the calling thread, not far ahead of the calls.
        consume : callable
            Gets the results one after the other, in the order of the items.
        """
        if self.n_threads == 1:
            for item in items:
                consume(function(item))
            return
        tasks = _Tasks(function, consume)
        others: list = []
        try:
            for item in items:
                tasks.append(item)
                others = [each for each in others if not each.done()]
                # Each takes tasks until there are none.
                if len(others) < self.n_threads - 1:
                    others.append(self._pool.submit(tasks.work))
                while len(tasks) > 3 * self.n_threads:
                    # Results that wait for an earlier one take memory too.
                    if not tasks.work_once():
                        wait(others)
                        # After an error of another thread there are results that never come.
                        tasks.raise_error()
            tasks.work()
        finally:
            tasks.clear()
            # None works on after an error, or an interrupt, has left this function.
            wait(others)
        tasks.raise_error()


class _Tasks:
    """Items that threads take until there are none; results are consumed in their order."""

    def __init__(self, function, consume):
        self._function, self._consume = function, consume
        self._left: deque = deque()
        self._lock, self._waiting, self._due = threading.Lock(), {}, 0
        self._n_items, self._error = 0, None
        # What numpy does about overflow is told to each thread.
        self._settings = np.geterr()

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
        # To look whether one is left would not do: another thread may take it in between.
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
def worker_threads(at_most):
    """Let operations of numpy and torch run in one thread each, and yield threads for them.

    A thread that works for others already works alone.

    Parameters
    ----------
    at_most : int
        Number of threads that take part at most.

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
def product_workers(at_most=sys.maxsize, n_operations=None):
    """Let matrix products of numpy run in one thread each, and yield threads for them.

    Parameters
    ----------
    at_most : int, optional
        Number of threads that take part at most.
    n_operations : int, optional
        How many threads an operation of torch might have, if the work has any.

    Yields
    ------
    workers : Workers
    """
    with one_thread_a_product() as n_threads:
        n_threads = min(n_threads, at_most, n_operations or n_threads)
        if n_threads == 1 or getattr(_here, "is_working", False):
            yield Workers(1)
            return
        begin = functools.partial(_begin_work, n_operations)
        with ThreadPoolExecutor(n_threads - 1, initializer=begin) as pool:
            _here.is_working = True
            try:
                yield Workers(n_threads, pool)
            finally:
                _here.is_working = False


# Whether this thread works for such a block.
_here = threading.local()


def _begin_work(n_operations):
    _here.is_working = True
    # Some libraries count for each thread.
    for library, _ in _Limit.before:
        library.set_num_threads(1)
    if n_operations:
        with _torch_lock:
            _limit_torch(n_operations)


_torch_lock = threading.Lock()


class _Limit:
    """The limit that all callers share: it is one of the whole process."""

    lock = threading.Lock()
    n_callers = 0
    n_threads = 1
    before: Any = ()


class _Library:
    """A library of matrix products, whose number of threads any thread may set.

    threadpoolctl lets one thread alone set a number that is one of the whole process, and takes
    longer than a frame of a stream may: OpenBLAS is called directly where it can be found.
    """

    def __init__(self, controller):
        self._controller = controller
        self._get, self.set_num_threads = None, self._set_slowly
        find = getattr(controller, "_get_symbol", None)
        if find and controller.internal_api == "openblas":
            if controller.threading_layer == "pthreads":
                self._get = find("openblas_get_num_threads")
                self.set_num_threads = find("openblas_set_num_threads")

    @property
    def num_threads(self):
        return self._get() if self._get else self._controller.num_threads or 1

    def _set_slowly(self, n_threads):
        release = getattr(self._controller, "clear_controlling_thread", lambda force: None)
        release(force=True)
        self._controller.set_num_threads(n_threads)
        release(force=True)


@functools.cache
def _libraries():
    """Return the libraries of matrix products."""
    return [_Library(x) for x in ThreadpoolController().select(user_api="blas").lib_controllers]


@contextmanager
def one_thread_a_product():
    """Let each matrix product of numpy run in the thread that asks for it; also a decorator.

    Around a whole algorithm, because the threads of a product wait for the next one for a while,
    and keep their core busy with that.

    Yields
    ------
    n_threads : int
        How many threads a product might have had.
    """
    n_threads = _begin_limit()
    try:
        yield n_threads
    finally:
        _end_limit()


def _begin_limit():
    """Limit products to one thread; return how many they might have had."""
    with _Limit.lock:
        if _Limit.n_callers == 0:
            _Limit.before = [(each, each.num_threads) for each in _libraries()]
            _Limit.n_threads = max((n for _, n in _Limit.before), default=1)
            for library, _ in _Limit.before:
                library.set_num_threads(1)
        _Limit.n_callers += 1
        return _Limit.n_threads


def _end_limit():
    with _Limit.lock:
        _Limit.n_callers -= 1
        if _Limit.n_callers == 0:
            for library, n_threads in _Limit.before:
                library.set_num_threads(n_threads)


@contextmanager
def one_thread_of_torch():
    """Let operations of torch run in the calling thread alone.

    torch's number of threads belongs to a thread, so others notice nothing; only new ones take that
    of the last call.

    Yields
    ------
    n_threads : int or None
        How many threads an operation might have had; None where torch is not loaded.
    """
    torch: Any = sys.modules.get("torch")
    # A new thread takes over the number of the others when it first asks for it, which must not be
    # while another one changes it.
    with _torch_lock:
        n_threads = torch.get_num_threads() if torch else None
        is_limited = n_threads in (None, 1)
        if not is_limited:
            _limit_torch(n_threads)
    if is_limited:
        yield getattr(_here, "n_operations", n_threads)
        return
    _here.n_operations = n_threads
    try:
        yield n_threads
    finally:
        del _here.n_operations
        with _torch_lock:
            torch.set_num_threads(n_threads)


@contextmanager
def one_thread_an_operation():
    """Let operations of numpy and torch run in the calling thread alone; also a decorator."""
    with one_thread_a_product(), one_thread_of_torch():
        yield


def briefly_one_thread(method):
    """Do as `one_thread_an_operation`, in a few microseconds, for what does not take long either.

    A decorator of methods, whose object tells by ``_uses_torch`` whether torch works for it. A
    thread that uses torch for the first time in the meantime keeps to one thread an operation.
    """

    @functools.wraps(method)
    def limited(self, *args, **kwargs):
        torch: Any = sys.modules.get("torch") if self._uses_torch else None
        n_threads = torch.get_num_threads() if torch else 1
        _begin_limit()
        try:
            if n_threads != 1:
                torch.set_num_threads(1)
            return method(self, *args, **kwargs)
        finally:
            if n_threads != 1:
                torch.set_num_threads(n_threads)
            _end_limit()

    return limited


def _limit_torch(n_others):
    """Give torch's operations one thread in the calling one, and `n_others` in new ones."""
    torch = sys.modules["torch"]
    torch.get_num_threads()
    torch.set_num_threads(1)
    other = threading.Thread(target=torch.set_num_threads, args=(n_others,))
    other.start()
    other.join()
