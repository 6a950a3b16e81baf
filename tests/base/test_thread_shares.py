"""Threads of a process divided among tasks: no task takes more than it was given."""

import json
import os
import sys
import threading
import time
from contextlib import contextmanager

import joblib
import pytest
import torch

from benchmarks._dask import cluster_of
from benchmarks._threads import limited_to
from sknmf_unfold import DRNMFSeparator
from sknmf_unfold.base import thread_shares
from sknmf_unfold.base import threads as base
from sknmf_unfold.base.threads import one_thread_a_product
from sknmf_unfold.base.workers import product_workers, worker_threads
from sknmf_unfold.training.loop import Trainer
from tests._factories import drnmf
from tests._processes import run_script
from tests._thread_counts import count_threads


@contextmanager
def beside(other):
    """Let another thread be inside a context meanwhile."""
    entered, leave = threading.Event(), threading.Event()

    def run():
        with other():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=run)
    thread.start()
    entered.wait(30)
    try:
        yield
    finally:
        leave.set()
        thread.join()


# Threads that call the package at once


def test_calls_at_once_share_the_threads():
    with limited_to(4), worker_threads(8) as workers:
        assert workers.n_threads == 4
        with beside(one_thread_a_product):
            assert workers.n_threads == 2
            with beside(product_workers), beside(product_workers):
                assert workers.n_threads == 1
            with one_thread_a_product(), one_thread_a_product():
                assert workers.n_threads == 2, "this thread counts once"
        assert workers.n_threads == 4


def test_at_most_bounds_the_share_and_not_what_is_divided():
    with limited_to(8), worker_threads(3) as workers:
        assert workers.n_threads == 3
        with beside(one_thread_a_product):
            assert workers.n_threads == 3
        with beside(one_thread_a_product), beside(one_thread_a_product):
            assert workers.n_threads == 2


def test_threads_that_work_for_a_call_are_no_calls():
    def count(_):
        time.sleep(0.005)
        with one_thread_a_product():
            return workers.n_threads

    with limited_to(3), worker_threads(8) as workers:
        assert set(workers.map(count, range(20))) == {3}


def test_a_call_that_begins_takes_threads_from_one_that_works():
    working, most, lock = set(), {False: 0, True: 0}, threading.Lock()
    is_shared = threading.Event()

    def work(_):
        shared = is_shared.is_set()
        with lock:
            working.add(threading.get_ident())
            most[shared] = max(most[shared], len(working))
        time.sleep(0.005)
        with lock:
            working.discard(threading.get_ident())

    def items():
        yield from range(20)
        with beside(one_thread_a_product):
            # Each thread may finish the item that it has.
            time.sleep(0.05)
            is_shared.set()
            yield from range(20)
            while workers_left():
                time.sleep(0.001)
            is_shared.clear()

    def workers_left():
        with lock:
            return working

    with limited_to(4), worker_threads(8) as workers:
        workers.run(work, items(), lambda _: None)
    assert 2 < most[False] <= 4
    assert most[True] <= 2


LOADING = """
import threading
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_of_torch

loading = threading.Thread(target=__import__, args=("torch",))
loading.start()
while loading.is_alive():
    with default_settings(), one_thread_of_torch():
        pass
"""


@pytest.mark.slow
def test_another_thread_may_be_loading_torch(tmp_path):
    assert run_script(LOADING, tmp_path / "loading.py") == ""


# Dask in this process


@pytest.mark.parametrize(
    ("n_workers", "n_slots", "expected"), [(1, 1, 8), (1, 2, 4), (2, 2, 2), (1, 16, 1)]
)
def test_a_task_of_dask_has_the_share_of_its_slot(n_workers, n_slots, expected):
    with limited_to(8), cluster_of(n_workers, n_slots, processes=False) as client:
        assert client.submit(count_threads).result(timeout=30) == (expected, expected)
        assert count_threads() == (8, 8), "this thread is no task"


def test_workers_that_were_closed_take_no_part():
    with limited_to(8):
        with cluster_of(2, 2, processes=False):
            pass
        with cluster_of(1, 2, processes=False) as client:
            assert client.submit(count_threads).result(timeout=30) == (4, 4)


