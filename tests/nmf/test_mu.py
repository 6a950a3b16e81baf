import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import Lasso

from sknmf_unfold.nmf import blocks, mu, mu_sums, mu_updates
from sknmf_unfold.nmf.divergence import MIN_MAGNITUDE, objective
from sknmf_unfold.nmf.initial import initial_activations
from sknmf_unfold.nmf.matrices import gram_factors, unit_rows
from sknmf_unfold.nmf.mu_inference import infer_activations
from sknmf_unfold.nmf.mu_updates import MIN_ENTRY, update_activations
from sknmf_unfold.nmf.problem import Problem, Stopping
from tests.oracles.nmf import (
    activations_step,
    component_parts,
    components_step,
    factorize_loop,
    objective_loop,
    product,
)

BETAS = (2, 1, 0, 0.5, 1.5, 3, -1)


def problem(n_frames=7, n_freqs=6, n_components=3, dtype="float64", level=1.0, seed=0):
    """Data without structure, unit-norm components, activations near the data's level."""
    rng = np.random.default_rng(seed)
    X = level * rng.gamma(1.0, 2.0, (n_frames, n_freqs))
    W = unit_rows(rng.uniform(0.1, 1, (n_components, n_freqs)))
    H = level * rng.uniform(0.5, 1.5, (n_frames, n_components))
    return X.astype(dtype), W.astype(dtype), H.astype(dtype)


def planted(n_frames=20, n_freqs=14, n_components=6, seed=0):
    """Data that the returned dictionary explains but for a little noise."""
    rng = np.random.default_rng(seed)
    W = unit_rows(rng.gamma(0.5, 1.0, (n_components, n_freqs)))
    H = rng.gamma(0.5, 2.0, (n_frames, n_components))
    return H @ W + 0.1 * rng.random((n_frames, n_freqs)), W


def factorize(X, W, H, *, beta, sparsity, n_fixed=0, **stopping):
    return mu.factorize(X, W, H, Problem(beta, sparsity, n_fixed), Stopping(**stopping))


def update_components(X, W, H, beta, n_fixed=0):
    """The step of the components alone: that of the activations is left out."""

    def leave(W, H, *parts, out, **settings):
        out[:] = H
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mu_sums, "step_of_activations", leave)
        settings = {"beta": beta, "sparsity": 0.0, "n_fixed": n_fixed, "max_iter": 1}
        W, _, curve = factorize(X, W, H, **settings)
    return W, curve[-1]


# The laws


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sparsity", [0, 0.1, 5])
@pytest.mark.parametrize("beta", BETAS)
def test_objective_never_rises_by_more_than_rounding(beta, sparsity, dtype):
    slack = 20 * np.finfo(dtype).eps
    for level in (1e-8, 1.0, 1e4):
        X, W, H = problem(60, 20, 5, dtype, level)
        W, H, curve = factorize(X, W, H, beta=beta, sparsity=sparsity, max_iter=60, tol=0)
        assert W.dtype == H.dtype == dtype
        assert curve.shape == (61,)
        assert np.isfinite(curve).all()
        assert (np.diff(curve) <= slack * np.abs(curve[:-1])).all()
        # The curve ends with the objective of the returned W and H, in double precision.
        end = objective(*(array.astype("float64") for array in (X, W, H)), beta, sparsity)
        np.testing.assert_allclose(curve[-1], end, rtol=1e-5 if dtype == "float32" else 1e-12)
        np.testing.assert_allclose(np.linalg.norm(W, axis=1), 1, rtol=4 * np.finfo(dtype).eps)
        assert min(W.min(), H.min()) >= 0


