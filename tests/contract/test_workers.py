"""Models shared by threads and processes give the output of one."""

import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.base import tensors
from tests._processes import run_script

SEPARATORS = {
    "mu": SupervisedNMFSeparator(5, max_iter=10, n_iter=20, random_state=0),
    "ista": SupervisedNMFSeparator(5, max_iter=10, n_iter=20, inference="ista", random_state=0),
    "warm_ista": SupervisedNMFSeparator(
        5, max_iter=10, n_iter=2, inference="warm_ista", random_state=0
    ),
    "drnmf": DRNMFSeparator(
        nmf=SupervisedNMFSeparator(5, max_iter=10), max_epochs=1, random_state=0
    ),
}


def assert_same(results, expected, atol=1e-6):
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=0, atol=atol)


@pytest.fixture(params=SEPARATORS)
def model(request, speech):
    return Pipeline([("stft", STFT()), ("sep", SEPARATORS[request.param])]).fit(*speech)


def test_eight_threads_share_a_model(model, speech):
    X, _ = speech
    expected = model.predict(X)
    results = [[] for _ in range(8)]
    barrier = threading.Barrier(8)

    def work(result):
        barrier.wait()
        for _ in range(3):
            result.append(model.predict(X))

    threads = [threading.Thread(target=work, args=(result,)) for result in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        assert len(result) == 3, "a thread failed"
        for each in result:
            assert_same(each, expected)
    assert torch.is_grad_enabled()


# The parent predicts first, with torch's pool of threads, which a forked child does not have.
WORKERS = """
import multiprocessing, sys, joblib, torch
if __name__ == "__main__":
    model, X, Y, backend = joblib.load(sys.argv[1])
    torch.set_num_threads(2)
    model.fit(X, Y).predict(X)
    with joblib.parallel_config(backend=backend):
        run = joblib.Parallel(n_jobs=2)
        predicted = run(joblib.delayed(model.predict)(X) for _ in range(3))
        fitted = run(joblib.delayed(model.fit)(X, Y) for _ in range(2))
    joblib.dump((predicted, [each.predict(X) for each in fitted]), sys.argv[2])
    print(torch.get_num_threads())
"""


# joblib calls its two backends so; the first starts fresh processes, the second forks.
@pytest.mark.parametrize(
    "backend", [pytest.param("loky", marks=pytest.mark.slow), "multiprocessing"]
)
def test_workers_give_the_answer_of_their_parent(speech, tmp_path, backend):
    X, Y = speech
    model = Pipeline([("stft", STFT()), ("sep", SEPARATORS["drnmf"])]).fit(X, Y)
    paths = tmp_path / "model.joblib", tmp_path / "result.joblib"
    joblib.dump((model, X, Y, backend), paths[0])
    printed = run_script(WORKERS, tmp_path / "workers.py", *paths, OMP_NUM_THREADS="2")
    assert printed.strip() == "2", "the parent keeps its threads"
    predicted, fitted = joblib.load(paths[1])
    expected = model.predict(X)
    for each in predicted:
        assert_same(each, expected)
    # Sums in another order, by fewer threads, grow over the steps of training.
    for each in fitted:
        assert_same(each, expected, atol=1e-4)


def test_a_gpu_lost_by_a_fork_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert tensors.resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    assert tensors.resolve_device("auto").type == "cpu"
    assert tensors.resolve_device("cuda", fall_back=True).type == "cpu"
    with pytest.raises(ValueError, match=r"torch finds no GPU.*start workers by 'spawn'"):
        tensors.resolve_device("cuda")
