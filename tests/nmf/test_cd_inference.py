import numpy as np
import pytest
from scipy.optimize import nnls

from sknmf_unfold.nmf import cd_inference, sweeps
from sknmf_unfold.nmf.blocks import Workspace
from sknmf_unfold.nmf.cd_inference import optimality_gap, solve_activations
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.matrices import unit_rows
from sknmf_unfold.nmf.mu_inference import infer_activations
from sknmf_unfold.nmf.sweeps import GramSweep, ResidualSweep, choose_sweep

FORMS = (GramSweep, ResidualSweep)


def problem(n_frames=40, n_freqs=20, n_components=8, dtype="float64", seed=0):
    """Sparse activations of overlapping components, and noise that they cannot explain."""
    rng = np.random.RandomState(seed)
    W = unit_rows(rng.gamma(0.4, 1.0, (n_components, n_freqs)))
    H = rng.gamma(0.3, 3.0, (n_frames, n_components))
    return (H @ W + 0.3 * rng.gamma(0.5, 1.0, (n_frames, n_freqs))).astype(dtype), W.astype(dtype)


def by_nnls(X, W, sparsity):
    """Optimal activations: the penalty is a shift of the data by `u` with ``W u = 1``."""
    shift = sparsity * np.linalg.pinv(W) @ np.ones(len(W))
    return np.array([nnls(W.T, x - shift)[0] for x in X])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", [7, 2048])
@pytest.mark.parametrize("width", [1, 3, 32])
@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_activations_are_those_of_nnls(monkeypatch, sparsity, width, block, form):
    monkeypatch.setattr(cd_inference, "choose_sweep", form)
    monkeypatch.setattr(sweeps, "GROUP_COMPONENTS", width)
    monkeypatch.setattr(cd_inference, "block_length", lambda n_components: block)
    X, W = problem()
    X[3] = 0
    expected = by_nnls(X, W, sparsity)
    assert 0.2 < (expected == 0).mean() < 0.8
    H = solve_activations(X, W, sparsity=sparsity, tol=1e-12, max_iter=5000)
    np.testing.assert_allclose(H, expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(H == 0, expected == 0)
    started = solve_activations(X, W, sparsity=sparsity, initial=H[::-1], tol=1e-12, max_iter=5000)
    np.testing.assert_allclose(started, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-3])
def test_every_frame_is_as_close_as_asked_for(monkeypatch, tol, dtype, form):
    monkeypatch.setattr(cd_inference, "choose_sweep", form)
    X, W = problem(300, dtype=dtype)
    H = solve_activations(X, W, sparsity=0.2, tol=tol, max_iter=1000)
    assert H.dtype == dtype
    gap = optimality_gap(X, W, H, 0.2)
    assert gap.shape == (300,)
    assert 0.01 * tol < gap.max() <= 1.01 * tol


@pytest.mark.parametrize("form", FORMS)
def test_the_gap_is_the_distance_from_the_best_value_of_one_component(monkeypatch, form):
    monkeypatch.setattr(cd_inference, "choose_sweep", form)
    X, W = problem()
    H = by_nnls(X, W, 0.5)
    assert optimality_gap(X, W, H, 0.5).max() < 1e-12
    H[5] += np.eye(8)[2] * 0.25 * H[5].max()
    gap = optimality_gap(X, W, H, 0.5)
    assert gap[5] == pytest.approx(0.25 * np.delete(H[5], 2).max() / H[5].max(), rel=0.5)
    assert np.delete(gap, 5).max() < 1e-12


@pytest.mark.parametrize("form", FORMS)
def test_a_sweep_is_one_component_after_the_other(monkeypatch, form):
    X, W = problem(5)
    W = W * np.linspace(0.5, 2, 8)[:, None]
    expected = np.full((5, 8), 0.3)
    for h, x in zip(expected, X, strict=True):
        for k in range(8):
            rest = x - sum(h[j] * W[j] for j in range(8) if j != k)
            h[k] = max((rest @ W[k] - 0.1) / (W[k] @ W[k]), 0.0)
    for width in (1, 3, 8, 32):
        H = np.full((8, 5), 0.3)
        monkeypatch.setattr(sweeps, "GROUP_COMPONENTS", width)
        sweep, workspace = form(W, 0.1), Workspace()
        sweep.run(H, sweep.targets(X, workspace), workspace)
        np.testing.assert_allclose(H.T, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", FORMS)
def test_assessing_measures_the_objective_but_for_a_constant(form):
    X, W = problem(6)
    assessing = form(W, 0.3)
    targets = assessing.targets(X, Workspace())
    values = []
    for seed in range(2):
        H = np.random.RandomState(seed).gamma(0.5, 1.0, (6, 8))
        wanted = 0.5 * np.square(X - H @ W).sum(axis=1) + 0.3 * H.sum(axis=1)
        values.append(assessing.assess(H.T, targets)[1] - wanted)
    np.testing.assert_allclose(*values, rtol=1e-11, atol=1e-11)


def test_many_components_go_through_the_bins():
    X, W = problem(30, 5, 40)
    assert isinstance(choose_sweep(W, 0.2), ResidualSweep)
    assert isinstance(choose_sweep(W[:15], 0.2), GramSweep)
    H = solve_activations(X, W, sparsity=0.2, tol=1e-6, max_iter=20_000)
    # Karush, Kuhn and Tucker: the gradient is 0 where there is an activation, else not negative.
    gradient = (H @ W - X) @ W.T + 0.2
    assert np.abs(gradient[H > 0]).max() < 1e-4
    assert gradient.min() > -1e-4


def test_frames_do_not_know_of_each_other():
    X, W = problem(50)
    together = solve_activations(X, W, sparsity=0.1)
    for x, h in zip(X, together, strict=True):
        np.testing.assert_allclose(
            solve_activations(x[None], W, sparsity=0.1)[0], h, rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", [1e-20, 1e-8, 1.0, 1e4, 1e15])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_levels_and_silence(monkeypatch, level, dtype, form):
    monkeypatch.setattr(cd_inference, "choose_sweep", form)
    X, W = problem(dtype=dtype)
    H = solve_activations(X, W, sparsity=0.0, tol=1e-4, max_iter=2000)
    loud = solve_activations((level * X).astype(dtype), W, sparsity=0.0, tol=1e-4, max_iter=2000)
    np.testing.assert_allclose(loud / level, H, rtol=0, atol=2e-3 * H.max())
    assert not solve_activations(0 * X, W, sparsity=0.0).any()
    assert not solve_activations(X, W, sparsity=1e6).any()


def test_it_converges_with_any_momentum(monkeypatch):
    X, W = problem(100, 60, 40)
    # So much of it that it goes round in circles where nothing takes it away.
    monkeypatch.setattr(cd_inference, "MAX_MOMENTUM", 0.99)
    H = solve_activations(X, W, sparsity=0.0, tol=1e-4, max_iter=2000)
    assert optimality_gap(X, W, H, 0.0).max() < 1e-4
    best = objective(X, W, by_nnls(X, W, 0.0), 2, 0.0)
    assert objective(X, W, H, 2, 0.0) == pytest.approx(best, rel=1e-4)


def test_better_than_200_multiplicative_updates():
    X, W = problem(400, 60, 40)
    for sparsity in (0.0, 0.5):
        slow = infer_activations(X, W, beta=2, sparsity=sparsity, n_iter=200)
        fast = solve_activations(X, W, sparsity=sparsity)
        assert objective(X, W, fast, 2, sparsity) < objective(X, W, slow, 2, sparsity)