@pytest.mark.parametrize("beta", BETAS)
def test_zeros_in_the_data_stay_finite_and_descend(beta):
    X, W, H = problem(60, 20, 5)
    X[X < 1] = 0
    X[3], X[:, 5] = 0, 0
    W, H, curve = factorize(X, W, H, beta=beta, sparsity=0.1, max_iter=60, tol=0)
    assert np.isfinite(curve).all()
    assert np.isfinite(W).all() and np.isfinite(H).all()
    assert (np.diff(curve) <= 20 * np.finfo("float64").eps * np.abs(curve[:-1])).all()
    np.testing.assert_allclose(np.linalg.norm(W, axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize("beta", [1, 1.5])
def test_a_step_that_would_raise_the_divergence_is_shortened(beta):
    X = np.array([[150.0, 110.0, 10.0, 490.0, 110.0]])
    W = unit_rows(np.array([[0.001, 0.02, 0.37, 0.92, 0.09]]))
    H = np.array([[1.0]])
    before = objective_loop(X, W, H, beta, 0)
    full = objective_loop(X, components_step(X, W, H, beta), H, beta, 0)
    assert full > 1.01 * before, "this must be a case where the full step ascends"
    shortened, divergence = update_components(X, W, H, beta)
    after = objective_loop(X, shortened, H, beta, 0)
    assert after < 0.999 * before
    assert divergence == pytest.approx(after, rel=1e-12)
    # Half the exponent, as often as it takes.
    numerator, denominator = component_parts(X, W, H, beta)
    steps = [unit_rows(W * (numerator / denominator) ** 0.5**i) for i in range(1, 6)]
    descending = [step for step in steps if objective_loop(X, step, H, beta, 0) <= before]
    np.testing.assert_allclose(shortened, descending[0], rtol=1e-7)
    # Repeated, so that also the last steps, which gain next to nothing, do not go too far.
    curve = [before]
    for _ in range(200):
        W, divergence = update_components(X, W, H, beta)
        curve.append(divergence)
    assert (np.diff(curve) <= 20 * np.finfo("float64").eps * before).all()


@pytest.mark.parametrize("beta", BETAS)
def test_components_follow_the_gradient_of_the_normalised_objective(beta):
    X, W, H = problem()
    gradient = np.zeros_like(W)
    for index in np.ndindex(*W.shape):
        step = np.zeros_like(W)
        step[index] = 1e-5
        sides = [objective_loop(X, unit_rows(W + s), H, beta, 0) for s in (step, -step)]
        gradient[index] = (sides[0] - sides[1]) / 2e-5
    numerator, denominator = component_parts(X, W, H, beta)
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(denominator - numerator, gradient, rtol=0, atol=1e-7 * scale)
    # The step is by the ratio of exactly these parts, so an entry grows where its gradient < 0
    # (before the row is normalised again).
    new, _ = update_components(X, W, H, beta)
    expected = unit_rows(W * (numerator / denominator) ** mu_updates.exponent(beta))
    np.testing.assert_allclose(new, expected, rtol=1e-9)
    assert np.sum(gradient * (new - W)) < -1e-3 * scale


# The oracles


@pytest.mark.parametrize("sparsity", [0, 0.1, 5])
@pytest.mark.parametrize("beta", [2, 1, 0, 0.5, 1.5, 3])
def test_fifty_iterations_equal_the_loop(beta, sparsity):
    X, W, H = problem()
    # The loop never shortens a step, so that agreement also says that none was shortened here.
    expected = factorize_loop(X, W, H, beta, sparsity, 50)
    result = factorize(X, W, H, beta=beta, sparsity=sparsity, max_iter=50, tol=0)
    for array, wanted, atol in zip(result, expected, (1e-10, 1e-10, 0), strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-10, atol=atol)


def test_any_beta_equals_the_loop():
    # Y ** -3 amplifies the background MIN_MAGNITUDE, which the loop does not have.
    X, W, H = problem()
    expected = factorize_loop(X, W, H, -1, 0.1, 50)
    result = factorize(X, W, H, beta=-1, sparsity=0.1, max_iter=50, tol=0)
    for array, wanted in zip(result, expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n_fixed", [0, 1, 2, 3])
@pytest.mark.parametrize("beta", [2, 1, 0.5])
def test_fixed_rows_stay_and_the_others_go_as_in_the_loop(beta, n_fixed):
    X, W, H = problem()
    new, divergence = update_components(X, W, H, beta, n_fixed)
    np.testing.assert_array_equal(new[:n_fixed], W[:n_fixed])
    np.testing.assert_allclose(new, components_step(X, W, H, beta, n_fixed), rtol=1e-10)
    assert divergence == pytest.approx(objective_loop(X, new, H, beta, 0), rel=1e-10)
    W50, _, curve = factorize(X, W, H, beta=beta, sparsity=0.1, n_fixed=n_fixed, max_iter=50, tol=0)
    np.testing.assert_array_equal(W50[:n_fixed], W[:n_fixed])
    expected = factorize_loop(X, W, H, beta, 0.1, 50, n_fixed)
    np.testing.assert_allclose(W50, expected[0], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(curve, expected[2], rtol=1e-10)


@pytest.mark.parametrize("beta", BETAS)
def test_one_step_of_the_activations_equals_the_loop(beta):
    X, W, H = problem()
    for sparsity in (0, 0.1, 5):
        expected = activations_step(X, W, H, beta, sparsity)
        result = update_activations(X, W, H, beta, sparsity)
        np.testing.assert_allclose(result, expected, rtol=1e-10)
        assert objective(X, W, H, beta, sparsity) == pytest.approx(
            objective_loop(X, W, H, beta, sparsity), rel=1e-11
        )


@pytest.mark.parametrize("sparsity", [0, 0.1, 5])
@pytest.mark.parametrize("beta", BETAS)
def test_inference_takes_n_iter_steps_from_the_initial_activations(beta, sparsity):
    X, W, _ = problem()
    H = initial_activations(X, W)
    for _ in range(10):
        H = activations_step(X, W, H, beta, sparsity)
    result = infer_activations(X, W, beta=beta, sparsity=sparsity, n_iter=10)
    np.testing.assert_allclose(result, H, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_components", [12, 13])
def test_with_more_than_two_components_a_bin_too(n_components):
    X, W, H = problem(n_components=n_components)
    expected = factorize_loop(X, W, H, 2, 0.1, 50)
    result = factorize(X, W, H, beta=2, sparsity=0.1, max_iter=50, tol=0)
    for array, wanted in zip(result, expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-10, atol=1e-10)
    step = activations_step(X, W, H, 2, 0.1)
    np.testing.assert_allclose(update_activations(X, W, H, 2, 0.1), step, rtol=1e-10)
    inferred = initial_activations(X, W)
    for _ in range(10):
        inferred = activations_step(X, W, inferred, 2, 0.1)
    result = infer_activations(X, W, beta=2, sparsity=0.1, n_iter=10)
    np.testing.assert_allclose(result, inferred, rtol=1e-9, atol=1e-12)
    factors = gram_factors(W)
    assert len(factors) == 1 + (n_components > 12)
    np.testing.assert_allclose(np.linalg.multi_dot([H, *factors]), H @ W @ W.T, rtol=1e-12)


def test_initial_activations_are_the_best_equal_ones():
    X, W, _ = problem()
    H = initial_activations(X, W)
    assert (H == H[:, :1]).all()
    for x, h in zip(X, H, strict=True):
        expected = np.linalg.lstsq(W.sum(axis=0)[:, np.newaxis], x, rcond=None)[0]
        np.testing.assert_allclose(h, expected[0], rtol=1e-12)


# The optimum


@pytest.mark.parametrize("sparsity", [0, 0.3])
@pytest.mark.parametrize("beta", BETAS)
def test_inference_reaches_a_stationary_point(beta, sparsity):
    X, W = planted()
    n_iter = 2000 if beta in (2, 1, 1.5) else 10_000
    H = infer_activations(X, W, beta=beta, sparsity=sparsity, n_iter=n_iter)
    Y = product(H, W)
    gradient = (Y ** (beta - 1) - X * Y ** (beta - 2)) @ W.T + sparsity
    # Karush, Kuhn and Tucker: h >= 0, gradient >= 0, and one of both is 0; on the scale of the
    # two parts that cancel in the gradient.
    scale = (Y ** (beta - 1)) @ W.T + sparsity
    assert H.min() >= 0
    assert (gradient / scale).min() > -1e-5
    assert np.abs(H * gradient / scale).max() < 1e-5
    if sparsity:
        assert 0 < np.mean(H < 1e-3) < 0.9, "some activations are off, and not all"


def test_inference_minimises_what_lasso_minimises():
    X, W = planted()
    sparsity = 0.3
    H = infer_activations(X, W, beta=2, sparsity=sparsity, n_iter=20_000)
    # Lasso divides the squared error by 2 n_freqs, and its weight with it.
    alpha = sparsity / X.shape[1]
    lasso = Lasso(alpha, positive=True, fit_intercept=False, tol=1e-14, max_iter=100_000)
    expected = np.array([lasso.fit(W.T, x).coef_ for x in X])
    np.testing.assert_allclose(H, expected, rtol=0, atol=1e-6)
    # An objective is second order in the distance from the optimum.
    optimum = objective(X, W, expected, 2, sparsity)
    assert objective(X, W, H, 2, sparsity) == pytest.approx(optimum, rel=1e-10)


def test_inference_without_penalty_is_non_negative_least_squares():
    X, W = planted()
    H = infer_activations(X, W, beta=2, sparsity=0, n_iter=20_000)
    expected = np.array([nnls(W.T, x)[0] for x in X])
    np.testing.assert_allclose(H, expected, rtol=0, atol=1e-6)
    optimum = objective(X, W, expected, 2, 0)
    assert objective(X, W, H, 2, 0) == pytest.approx(optimum, rel=1e-10)


# The edges


@pytest.mark.parametrize("beta", BETAS)
def test_a_frame_does_not_depend_on_its_neighbours(beta):
    X, W = planted()
    X *= np.logspace(-3, 3, len(X))[:, np.newaxis]
    settings = {"beta": beta, "sparsity": 0.1, "n_iter": 50}
    together = infer_activations(X, W, **settings)
    for t in range(len(X)):
        alone = infer_activations(X[t : t + 1], W, **settings)
        scale = 1e-12 * max(1, alone.max())
        np.testing.assert_allclose(together[t : t + 1], alone, rtol=1e-9, atol=scale)


@pytest.mark.parametrize("block", [1, 7, 20, 21])
@pytest.mark.parametrize("beta", [2, 1, 0])
def test_block_boundaries_have_no_effect(monkeypatch, beta, block):
    X, W = planted()
    settings = {"beta": beta, "sparsity": 0.1, "n_iter": 50}
    whole = infer_activations(X, W, **settings)
    assert len(X) < blocks.block_length(max(W.shape))
    monkeypatch.setattr(blocks, "block_length", lambda n_components: block)
    in_blocks = infer_activations(X, W, **settings)
    np.testing.assert_allclose(in_blocks, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sparsity", [0, 0.3])
@pytest.mark.parametrize("beta", BETAS)
def test_silent_frames_get_no_activation(beta, sparsity, dtype):
    X, W = planted()
    X[[0, 7]] = 0
    H = infer_activations(
        X.astype(dtype), W.astype(dtype), beta=beta, sparsity=sparsity, n_iter=100
    )
    assert H.dtype == dtype
    assert H[1].max() > 0.1
    if beta > 0:
        np.testing.assert_array_equal(H[[0, 7]], 0)
    else:
        # A divergence that needs positive data sees MIN_MAGNITUDE instead of 0.
        assert H[[0, 7]].max() < MIN_MAGNITUDE


def test_weak_frames_get_exactly_no_activation():
    X, W = planted()
    sparsity = 2 * (X @ W.T).max()
    H = infer_activations(X, W, beta=2, sparsity=sparsity, n_iter=200)
    np.testing.assert_array_equal(H, 0)


@pytest.mark.parametrize("level", [1e-8, 1.0, 1e4])
def test_levels(level):
    X, W, H = problem()
    # D_2 goes with the square of the level and the penalty with the level itself.
    expected = factorize(X, W, H, beta=2, sparsity=0.1, max_iter=30, tol=0)
    result = factorize(level * X, W, level * H, beta=2, sparsity=0.1 * level, max_iter=30, tol=0)
    np.testing.assert_allclose(result[0], expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result[1], level * expected[1], rtol=1e-10, atol=1e-12 * level)
    np.testing.assert_allclose(result[2], level**2 * expected[2], rtol=1e-10)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (5, 1, 3), (4, 5, 9)])
@pytest.mark.parametrize("beta", BETAS)
def test_one_frame_one_bin_one_component(shape, beta):
    X, W, H = problem(*shape)
    W, H, curve = factorize(X, W, H, beta=beta, sparsity=0.01, max_iter=20, tol=0)
    assert W.shape == (shape[2], shape[1])
    assert H.shape == (shape[0], shape[2])
    assert curve[-1] <= curve[0]


def test_inputs_are_left_alone():
    for beta in BETAS:
        arrays = problem()
        copies = [array.copy() for array in arrays]
        for array in arrays:
            array.flags.writeable = False
        factorize(*arrays, beta=beta, sparsity=0.1, n_fixed=1, max_iter=3)
        infer_activations(arrays[0], arrays[1], beta=beta, sparsity=0.1, n_iter=3)
        for array, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_stops_once_ten_iterations_lower_the_objective_by_less_than_tol():
    X, W, H = problem(60, 20, 5)
    settings = {"beta": 2, "sparsity": 0.1, "max_iter": 500}
    _, _, whole = factorize(X, W, H, **settings, tol=0)
    assert len(whole) == 501
    for tol in (1e-2, 1e-3, 1e-4):
        _, _, curve = factorize(X, W, H, **settings, tol=tol)
        gains = whole[:-10:10] - whole[10::10]
        checked = 10 * (1 + int(np.argmax(gains < tol * whole[0])))
        assert len(curve) == checked + 1
        np.testing.assert_array_equal(curve, whole[: len(curve)])


def test_callback_gets_every_new_objective():
    X, W, H = problem()
    reported = []

    def report(value, components):
        reported.append((value, components))
        return len(reported) == stop

    stop = None
    W1, _, curve = factorize(X, W, H, beta=1, sparsity=0.1, max_iter=7, callback=report)
    np.testing.assert_array_equal([value for value, _ in reported], curve[1:])
    np.testing.assert_array_equal(reported[-1][1], W1)
    reported, stop = [], 3
    _, _, curve = factorize(X, W, H, beta=1, sparsity=0.1, max_iter=7, callback=report)
    assert len(curve) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", [1e-30, 1e-8, 1.0, 1e4, 1e30])
def test_unit_rows(level, dtype):
    W = np.random.default_rng(0).uniform(0.1, 1, (4, 9))
    rows = unit_rows((level * W).astype(dtype))
    assert rows.dtype == dtype
    expected = W / np.sqrt(np.sum(W**2, axis=1, keepdims=True))
    np.testing.assert_allclose(rows, expected, rtol=4 * np.finfo(dtype).eps)


def test_unit_rows_of_zeros_are_zeros():
    np.testing.assert_array_equal(unit_rows(np.zeros((2, 3))), 0)
    assert 0 < MIN_ENTRY < MIN_MAGNITUDE
