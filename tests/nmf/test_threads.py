import threading
import time

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sknmf_unfold import SparseNMF
from sknmf_unfold.base import threads as base
from sknmf_unfold.base.threads import one_thread_a_product
from sknmf_unfold.nmf import blocks
from sknmf_unfold.nmf.blocks import Blocks, Workspace, block_length


def blas_threads():
    return max(each.num_threads for each in base._libraries())


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_order_whoever_is_done_first(monkeypatch, n_threads):
    monkeypatch.setattr(base, "_libraries", lambda: [FakeLibrary(n_threads)])
    results, workers = [], set()

    def work(frames, workspace):
        workers.add(threading.get_ident())
        # The first block takes longest.
        time.sleep(0.02 if frames.start == 0 else 0.001)
        return frames.start, frames.stop

    Blocks(23, 5).run(work, results.append)
    assert results == [(0, 5), (5, 10), (10, 15), (15, 20), (20, 23)]
    assert len(workers) == 1 if n_threads == 1 else 2 <= len(workers) <= n_threads


class FakeLibrary:
    """A library of matrix products with this limit of threads."""

    def __init__(self, num_threads):
        self.num_threads = num_threads

    def set_num_threads(self, num_threads):
        self.num_threads = num_threads


def test_sums_do_not_depend_on_threads(monkeypatch):
    X = np.random.RandomState(0).rand(5000, 7).astype("float32")
    totals = []
    for n_threads in (1, 3):
        monkeypatch.setattr(base, "_libraries", lambda n=n_threads: [FakeLibrary(n)])
        totals.append(Blocks(5000, 64).sum(lambda i, _: (X[i].T @ X[i], float(X[i].sum()))))
    np.testing.assert_array_equal(totals[0][0], totals[1][0])
    assert totals[0][1] == totals[1][1]
    assert totals[0][0].dtype == np.float64
    np.testing.assert_allclose(totals[0][0], X.T.astype(float) @ X, rtol=1e-6)


@pytest.mark.parametrize("beta_loss", [2, 1, 0])
def test_components_do_not_depend_on_threads(monkeypatch, beta_loss):
    X = np.random.RandomState(0).gamma(0.5, 1.0, (300, 12))
    # So many blocks that each thread has some.
    monkeypatch.setattr(blocks, "MIN_BLOCK_FRAMES", 16)
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", 1)
    fits = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            nmf = SparseNMF(4, beta_loss=beta_loss, max_iter=20, random_state=0).fit(X)
            fits.append((nmf.components_, nmf.transform(X), nmf.objective_curve_))
    for one, two in zip(*fits, strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_fails_in_a_thread_fails_outside(monkeypatch):
    monkeypatch.setattr(base, "_libraries", lambda: [FakeLibrary(2)])
    done = []

    def work(frames, workspace):
        if frames.start == 3:
            raise KeyError("this block")
        time.sleep(0.001)
        done.append(frames.start)

    before = threading.active_count()
    with pytest.raises(KeyError, match="this block"):
        Blocks(1000, 1).run(work)
    assert len(done) < 100, "the others stop, too"
    assert threading.active_count() == before


def test_numpy_warns_in_threads_as_outside(monkeypatch):
    monkeypatch.setattr(base, "_libraries", lambda: [FakeLibrary(2)])
    zeros = np.zeros(1000)

    def work(frames, workspace):
        time.sleep(0.001)
        return 1 / zeros

    with np.errstate(divide="ignore"):
        Blocks(10, 1).run(work)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        Blocks(10, 1).run(work)


def test_products_get_their_threads_back():
    before = blas_threads()
    with threadpool_limits(2):
        with one_thread_a_product() as n_threads:
            assert n_threads == 2
            assert blas_threads() == 1
            with one_thread_a_product() as inner:
                assert inner == 2, "not the limit that the outer one has set"
            assert blas_threads() == 1
        assert blas_threads() == 2
        with pytest.raises(ZeroDivisionError), one_thread_a_product():
            raise ZeroDivisionError
        assert blas_threads() == 2
    assert blas_threads() == before


def test_callers_that_overlap_leave_the_threads_as_they_were():
    entered, leave = threading.Event(), threading.Event()

    def other():
        with one_thread_a_product():
            entered.set()
            leave.wait(10)

    before = blas_threads()
    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    with one_thread_a_product():
        leave.set()
        thread.join()
        assert blas_threads() == 1, "this caller is still inside"
    assert blas_threads() == before


def test_the_limit_holds_in_any_thread_and_whoever_leaves_last():
    before, seen = blas_threads(), []
    entered, leave = threading.Event(), threading.Event()

    def other():
        with one_thread_a_product():
            seen.append(blas_threads())
            entered.set()
            leave.wait(10)

    with threadpool_limits(2):
        with one_thread_a_product():
            thread = threading.Thread(target=other)
            thread.start()
            entered.wait(10)
        assert blas_threads() == 1, "the other one is still inside"
        leave.set()
        thread.join()
        assert blas_threads() == 2
        # The first caller of all is another thread than the one that limited before.
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [1, 1]
    assert blas_threads() == before


def test_workers_of_joblib_share_the_cores():
    def count():
        with one_thread_a_product() as n_threads:
            return n_threads

    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        assert joblib.Parallel(n_jobs=2)(joblib.delayed(count)() for _ in range(4)) == [1] * 4


def test_memory_is_used_again():
    workspace = Workspace()
    first = workspace.array("a", 4, 5, dtype=np.float32)
    again = workspace.array("a", 3, 5, dtype=np.float32)
    assert np.shares_memory(first, again) and again.shape == (3, 5)
    assert not np.shares_memory(first, workspace.array("b", 4, 5, dtype=np.float32))
    assert workspace.array("a", 4, 5, dtype=np.float64).dtype == np.float64


def test_blocks_are_neither_tiny_nor_huge():
    lengths = [block_length(n) for n in (1, 100, 300, 5000)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == blocks.MAX_BLOCK_FRAMES and lengths[-1] == blocks.MIN_BLOCK_FRAMES
