import joblib
import numpy as np
import pytest
from sklearn.base import clone

from sknmf_unfold import SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.nmf import cd, learning, mu, sweeps
from sknmf_unfold.nmf.matrices import unit_rows
from sknmf_unfold.nmf.mu_inference import infer_activations
from sknmf_unfold.nmf.online import learn_batch, random_batches
from sknmf_unfold.nmf.problem import Problem
from sknmf_unfold.nmf.solvers import solver_for
from tests.models.make import FOLDER
from tests.oracles.nmf import components_step

BETAS = [2, 1, 0, 0.5]


def frames(n_frames=1500, seed=0, dtype="float64"):
    """Five components of 20 bins, some noise; the components are always the same."""
    planted = unit_rows(np.random.RandomState(1).gamma(0.3, 1.0, (5, 20)))
    rng = np.random.RandomState(seed)
    X = rng.gamma(0.3, 3.0, (n_frames, 5)) @ planted + 0.02 * rng.gamma(0.5, 1.0, (n_frames, 20))
    return X.astype(dtype), planted


def worst_cosine(components, planted):
    return (planted @ components.T).max(axis=1).min()


def small(**settings):
    return SparseNMF(5, **({"sparsity": 0.01, "random_state": 0} | settings))


@pytest.mark.parametrize("beta_loss", BETAS)
def test_batches_find_what_all_frames_find(beta_loss):
    X, planted = frames()
    whole = small(beta_loss=beta_loss).fit(X)
    batches = small(beta_loss=beta_loss, batch_size=256, max_iter=30).fit(X)
    assert worst_cosine(batches.components_, planted) > 0.99
    assert batches.objective_curve_[-1] < 1.3 * whole.objective_curve_[-1] + 1
    np.testing.assert_allclose(np.linalg.norm(batches.components_, axis=1), 1, rtol=1e-12)
    assert batches.n_iter_ == len(batches.objective_curve_)
    assert batches.n_frames_seen_ == batches.n_iter_ * len(X)


@pytest.mark.parametrize("beta_loss", BETAS)
def test_a_stream_is_learned_in_one_pass(beta_loss):
    nmf = small(beta_loss=beta_loss, batch_size=200)
    errors = []
    held_out, planted = frames(200, seed=99)
    for seed in range(12):
        nmf.partial_fit(frames(400, seed=seed)[0])
        approximation = nmf.inverse_transform(nmf.transform(held_out))
        errors.append(np.linalg.norm(held_out - approximation) / np.linalg.norm(held_out))
    # A batch gives one multiplicative step of the components for beta != 2, and several sweeps.
    assert worst_cosine(nmf.components_, planted) > (0.99 if beta_loss == 2 else 0.9)
    assert errors[-1] < (0.05 if beta_loss == 2 else 0.2)
    assert errors[-1] < errors[0]
    assert nmf.n_frames_seen_ == 12 * 400
    assert nmf.n_iter_ == len(nmf.objective_curve_) == 12


def test_statistics_are_those_of_all_batches_with_fading_weights():
    X, _ = frames(90)
    W = unit_rows(np.random.RandomState(2).uniform(0.1, 1, (5, 20)))
    statistics, sums = {"n_frames": 0}, [0.0, 0.0]
    steps, problem = solver_for("cd", 2).batches, Problem(2, 0.0, n_fixed=5)
    for i, batch in enumerate(np.split(X, 3)):
        new, divergence, value = learn_batch(batch, W, statistics, steps, problem)
        np.testing.assert_array_equal(new, W)
        H = small(sparsity=0.0, init=W, transform_tol=1e-2).fit(X)
        H.components_ = W
        H = H.transform(batch)
        assert divergence == pytest.approx(0.5 * np.sum((batch - H @ W) ** 2), rel=1e-2)
        assert value == divergence
        weight = (1 - 30 / (30 * (i + 1))) ** 3
        sums = [weight * sums[0] + H.T @ batch, weight * sums[1] + H.T @ H]
    np.testing.assert_allclose(statistics["products"], sums[0], rtol=1e-6)
    np.testing.assert_allclose(statistics["gram"], sums[1], rtol=1e-6, atol=1e-9)
    assert statistics["n_frames"] == 90