def test_operations_of_tasks_have_one_thread(monkeypatch, magnitudes):
    seen, step = set(), Trainer.train_step

    def watched(self, batch):
        products = {each.num_threads for each in base._libraries()}
        seen.add((torch.get_num_threads(), *products, self._workers.n_threads))
        return step(self, batch)

    monkeypatch.setattr(Trainer, "train_step", watched)
    with limited_to(2), cluster_of(1, 2, processes=False) as client:
        fits = [client.submit(drnmf().fit, *magnitudes, pure=False) for _ in range(2)]
        assert all(isinstance(fit.result(timeout=50), DRNMFSeparator) for fit in fits)
    assert seen == {(1, 1, 1)}


def test_dask_is_not_loaded_for_that(monkeypatch):
    monkeypatch.delitem(sys.modules, "distributed")
    assert thread_shares.ThreadShare(4).n_most == 4
    assert "distributed" not in sys.modules


# Processes


def as_rank(monkeypatch, n_ranks, n_cores, omp_threads=None):
    monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", n_ranks)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if omp_threads:
        monkeypatch.setenv("OMP_NUM_THREADS", omp_threads)


@pytest.mark.parametrize(
    ("n_ranks", "n_cores", "omp_threads", "expected"),
    [
        ("1", 2, None, 8),
        ("2", 8, None, 4),
        ("2", 64, None, 8),
        ("16", 8, None, 1),
        ("2", 8, "8", 8),
        ("two", 8, None, 8),
    ],
)
def test_ranks_share_the_cores_of_a_machine(monkeypatch, n_ranks, n_cores, omp_threads, expected):
    as_rank(monkeypatch, n_ranks, n_cores, omp_threads)
    with limited_to(8):
        assert count_threads() == (expected, expected)


def test_a_forked_process_has_one_thread(monkeypatch):
    monkeypatch.setattr(thread_shares, "_is_forked", True)
    with limited_to(4):
        assert count_threads() == (1, 1)


def test_threads_of_joblib_share_those_of_the_process():
    barrier = threading.Barrier(2)

    def count():
        with product_workers() as workers:
            barrier.wait(30)
            n_threads = workers.n_threads
            barrier.wait(30)
            return n_threads

    with limited_to(4):
        run = joblib.Parallel(n_jobs=2, backend="threading")
        assert run(joblib.delayed(count)() for _ in range(2)) == [2, 2]


# Prints the numbers of threads of training and of an NMF in each kind of workers.
CHILDREN = """
import json, multiprocessing, sys
import joblib
from tests._thread_counts import count_threads

def of_joblib(backend, **settings):
    with joblib.parallel_config(backend=backend, n_jobs=2, **settings):
        return joblib.Parallel()(joblib.delayed(count_threads)() for _ in range(2))

def of_dask(n_slots):
    from benchmarks._dask import cluster_of
    with cluster_of(2, n_slots):
        return of_joblib("dask")

def of_a_pool(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.map(count_threads, [0])

if __name__ == "__main__":
    results = eval(sys.argv[1])
    print(json.dumps(sorted(set(results))))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "n_threads", "expected"),
    [
        # As joblib documents: cores divided by jobs.
        ("of_joblib('loky')", None, max(joblib.cpu_count() // 2, 1)),
        ("of_joblib('loky', inner_max_num_threads=2)", None, 2),
        ("of_joblib('multiprocessing')", "2", 1),
        ("of_a_pool('spawn')", "2", 1),
        # Dask gives each process one thread, unless a number is set where it starts.
        ("of_dask(1)", None, 1),
        ("of_dask(1)", "2", 2),
        ("of_dask(2)", "2", 1),
    ],
)
def test_each_process_uses_what_it_was_given(tmp_path, call, n_threads, expected):
    path = tmp_path / "children.py"
    # Dask sets each of them.
    names = [f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS")]
    numbers = dict.fromkeys(names, n_threads)
    printed = run_script(CHILDREN, path, call, **numbers)
    # The library of matrix products takes no more threads than there are cores.
    expected = min(expected, joblib.cpu_count())
    assert json.loads(printed) == [[expected, expected]]


RANK = """
import json, os, sys
from tests._thread_counts import count_threads
print(json.dumps(count_threads()), file=open(sys.argv[1] + os.environ["RANK"], "w"))
"""
TORCHRUN = """
import sys
from torch.distributed.run import main
main(["--standalone", "--nproc-per-node=2", *sys.argv[1:]])
"""


@pytest.mark.slow
def test_ranks_of_torchrun_have_one_thread(tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    path = tmp_path / "torchrun.py"
    run_script(TORCHRUN, path, script, tmp_path / "count", OMP_NUM_THREADS=None)
    for rank in "01":
        assert json.loads((tmp_path / f"count{rank}").read_text()) == [1, 1]
