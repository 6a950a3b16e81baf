"""Work shared among threads: the same bits, and settings of the process as they were."""

import threading
import time

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from benchmarks._threads import limited_to
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.base import threads as base
from sknmf_unfold.base.workers import Workers, product_workers, worker_threads
from sknmf_unfold.separators import LSTMSeparator
from sknmf_unfold.streaming import StreamingSeparator
from sknmf_unfold.training import loop
from sknmf_unfold.training.gradients import set_gradients
from sknmf_unfold.training.loop import Trainer

NMF = SupervisedNMFSeparator(5, max_iter=10)
SEPARATORS = {
    "drnmf": DRNMFSeparator(nmf=NMF, max_epochs=2, random_state=0),
    "lstm": LSTMSeparator(n_units=6, max_epochs=2, random_state=0),
    "mu": SupervisedNMFSeparator(5, max_iter=10, n_iter=20, random_state=0),
    "warm_ista": SupervisedNMFSeparator(
        5, max_iter=10, n_iter=2, inference="warm_ista", random_state=0
    ),
}


def in_a_new_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def settings():
    """Threads of torch here and in threads to come, and of each library of matrix products."""
    products = [each.num_threads for each in base._libraries()]
    return torch.get_num_threads(), in_a_new_thread(torch.get_num_threads), products


@pytest.fixture(scope="module")
def data(speech):
    # So many short sequences that a batch has several parts.
    X, Y = ([x[i : i + 1600] for x in xs for i in range(0, 6400, 1600)] for xs in speech)
    sounding = [i for i, y in enumerate(Y) if y.any()]
    return STFT().fit_transform([X[i] for i in sounding]), [Y[i] for i in sounding]


# Numbers


@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_the_number_of_threads_changes_no_bit(separator, data):
    X, Y = data
    results = []
    for n in (1, 2, 4):
        with limited_to(n):
            model = clone(separator).fit(X, Y)
            methods = model.predict, model.predict_mask, model.transform
            results.append([joblib.hash(method(X)) for method in methods])
    assert results[0] == results[1] == results[2]


