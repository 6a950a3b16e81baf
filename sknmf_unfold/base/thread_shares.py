"""Shares of the threads of a process, for tasks that run at once.

The libraries of matrix products and torch know how many threads a process was given, by
``OMP_NUM_THREADS`` or by its cores. They do not know that a process runs several tasks at once, or
that it is one of several alike, each of which would then use all cores. Here that is known, with
libraries asked only if somebody has loaded them:

- Threads that call the package at once share the threads of the process, such as those of joblib's
  backend ``"threading"``.
- A task of Dask has the threads of its process, divided by the number of tasks that the workers in
  this process may run at once. Dask itself reckons with one thread for a task, and limits the
  processes that it starts to one thread (``OMP_NUM_THREADS=1``).
- A process of a `multiprocessing.Pool`, as of joblib's backend ``"multiprocessing"``, and a forked
  process have one thread.
- A rank that was started with others on a machine (``LOCAL_WORLD_SIZE`` of torchrun) has its part
  of the cores, unless ``OMP_NUM_THREADS`` gives a number.

Processes of joblib's backend ``"loky"`` are limited by joblib.
"""

from __future__ import annotations

import os
import sys

from .threads import n_callers

# Whether this process was forked.
_is_forked = False


def _note_fork():
    global _is_forked
    _is_forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


class ThreadShare:
    """Number of threads that a task may use.

    Parameters
    ----------
    n_threads : int
        Number of threads that operations of numpy and torch may use in this process.

    Attributes
    ----------
    n_most : int
        Number of threads of this task if no other thread calls the package meanwhile.

    Examples
    --------
    >>> ThreadShare(1).n_now()
    1
    """

    def __init__(self, n_threads: int):
        self._n_given, self._n_tasks = n_threads, 1
        # The libraries are often limited to one thread already.
        if n_threads > 1:
            self._n_tasks = _n_slots()
            self._n_given = _given(n_threads, self._n_tasks > 0)
        self.n_most = max(self._n_given // max(self._n_tasks, 1), 1)

    def n_now(self) -> int:
        """Count the threads that this task may use at this moment.

        Returns
        -------
        n_threads : int
            At least 1, at most `n_most`.
        """
        return max(self._n_given // max(self._n_tasks, n_callers()), 1)


def _given(n_threads, is_dask_task):
    """Compute how many of its threads a process may use, beside other processes of its kind."""
    if not is_dask_task and _is_one_of_a_pool():
        return 1
    n_ranks = _n_ranks()
    if n_ranks == 1 or "OMP_NUM_THREADS" in os.environ:
        return n_threads
    return max(min(n_threads, (os.cpu_count() or 1) // n_ranks), 1)


def _n_slots():
    """Count the tasks that Dask may run at once in this process; 0 if this thread runs none."""
    distributed = sys.modules.get("distributed")
    try:
        worker = distributed.get_worker()  # type: ignore[union-attr]
    # There is no Dask, or it is being imported, or this is no task.
    except (AttributeError, ValueError):
        return 0
    # A cluster without processes has all its workers in this one.
    alike = list(getattr(type(worker), "_instances", ()))
    running = {worker, *(each for each in alike if each.status.name == "running")}
    return sum(each.state.nthreads for each in running)


def _is_one_of_a_pool():
    """Whether this process is one of several that nobody has limited."""
    process = sys.modules.get("multiprocessing.process")
    return _is_forked or (process is not None and process.current_process().daemon)


def _n_ranks():
    """Count the ranks on this machine."""
    size = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(int(size), 1) if size.isdecimal() else 1
