import numpy as np
import pytest

from sknmf_unfold import SparseNMF
from sknmf_unfold.nmf.cd_inference import solve_activations
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.initial import INITS, initial_components


def planted(n_frames=500, seed=0):
    rng = np.random.RandomState(seed)
    return rng.gamma(0.3, 3.0, (n_frames, 6)) @ rng.gamma(0.3, 1.0, (6, 24))


def start(init, X, n_components=6, seed=0):
    return initial_components(init, X, n_components, np.random.RandomState(seed))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("init", INITS)
def test_starts_have_unit_norm_and_no_zeros(init, dtype):
    X = planted().astype(dtype)
    X[:, 3] = 0
    for frames in (X, np.zeros_like(X), 1e-20 * X):
        W = start(init, frames)
        assert W.shape == (6, 24) and W.dtype == dtype
        assert W.min() > 0
        np.testing.assert_allclose(np.linalg.norm(W, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(start(init, X), start(init, X))


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("solver", ["mu", "cd"])
def test_every_start_ends_well(init, solver):
    X = planted()
    settings = {"sparsity": 0.0, "max_iter": 500, "tol": 0, "random_state": 0}
    nmf = SparseNMF(6, init=init, solver=solver, **settings).fit(X)
    assert nmf.reconstruction_err_ < 0.1 * np.linalg.norm(X)


def test_what_looks_at_the_data_starts_nearer():
    X = planted()

    def error(init):
        W = start(init, X)
        return objective(X, W, solve_activations(X, W, sparsity=0.0), 2, 0.0)

    errors = {init: error(init) for init in INITS}
    assert errors["nndsvd"] < 0.9 * errors["random"]
    assert errors["exemplar"] < 0.5 * errors["random"]


def test_exemplars_are_frames_and_each_is_drawn_once():
    X = np.eye(8) * np.arange(1.0, 9.0)[:, np.newaxis]
    X[0] = 0
    W = start("exemplar", X, 7)
    assert sorted(W.argmax(axis=1)) == list(range(1, 8))
    # More components than frames that sound: the rest is random.
    assert start("exemplar", X, 12).shape == (12, 8)


def test_a_decomposition_has_no_more_components_than_bins():
    with pytest.raises(ValueError, match=r"at most min\(n_frames, n_freqs\) = 24 components; got"):
        SparseNMF(25, init="nndsvd").fit(planted())
