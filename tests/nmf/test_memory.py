"""Memory beyond the data, as numpy reports it: under 64 MiB however many frames there are."""

import tracemalloc

import numpy as np
import pytest

from sknmf_unfold import SparseNMF

LIMIT = 64 * 2**20


def frames(n_frames):
    X = np.random.RandomState(0).gamma(0.3, 1.0, (1000, 257)).astype("float32")
    return np.tile(X, (n_frames // 1000, 1))


def peak(function, *arguments):
    """Return value of a call, and its peak memory in bytes."""
    tracemalloc.start()
    try:
        result = function(*arguments)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# The first has its activations in memory, the second is learned from in batches.
@pytest.mark.parametrize("n_frames", [31_000, 80_000])
@pytest.mark.parametrize(
    "beta_loss", [1, *(pytest.param(beta, marks=pytest.mark.slow) for beta in (2, 0))]
)
def test_fit(beta_loss, n_frames):
    X = frames(n_frames)
    nmf = SparseNMF(100, beta_loss=beta_loss, max_iter=1, random_state=0)
    _, memory = peak(nmf.fit, X)
    assert memory < LIMIT
    assert nmf.objective_curve_.shape == ((2,) if n_frames == 31_000 else (1,))


@pytest.mark.parametrize("beta_loss", [2, 1])
def test_transform(beta_loss):
    X = frames(80_000)
    nmf = SparseNMF(50, beta_loss=beta_loss, max_iter=2, random_state=0).fit(X[:2000])
    activations, memory = peak(nmf.transform, X)
    assert memory - activations.nbytes < LIMIT


def test_partial_fit():
    X = frames(40_000)
    nmf = SparseNMF(100, random_state=0).partial_fit(X[:5000])
    _, memory = peak(nmf.partial_fit, X)
    assert memory < LIMIT
