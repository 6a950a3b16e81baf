"""Limits on the threads that numpy and torch use for an operation.

numpy and torch run an operation in several threads, which wait for each other at its end and keep
their cores busy meanwhile. Beside other programs one of the threads often has no core, and the
others wait: small operations, of which a recurrent network has thousands, then take many times as
long. So each operation is limited to one thread, and the work is divided among `workers`, which
meet only when their parts are done.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from threadpoolctl import ThreadpoolController

from .loaded import loaded_torch

Method = TypeVar("Method", bound=Callable)

# What the thread-local settings of torch were before this thread limited them, and whether this
# thread works for another one.
_here = threading.local()
_torch_lock = threading.Lock()


class _Limit:
    """The limit on matrix products that all callers share: it is one of the whole process."""

    lock = threading.Lock()
    # For each thread inside, how often it has entered; None stands for all threads of `Workers`.
    callers: ClassVar[dict[int | None, int]] = {}
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
def one_thread_a_product() -> Iterator[int]:
    """Limit each matrix product of numpy to the calling thread; also a decorator.

    Around a whole algorithm, because the threads of a product wait for the next one for a while,
    and keep their core busy with that.

    Yields
    ------
    n_threads : int
        Number of threads that a product might have used.
    """
    caller = None if getattr(_here, "is_new", False) else threading.get_ident()
    n_threads = _begin_limit(caller)
    try:
        yield n_threads
    finally:
        _end_limit(caller)


def _begin_limit(caller):
    """Limit products to one thread; return how many they might have used."""
    with _Limit.lock:
        if not _Limit.callers:
            _Limit.before = [(each, each.num_threads) for each in _libraries()]
            _Limit.n_threads = max((n for _, n in _Limit.before), default=1)
            for library, _ in _Limit.before:
                library.set_num_threads(1)
        _Limit.callers[caller] = _Limit.callers.get(caller, 0) + 1
        return _Limit.n_threads


def _end_limit(caller):
    with _Limit.lock:
        _Limit.callers[caller] -= 1
        if not _Limit.callers[caller]:
            del _Limit.callers[caller]
        if not _Limit.callers:
            for library, n_threads in _Limit.before:
                library.set_num_threads(n_threads)


def n_callers() -> int:
    """Count the threads inside `one_thread_a_product`, without those that work for others.

    Returns
    -------
    n_callers : int
        At least 1.
    """
    return max(len(_Limit.callers) - (None in _Limit.callers), 1)


@contextmanager
def one_thread_of_torch() -> Iterator[int | None]:
    """Limit operations of torch to the calling thread.

    torch's number of threads belongs to a thread, so others notice nothing; only new ones take that
    of the last call.

    Yields
    ------
    n_threads : int or None
        Number of threads that an operation might have used; None where torch is not loaded.
    """
    torch = loaded_torch()
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
def one_thread_an_operation() -> Iterator[None]:
    """Limit operations of numpy and torch to the calling thread; also a decorator."""
    with one_thread_a_product(), one_thread_of_torch():
        yield


def limit_new_thread(n_operations: int | None) -> None:
    """Limit operations in a thread that was started inside `one_thread_a_product`.

    Parameters
    ----------
    n_operations : int or None
        Number of threads that operations of torch have in other new threads; None or 0 leaves torch
        alone.
    """
    _here.is_new = True
    # Some libraries count for each thread.
    for library, _ in _Limit.before:
        library.set_num_threads(1)
    if n_operations:
        with _torch_lock:
            _limit_torch(n_operations)


def _limit_torch(n_others):
    """Limit torch's operations to one thread in the calling one, to `n_others` in new ones."""
    torch = sys.modules["torch"]
    torch.get_num_threads()
    torch.set_num_threads(1)
    other = threading.Thread(target=torch.set_num_threads, args=(n_others,))
    other.start()
    other.join()
