"""Results of background threads: order, bounds, errors, and the end of all threads."""

import threading
import time
from functools import partial

import numpy as np
import pytest

from sknmf_unfold.base import read_ahead as read_ahead_module
from sknmf_unfold.base.read_ahead import Timed, read_ahead
from sknmf_unfold.base.threads import one_thread_an_operation


def threads():
    return [each for each in threading.enumerate() if each.name.startswith("read-ahead")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not threads()


def slow(i, seconds=0.0):
    time.sleep(seconds)
    return i


@pytest.mark.parametrize("n_threads", [0, 1, 3, None])
@pytest.mark.parametrize("depth", [1, 2, 10, None])
def test_results_come_in_order(n_threads, depth):
    # The first ones take longest.
    calls = [partial(slow, i, max(0.02 - 0.005 * i, 0)) for i in range(9)]
    with read_ahead(calls, n_threads, depth) as results:
        assert list(results) == list(range(9))


def test_no_calls():
    with read_ahead([]) as results:
        assert list(results) == []


@pytest.mark.parametrize("depth", [1, 3])
def test_calls_are_taken_by_the_consumer_and_not_far_ahead(depth):
    taken, here = [], threading.get_ident()

    def calls():
        for i in range(20):
            assert threading.get_ident() == here
            taken.append(i)
            yield partial(slow, i)

    with read_ahead(calls(), 2, depth) as results:
        assert not taken
        for i in results:
            # The one that was handed over, and those that are computed or wait.
            assert len(taken) <= i + 1 + depth


def test_calls_run_beside_the_consumer():
    """A call that waits for the consumer would wait forever if they took turns."""
    used = threading.Event()
    calls = [partial(slow, 0), partial(used.wait, 10)]
    with read_ahead(calls, 1) as results:
        next(results)
        used.set()
        assert next(results) is True


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_error_comes_in_its_turn_and_ends_all(error):
    done = []

    def fail():
        raise error("of call 3")

    calls = [partial(slow, i) for i in range(3)] + [fail] + [partial(slow, 4)] * 50
    with pytest.raises(error, match="of call 3"), read_ahead(calls, 2) as results:
        for result in results:
            done.append(result)
    assert done == [0, 1, 2]


def test_an_error_of_the_iterable():
    def calls():
        yield partial(slow, 0)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"), read_ahead(calls(), 2) as results:
        list(results)


def test_a_consumer_that_stops_early_waits_only_for_what_has_begun():
    begun = []

    def call(i):
        begun.append(i)
        time.sleep(0.01)

    calls = (partial(call, i) for i in range(1000))
    with pytest.raises(KeyboardInterrupt), read_ahead(calls, 2, 8) as results:
        next(results)
        raise KeyboardInterrupt
    n_begun = len(begun)
    assert n_begun <= 9
    time.sleep(0.05)
    assert len(begun) == n_begun


def test_waiting_is_counted(monkeypatch):
    """By a clock that only waiting and working move, and no other time."""
    now = [0.0]
    monkeypatch.setattr(read_ahead_module.time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    with read_ahead([partial(wait, 0.05)] * 3, 0) as results:
        for _ in results:
            wait(7.0)
        assert results.seconds == pytest.approx(0.15)
    free = Timed(range(1000))
    for _ in free:
        wait(1.0)
    assert free.seconds == 0


def test_results_are_not_kept():
    class Heavy:
        alive = 0

        def __init__(self):
            Heavy.alive += 1

        def __del__(self):
            Heavy.alive -= 1

    most = 0
    with read_ahead([Heavy] * 30, 2, 3) as results:
        for result in results:
            most = max(most, Heavy.alive)
            del result
            time.sleep(0.001)
    assert most <= 5
    assert Heavy.alive == 0


def test_threads_compute_with_the_settings_of_the_consumer():
    def overflow():
        return np.float32(1e38) * np.float32(10)

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        with read_ahead([overflow], 1) as results:
            list(results)
    with np.errstate(over="ignore"), read_ahead([overflow], 1) as results:
        assert list(results) == [np.inf]


def test_operations_of_the_threads_use_one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread_an_operation(), read_ahead([torch.get_num_threads] * 4) as results:
            assert list(results) == [1] * 4
        assert torch.get_num_threads() == 3
        other = []
        thread = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert other == [3]
    finally:
        torch.set_num_threads(before)
