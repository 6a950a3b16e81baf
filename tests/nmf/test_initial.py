import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import NMF, _nmf

from sknmf_unfold import SparseNMF
from sknmf_unfold.nmf.cd_inference import solve_activations
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.initial import INITS, MAX_SVD_FRAMES, initial_components


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


@pytest.mark.parametrize("init", ["nndsvda", "nndsvdar"])
def test_decompositions_are_those_of_scikit_learn(init):
    X = planted()
    state = np.random.RandomState(0)
    _, expected = _nmf._initialize_nmf(X, 6, init=init, random_state=state)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(start(init, X), expected, rtol=1e-12)
    # Where many frames are too many for a decomposition, a part is drawn.
    many = planted(MAX_SVD_FRAMES + 100)
    assert start(init, many).shape == (6, 24)


def test_nndsvda_fills_with_the_mean_and_nndsvdar_with_less():
    X = planted()
    levels = [start(init, X).min() for init in ("nndsvda", "nndsvdar")]
    assert levels[1] < 0.1 * levels[0]


# Number of components


def fitted(**settings):
    return SparseNMF(**({"max_iter": 2, "random_state": 0} | settings)).fit(planted(50))


def test_number_of_components_as_in_scikit_learn():
    given = 0.1 + np.eye(5, 24)
    for settings, theirs, expected in [
        ({"n_components": None}, {}, 24),
        ({"n_components": "auto"}, {}, 24),
        ({"n_components": "auto", "init": given}, {"W": np.ones((50, 5)), "H": given}, 5),
        ({"n_components": 7}, {}, 7),
    ]:
        nmf = fitted(**settings)
        assert nmf.n_components_ == len(nmf.components_) == expected
        assert clone(nmf).n_components == settings["n_components"]
        peer = NMF(
            settings["n_components"], init="custom" if theirs else "random", max_iter=500, tol=1
        )
        peer.fit(planted(50), **theirs)
        assert peer.n_components_ == expected
    assert SparseNMF().n_components == 100
    assert not hasattr(SparseNMF(), "n_components_")


def test_number_of_components_beside_fixed_ones():
    nmf = fitted(n_components=None, fixed_components=np.ones((2, 24)))
    assert nmf.n_components_ == 26
    assert nmf.partial_fit(planted(50)).n_components_ == 26
    given = 0.1 + np.eye(5, 24)
    nmf = fitted(n_components="auto", init=given, fixed_components=np.ones((2, 24)))
    assert nmf.partial_fit(planted(50)).n_components_ == 7
    with pytest.raises(ValueError, match="n_components=24 and 2 fixed ones are wanted, but 7 have"):
        nmf.set_params(n_components=None).partial_fit(planted(50))


def test_number_of_components_that_is_none():
    for wrong in ("all", 2.0, True):
        with pytest.raises(TypeError, match="`n_components` must be a whole number"):
            fitted(n_components=wrong)
    with pytest.raises(ValueError, match=r"`init` must be non-negative with 24 columns"):
        fitted(n_components="auto", init=np.ones((3, 5)))
    with pytest.raises(ValueError, match=r"`init` has 3 rows but n_components=24"):
        fitted(n_components=None, init=np.ones((3, 24)))