@pytest.fixture
def without_cd(monkeypatch):
    """Coordinate descent fails, and frames are learned from in batches unless they are few."""

    def refuse(*arguments):
        raise AssertionError("coordinate descent runs")

    monkeypatch.setattr(cd, "sweep_components", refuse)
    for form in (sweeps.GramSweep, sweeps.ResidualSweep):
        monkeypatch.setattr(form, "__init__", refuse)
    monkeypatch.setattr(learning, "MAX_ACTIVATION_BYTES", 1000)
    monkeypatch.setattr(learning, "AUTO_BATCH_FRAMES", 128)


CALLS = {
    "fit": lambda nmf, X: nmf.fit(X),
    "fit in batches": lambda nmf, X: nmf.set_params(batch_size=100).fit(X),
    "partial_fit": lambda nmf, X: nmf.partial_fit(X[:150]).partial_fit(X[150:]),
}


@pytest.mark.parametrize("call", CALLS)
def test_chosen_multiplicative_updates_run_nothing_else(without_cd, call):
    X, _ = frames(300)
    nmf = CALLS[call](small(solver="mu", max_iter=5), X)
    assert nmf.n_frames_seen_ == len(X) * (1 if call == "partial_fit" else nmf.n_iter_)
    assert nmf.transform(X).max() > 0
    for solver in ("cd", "auto"):
        with pytest.raises(AssertionError, match="coordinate descent runs"):
            CALLS[call](small(solver=solver, max_iter=5), X)


def test_a_separator_by_multiplicative_updates_runs_nothing_else(without_cd):
    X, _ = frames(300)
    settings = {"sparsity": 0.01, "max_iter": 5, "random_state": 0}
    separator = SupervisedNMFSeparator(4, inference="mu", **settings).fit([X], [0.7 * X])
    assert np.isfinite(separator.predict([X])[0]).all()
    with pytest.raises(AssertionError, match="coordinate descent runs"):
        SupervisedNMFSeparator(4, **settings).fit([X], [0.7 * X])


@pytest.mark.parametrize("n_fixed", [0, 2])
def test_a_multiplicative_batch_is_steps_of_the_loop(n_fixed):
    X, _ = frames(30)
    W = unit_rows(np.random.RandomState(2).uniform(0.1, 1, (5, 20)))
    steps, statistics = solver_for("mu", 2).batches, {"n_frames": 0}
    new, *_ = learn_batch(X, W, statistics, steps, Problem(2, 0.1, n_fixed))
    H = infer_activations(X, W, beta=2, sparsity=0.1, n_iter=30)
    expected = W
    for _ in range(mu.STEPS_PER_BATCH):
        expected = components_step(X, expected, H, 2, n_fixed)
    np.testing.assert_allclose(new, expected, rtol=1e-9)
    # A second batch adds to the first, whose weight is (1 - 30 / 60) ** 3.
    other, _ = frames(30, seed=1)
    learn_batch(other, new, statistics, steps, Problem(2, 0.1, n_fixed))
    later = infer_activations(other, new, beta=2, sparsity=0.1, n_iter=30)
    products = H.T @ X / 8 + later.T @ other
    np.testing.assert_allclose(statistics["products"], products, rtol=1e-9)


def test_multiplicative_batches_are_as_good_as_all_frames_at_once():
    X, planted = frames()
    whole = small(solver="mu").fit(X)
    batches = small(solver="mu", batch_size=256, max_iter=30).fit(X)
    assert (np.diff(batches.objective_curve_) < 0).all()
    assert batches.objective_curve_[-1] < 1.05 * whole.objective_curve_[-1]
    found = worst_cosine(batches.components_, planted)
    assert found > worst_cosine(whole.components_, planted) - 0.01
    assert found > 0.98


@pytest.mark.parametrize("solver", ["cd", "mu"])
def test_stored_statistics_suit_both_solvers(solver):
    _, nmf = joblib.load(FOLDER / "0.1.0-online.joblib")
    seen, before = nmf.n_frames_seen_, nmf.components_.copy()
    X = np.random.RandomState(0).gamma(0.3, 3.0, (200, 4)) @ before
    nmf.set_params(solver=solver).partial_fit(X)
    assert nmf.n_frames_seen_ == seen + 200
    assert set(nmf._statistics) == {"n_frames", "products", "gram"}
    assert 0 < np.abs(nmf.components_ - before).max()
    assert np.sum(nmf.components_ * before, axis=1).min() > 0.9