def test_a_fit_resumed_with_another_number_of_threads_ends_in_the_same_bits(data, tmp_path):
    X, Y = data
    with limited_to(1):
        whole = clone(SEPARATORS["drnmf"]).set_params(max_epochs=4).fit(X, Y)
    model = clone(SEPARATORS["drnmf"]).set_params(max_epochs=4, checkpoint_dir=tmp_path)
    epoch = Trainer.epoch

    def killed(self, *args):
        if self.n_epochs == 2:
            raise ZeroDivisionError
        return epoch(self, *args)

    with limited_to(2), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "epoch", killed)
        with pytest.raises(ZeroDivisionError):
            model.fit(X, Y)
    with limited_to(4):
        model.fit(X, Y)
    for name in ("components_", "output_components_", "evidence_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(whole, name))


# Settings of the process


def test_operations_of_every_worker_have_one_thread():
    def operation(item):
        torch.ones(2).sum()
        time.sleep(0.01)
        others = in_a_new_thread(torch.get_num_threads)
        return threading.get_ident(), torch.get_num_threads(), others

    with limited_to(3):
        before = settings()
        with worker_threads(8) as workers:
            # A thread that begins changes the settings of new ones for a moment.
            workers.map(lambda item: time.sleep(0.05), range(9))
            results = workers.map(operation, range(20))
            assert [each.num_threads for each in base._libraries()] == [1] * len(before[2])
        assert settings() == before
    assert 2 <= len({ident for ident, *_ in results}) <= 3
    # Threads of the user that begin in the meantime are not limited.
    assert {n for _, *n in results for n in [tuple(n)]} == {(1, 3)}


@pytest.mark.parametrize(
    ("torch_threads", "product_threads", "at_most", "n_threads"),
    [(1, 3, 8, 1), (3, 1, 8, 1), (3, 2, 8, 2), (4, 4, 3, 3)],
)
def test_the_lowest_limit_counts(torch_threads, product_threads, at_most, n_threads):
    with limited_to(torch_threads), threadpool_limits(product_threads, user_api="blas"):
        with worker_threads(at_most) as workers:
            assert workers.n_threads == n_threads


def test_workers_have_none_of_their_own():
    def inner(_):
        with worker_threads(8) as one, product_workers() as other:
            return one.n_threads, other.n_threads

    with limited_to(2), worker_threads(8) as workers:
        assert workers.n_threads == 2
        assert set(workers.map(inner, range(8))) == {(1, 1)}


def test_settings_are_as_before_when_training_fails(data, monkeypatch):
    def fails(self, batch):
        raise ZeroDivisionError

    monkeypatch.setattr(Trainer, "_share_gradients", fails)
    with limited_to(2):
        before = settings()
        with pytest.raises(ZeroDivisionError):
            clone(SEPARATORS["drnmf"]).fit(*data)
        assert settings() == before


def test_settings_are_as_before_when_two_fits_overlap(data):
    expected = joblib.hash(clone(SEPARATORS["drnmf"]).fit(*data).components_)
    with limited_to(2):
        before, found = settings(), []

        def fit():
            model = clone(SEPARATORS["drnmf"]).fit(*data)
            found.append((joblib.hash(model.components_), torch.get_num_threads()))

        others = [threading.Thread(target=fit) for _ in range(2)]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join()
        assert found == [(expected, 2)] * 2
        assert settings() == before


def test_streaming_works_in_the_calling_thread(data, monkeypatch):
    model = clone(SEPARATORS["lstm"]).fit(*data)
    seen, run = [], StreamingSeparator._run

    def watch():
        seen.append({x.num_threads for x in base._libraries()})

    monkeypatch.setattr(
        StreamingSeparator, "_run", lambda *args, **kwargs: watch() or run(*args, **kwargs)
    )
    with limited_to(2):
        before = settings()
        stream = StreamingSeparator(model)
        stream.process(np.zeros(2000, np.float32))
        stream.flush()
        assert settings() == before
    # To prepare the network, to go through the samples, and to end them.
    assert seen == [{1}] * 3


# Tasks


def test_an_error_of_any_thread_stops_all():
    done = []

    def work(i):
        time.sleep(0.001)
        if i == 5:
            raise KeyError("five")
        done.append(i)

    with limited_to(3), worker_threads(8) as workers, pytest.raises(KeyError, match="five"):
        workers.run(work, iter(range(1000)), lambda result: None)
    assert len(done) < 50


def test_an_error_of_another_thread_ends_the_wait_for_its_result():
    caller = threading.get_ident()

    def work(i):
        # The calling thread works off all that may wait before the other one fails.
        if threading.get_ident() != caller:
            time.sleep(0.1)
            raise KeyError("of another thread")
        time.sleep(0.001)

    with limited_to(2), worker_threads(8) as workers, pytest.raises(KeyError, match="another"):
        workers.run(work, iter(range(1000)), lambda result: None)


def test_items_are_not_made_far_ahead():
    made, ahead = [], []

    def items():
        for i in range(60):
            made.append(i)
            yield i

    def consume(i):
        ahead.append(len(made) - i)

    with limited_to(2), worker_threads(8) as workers:
        workers.run(lambda i: time.sleep(0.001 if i % 7 else 0.05) or i, items(), consume)
    # However long a thread takes for one of them.
    assert 1 < max(ahead) <= 3 * 2 + 1


def test_gradients_of_parts_are_those_of_the_batch(data, monkeypatch):
    trainers, step = [], Trainer.train_step
    monkeypatch.setattr(
        Trainer,
        "train_step",
        lambda self, batch: trainers.append((self, batch)) or step(self, batch),
    )
    clone(SEPARATORS["drnmf"]).set_params(max_epochs=1).fit(*data)
    trainer, batch = max(trainers, key=lambda each: len(each[1][0]))
    assert len(loop.split_batch(batch)) > 1
    total, count = trainer.loss(trainer.network, batch)
    expected = torch.autograd.grad(total / count, trainer.parameters, allow_unused=True)
    results = Workers(1).map(trainer._share_gradients, loop.split_batch(batch))
    sums = set_gradients(trainer.parameters, results, trainer.ranks)
    assert sums == (pytest.approx(float(total.detach()), rel=1e-5), count)
    for parameter, wanted in zip(trainer.parameters, expected, strict=True):
        atol = 1e-5 * float(wanted.abs().max())
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=atol)
