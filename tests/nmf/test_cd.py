import numpy as np
import pytest

from sknmf_unfold.nmf import cd
from sknmf_unfold.nmf.cd import factorize, sweep_components
from sknmf_unfold.nmf.cd_activations import MemorySweeps
from sknmf_unfold.nmf.cd_inference import optimality_gap
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.initial import initial_activations
from sknmf_unfold.nmf.matrices import unit_rows
from sknmf_unfold.nmf.mu import factorize as by_multiplication
from sknmf_unfold.nmf.problem import Problem, Stopping


def problem(n_frames=300, n_freqs=20, n_components=5, dtype="float64", noise=0.1, seed=0):
    rng = np.random.RandomState(seed)
    planted = unit_rows(rng.gamma(0.3, 1.0, (n_components, n_freqs)))
    X = rng.gamma(0.3, 3.0, (n_frames, n_components)) @ planted
    X += noise * rng.gamma(0.5, 1.0, X.shape)
    start = unit_rows(rng.uniform(0.1, 1.0, planted.shape))
    return X.astype(dtype), start.astype(dtype)


def run(X, W, seed=0, sparsity=0.2, n_fixed=0, **stopping):
    problem = Problem(2, sparsity, n_fixed)
    return factorize(X, W, problem, np.random.RandomState(seed), Stopping(**stopping))


# Components


def test_a_component_gets_its_best_direction():
    X, W = problem(30)
    H = np.random.RandomState(1).gamma(0.5, 1.0, (30, 5))
    rng = np.random.RandomState(2)
    products, gram = H.T @ X, H.T @ H
    for k in range(5):
        expected = W.copy()
        rest = X - np.delete(H, k, 1) @ np.delete(W, k, 0)
        best = np.maximum(rest.T @ H[:, k], 0)
        expected[k] = best / np.linalg.norm(best)
        before = W.copy()
        # The sweep up to component k, all of which but k were swept before.
        sweep_components(W[: k + 1], products[: k + 1] - gram[: k + 1, k + 1 :] @ W[k + 1 :],
                         gram[: k + 1, : k + 1], n_fixed=k)  # fmt: skip
        np.testing.assert_allclose(W, expected, rtol=1e-10, atol=1e-14)
        # No other direction is better.
        error = np.sum((X - H @ W) ** 2)
        assert error <= np.sum((X - H @ before) ** 2) + 1e-9
        for _ in range(20):
            other = W.copy()
            other[k] = unit_rows(np.abs(W[k] + 0.1 * rng.randn(1, 20)))[0]
            assert error < np.sum((X - H @ other) ** 2)


def test_fixed_and_unused_components_stay():
    X, W = problem(30)
    H = np.random.RandomState(1).gamma(0.5, 1.0, (30, 5))
    H[:, 3] = 0
    before = W.copy()
    sweep_components(W, H.T @ X, H.T @ H, n_fixed=2)
    np.testing.assert_array_equal(W[[0, 1, 3]], before[[0, 1, 3]])
    assert np.abs(W[[2, 4]] - before[[2, 4]]).max() > 0.01
    np.testing.assert_allclose(np.linalg.norm(W, axis=1), 1, rtol=1e-12)


# The whole


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_the_objective_is_right_and_never_rises(sparsity, dtype):
    X, W = problem(dtype=dtype)
    reported = []
    W, H, curve = run(
        X, W, sparsity=sparsity, tol=0, max_iter=60, callback=lambda v, w: reported.append((v, w))
    )
    assert W.dtype == H.dtype == dtype
    assert W.min() >= 0 and H.min() >= 0
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(np.linalg.norm(W, axis=1), 1, rtol=8 * eps)
    assert len(curve) == 61
    assert (np.diff(curve) <= 0).all()
    rounding = 4 * eps * float(np.sum(X**2))
    assert curve[-1] == pytest.approx(objective(X, W, H, 2, sparsity), abs=rounding)
    np.testing.assert_array_equal([value for value, _ in reported], curve[1:])
    np.testing.assert_array_equal(reported[-1][1], W)


def test_it_ends_where_nothing_is_to_be_gained():
    X, W = problem()
    W, H, _ = run(X, W, tol=0, max_iter=2000)
    assert optimality_gap(X, W, H, 0.2).max() < 1e-3
    swept = W.copy()
    sweep_components(swept, H.T @ X, H.T @ H)
    assert np.abs(swept - W).max() < 1e-3


@pytest.mark.parametrize("sparsity", [0.0, 1.0])
def test_below_200_multiplicative_steps_in_20(sparsity):
    X, W = problem(2000, 60, 20, noise=0.3)
    start = initial_activations(X, W)
    slow = by_multiplication(X, W, start, Problem(2, sparsity), Stopping(200, 0))[2]
    fast = run(X, W, sparsity=sparsity, max_iter=20, tol=0)[2]
    assert fast[-1] < slow[-1]


def test_planted_components_are_found():
    rng = np.random.RandomState(3)
    planted = unit_rows(np.eye(5, 20) + 0.3 * np.eye(5, 20, 7))
    X = rng.gamma(0.3, 3.0, (500, 5)) @ planted
    W, _, _ = run(X, unit_rows(rng.uniform(0.1, 1.0, (5, 20))), sparsity=0.0, tol=0, max_iter=500)
    assert (W @ planted.T).max(axis=0).min() > 0.999


def test_fixed_components_stay_and_the_rest_is_learned_beside_them():
    X, W = problem()
    W1, _, curve = run(X, W, n_fixed=3, tol=0, max_iter=30)
    np.testing.assert_array_equal(W1[:3], W[:3])
    assert np.abs(W1[3:] - W[3:]).max() > 0.1
    assert (np.diff(curve) <= 0).all()
    W1, H, curve = run(X, W, n_fixed=5, tol=0, max_iter=300)
    np.testing.assert_array_equal(W1, W)
    assert optimality_gap(X, W, H, 0.2).max() < 1e-6


def test_it_begins_on_a_part_of_the_frames(monkeypatch):
    seen = []

    class Spy(MemorySweeps):
        def __init__(self, X, W, sparsity):
            seen.append(len(X))
            super().__init__(X, W, sparsity)

    monkeypatch.setattr(cd, "MemorySweeps", Spy)
    X, W = problem(1200)
    run(X, W)
    assert seen == [150, 1200]
    seen.clear()
    run(X[:300], W)
    assert seen == [300], "the part would have fewer frames than MIN_FRAMES_PER_COMPONENT"
    seen.clear()
    monkeypatch.setattr(cd, "MAX_PART_FRAMES", 60)
    run(X, W)
    assert seen == [60, 1200]


def test_stops_by_tolerance_and_by_callback():
    X, W = problem()
    whole = run(X, W, tol=0, max_iter=200)[2]
    curve = run(X, W, tol=1e-3, max_iter=200)[2]
    assert len(curve) < 200 and (len(curve) - 1) % 10 == 0
    np.testing.assert_array_equal(curve, whole[: len(curve)])
    assert curve[-11] - curve[-1] < 1e-3 * curve[0]
    assert len(run(X, W, callback=lambda value, components: value < curve[3])[2]) == 5


def test_same_seed_same_bits():
    X, W = problem(1200)
    one, other, third = (run(X, W, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)


def test_silence():
    W = problem()[1]
    W1, H, curve = run(np.zeros((50, 20)), W)
    np.testing.assert_allclose(W1, W, rtol=1e-10)
    assert not H.any() and not curve.any()