@pytest.mark.parametrize(("beta_loss", "solver"), [(2, "cd"), (2, "mu"), (1, "mu")])
def test_partial_fit_is_split_anywhere_between_batches(beta_loss, solver):
    X, _ = frames(600)
    settings = {"beta_loss": beta_loss, "solver": solver, "batch_size": 100}
    once = small(**settings).partial_fit(X)
    often = small(**settings)
    for part in np.split(X, 3):
        often.partial_fit(part)
    np.testing.assert_allclose(often.components_, once.components_, rtol=1e-9, atol=1e-12)


def test_partial_fit_resumes_after_storage_and_after_fit(tmp_path):
    X, planted = frames(600)
    resumed = small(batch_size=100).partial_fit(X[:300])
    joblib.dump(resumed, tmp_path / "nmf.joblib")
    stored = joblib.load(tmp_path / "nmf.joblib").partial_fit(X[300:])
    np.testing.assert_array_equal(stored.components_, resumed.partial_fit(X[300:]).components_)
    fitted = small().fit(X)
    before = fitted.components_.copy()
    fitted.partial_fit(frames(400, seed=5)[0])
    assert 0 < np.abs(fitted.components_ - before).max() < 0.2
    assert worst_cosine(fitted.components_, planted) > 0.99
    again = small().fit(X)
    np.testing.assert_array_equal(fitted.fit(X).components_, again.components_)


@pytest.mark.parametrize(("beta_loss", "solver"), [(2, "cd"), (2, "mu"), (1, "mu")])
def test_fixed_components_stay_in_batches(beta_loss, solver):
    X, planted = frames()
    nmf = SparseNMF(3, fixed_components=planted[:2], beta_loss=beta_loss, sparsity=0.01)
    nmf.set_params(solver=solver, batch_size=256, max_iter=20, random_state=0).fit(X)
    np.testing.assert_allclose(nmf.components_[:2], planted[:2], rtol=1e-12)
    assert worst_cosine(nmf.components_, planted) > 0.98
    stream = clone(nmf)
    for _ in range(5):
        stream.partial_fit(X)
    np.testing.assert_allclose(stream.components_[:2], planted[:2], rtol=1e-12)
    assert stream.components_.shape == (5, 20)


def test_bins_are_checked_from_the_second_call_on():
    nmf = small().partial_fit(frames(50)[0])
    with pytest.raises(ValueError, match="X has 7 features, but SparseNMF is expecting 20"):
        nmf.partial_fit(np.ones((50, 7)))


def test_the_number_of_components_stays():
    nmf = small().partial_fit(frames(50)[0])
    with pytest.raises(ValueError, match=r"n_components=7 and 0 fixed ones are wanted, but 5 have"):
        nmf.set_params(n_components=7).partial_fit(frames(50)[0])
    nmf.set_params(n_components=3, fixed_components=nmf.components_[:2])
    before = nmf.components_[:2].copy()
    np.testing.assert_array_equal(nmf.partial_fit(frames(50)[0]).components_[:2], before)


def test_batches_are_made_where_activations_would_be_large(monkeypatch):
    X, _ = frames(300)
    assert small(max_iter=3, tol=0).fit(X).objective_curve_.shape == (4,)
    monkeypatch.setattr(learning, "MAX_ACTIVATION_BYTES", 300 * 5 * 8 - 1)
    monkeypatch.setattr(learning, "AUTO_BATCH_FRAMES", 128)
    assert small(max_iter=3, tol=0).fit(X).objective_curve_.shape == (3,)
    assert small(max_iter=3, tol=0, batch_size=None).fit(X).objective_curve_.shape == (4,)


def test_batches_have_each_frame_once():
    rng = np.random.RandomState(0)
    batches = list(random_batches(1000, 256, rng))
    assert all(len(batch) <= 256 for batch in batches)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(1000))
    assert not np.array_equal(batches[0], next(random_batches(1000, 256, rng)))


@pytest.mark.parametrize(("beta_loss", "solver"), [(2, "cd"), (2, "mu"), (1, "mu"), (0, "mu")])
def test_silence_in_a_stream(beta_loss, solver):
    nmf = small(beta_loss=beta_loss, solver=solver)
    for X in (np.zeros((20, 20)), frames(100)[0], np.zeros((20, 20))):
        nmf.partial_fit(X)
        assert np.isfinite(nmf.components_).all()
        np.testing.assert_allclose(np.linalg.norm(nmf.components_, axis=1), 1, rtol=1e-9)
