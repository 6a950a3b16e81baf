import numpy as np
import pytest
from sklearn.linear_model import Lasso

from sknmf_unfold.runtime.ista import (
    ista,
    ista_step,
    largest_eigenvalue,
    project_input,
    transition_matrix,
)
from sknmf_unfold.runtime.recurrence import RunningRecurrence
from tests.oracles.ista import ista_loop, soft_threshold, warm_ista_loop

LEVELS = (1e-8, 1.0, 1e4)
SPARSITY = 0.3


def problem(n_frames=12, n_freqs=14, n_components=6, seed=0):
    """Frames, a dictionary of unit rows that explains them, and the automatic step."""
    rng = np.random.default_rng(seed)
    components = rng.gamma(0.5, 1.0, (n_components, n_freqs)) + 1e-3
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    magnitude = rng.gamma(0.5, 2.0, (n_frames, n_components)) @ components
    magnitude += 0.1 * rng.random(magnitude.shape)
    return magnitude, components, 1 / largest_eigenvalue(components)


def warm_ista(magnitude, components, *, sparsity, step_size, n_iter, initial=None):
    """Activations of sequences, each frame starting from the previous frame's result."""
    n_components, dtype = len(components), components.dtype
    steps, weights = np.full(1, step_size, dtype), np.full((1, n_components), sparsity, dtype)
    recurrence = RunningRecurrence(
        components[np.newaxis], steps, weights, np.zeros(n_components, dtype), n_repeats=n_iter
    )
    recurrence = recurrence.fresh(len(magnitude))
    if initial is not None:
        recurrence.resume(initial)
    return recurrence(magnitude)


def objective(magnitude, components, activations, sparsity=SPARSITY):
    """1/2 ||x - h W||^2 + sparsity sum(h), for each frame."""
    squares = (magnitude - activations @ components) ** 2
    return 0.5 * squares.sum(axis=-1) + sparsity * activations.sum(axis=-1)


def lasso_optimum(magnitude, components, sparsity=SPARSITY):
    # Lasso divides the squared error by 2 n_freqs, and its weight with it.
    alpha = sparsity / magnitude.shape[1]
    lasso = Lasso(alpha, positive=True, fit_intercept=False, tol=1e-14, max_iter=100_000)
    return np.array([lasso.fit(components.T, x).coef_ for x in magnitude])


# The laws


def test_fixed_point_is_the_lasso_solution():
    magnitude, components, step_size = problem()
    settings = {"sparsity": SPARSITY, "step_size": step_size}
    optimum = lasso_optimum(magnitude, components)
    assert 0 < np.mean(optimum == 0) < 1
    activations = ista(magnitude, components, n_iter=5000, **settings)
    np.testing.assert_allclose(activations, optimum, rtol=0, atol=1e-9)
    # The optimum is what one iteration leaves as it is.
    projected = project_input(magnitude, components, **settings)
    again = ista_step(optimum, projected, transition_matrix(components, step_size))
    np.testing.assert_allclose(again, optimum, rtol=0, atol=1e-9)
    warm = warm_ista(magnitude[np.newaxis], components, n_iter=2000, **settings)
    np.testing.assert_allclose(warm[0], optimum, rtol=0, atol=1e-8)


@pytest.mark.parametrize("level", LEVELS)
def test_every_iteration_lowers_the_objective_of_every_frame(level):
    magnitude, components, step_size = problem()
    magnitude, sparsity = level * magnitude, level * SPARSITY
    activations = [
        ista(magnitude, components, sparsity=sparsity, step_size=step_size, n_iter=n_iter)
        for n_iter in range(40)
    ]
    curves = np.array([objective(magnitude, components, h, sparsity) for h in activations])
    assert (np.diff(curves, axis=0) <= 1e-14 * curves[0]).all()
    assert (curves[-1] < 0.9 * curves[0]).all()


def test_steps_of_more_than_twice_the_automatic_one_do_not_converge():
    # So that the Lipschitz constant is the right one and not only an upper bound.
    magnitude, components, step_size = problem()
    optimum = objective(magnitude, components, lasso_optimum(magnitude, components)).sum()
    for factor, converges in ((1.9, True), (2.1, False)):
        settings = {"sparsity": SPARSITY, "step_size": factor * step_size, "n_iter": 3000}
        reached = objective(magnitude, components, ista(magnitude, components, **settings)).sum()
        assert reached < (1 + 1e-9) * optimum if converges else reached > 1.01 * optimum


@pytest.mark.parametrize("n_iter", [1, 2, 5])
def test_a_warm_start_is_nearer_to_the_optimum_on_slowly_varying_frames(n_iter):
    _, components, step_size = problem()
    rng = np.random.default_rng(1)
    tracks = np.cumsum(rng.standard_normal((60, 6)), axis=0) * 0.05 + 2 * rng.random(6)
    magnitude = np.maximum(tracks, 0) @ components
    settings = {"sparsity": SPARSITY, "step_size": step_size, "n_iter": n_iter}
    optimum = objective(magnitude, components, lasso_optimum(magnitude, components))
    cold = objective(magnitude, components, ista(magnitude, components, **settings)) - optimum
    warm = warm_ista(magnitude[np.newaxis], components, **settings)[0]
    warm = objective(magnitude, components, warm) - optimum
    # After the first frames, which have nothing to start from.
    assert warm[20:].mean() < 0.2 * cold[20:].mean()
    assert warm.min() > -1e-12


# The oracles


@pytest.mark.parametrize("n_iter", [0, 1, 2, 7])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 5.0])
# Of 14 bins: few components, or so many that no iteration multiplies by a matrix of all pairs.
@pytest.mark.parametrize("n_components", [6, 40])
def test_equals_the_loop(n_iter, sparsity, n_components):
    magnitude, components, step_size = problem(n_components=n_components)
    settings = {"sparsity": sparsity, "step_size": step_size, "n_iter": n_iter}
    expected = ista_loop(magnitude, components, **settings)
    activations = ista(magnitude, components, **settings)
    np.testing.assert_allclose(activations, expected, rtol=0, atol=1e-13)
    expected = warm_ista_loop(magnitude, components, **settings)
    activations = warm_ista(magnitude[np.newaxis], components, **settings)
    np.testing.assert_allclose(activations[0], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_components", [6, 40])
def test_batch_equals_one_by_one_in_the_dtype_of_the_input(dtype, n_components):
    magnitude, components, step_size = problem(24, n_components=n_components)
    batch, components = magnitude.reshape(3, 8, -1).astype(dtype), components.astype(dtype)
    settings = {"sparsity": SPARSITY, "step_size": step_size, "n_iter": 3}
    activations = warm_ista(batch, components, **settings)
    assert activations.dtype == ista(batch[0], components, **settings).dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    for sequence, result in zip(batch, activations, strict=True):
        alone = warm_ista(sequence[np.newaxis], components, **settings)[0]
        np.testing.assert_allclose(result, alone, rtol=0, atol=tolerance)
        expected = warm_ista_loop(sequence, components, **settings)
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("block", [1, 5, 11])
def test_going_on_from_a_state_equals_one_go(block):
    magnitude, components, step_size = problem()
    settings = {"sparsity": SPARSITY, "step_size": step_size, "n_iter": 2}
    initial = np.random.default_rng(0).random((1, 6))
    batch = magnitude[np.newaxis]
    whole = warm_ista(batch, components, initial=initial, **settings)
    expected = warm_ista_loop(magnitude, components, initial=initial[0], **settings)
    np.testing.assert_allclose(whole[0], expected, rtol=0, atol=1e-13)
    first = warm_ista(batch[:, :block], components, initial=initial, **settings)
    rest = warm_ista(batch[:, block:], components, initial=first[:, -1], **settings)
    np.testing.assert_allclose(np.concatenate([first, rest], 1), whole, rtol=0, atol=1e-13)
    assert np.abs(whole - warm_ista(batch, components, **settings)).max() > 1e-3


@pytest.mark.parametrize("shape", [(6, 14), (14, 6), (1, 9), (9, 1), (1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_largest_eigenvalue_is_the_squared_largest_singular_value(shape, dtype):
    components = np.random.default_rng(0).random(shape).astype(dtype)
    expected = np.linalg.svd(components.astype("float64"), compute_uv=False)[0] ** 2
    eigenvalue = largest_eigenvalue(components)
    assert type(eigenvalue) is float
    assert eigenvalue == pytest.approx(expected, rel=1e-13)


def test_transition_matrix_is_its_formula():
    _, components, _ = problem()
    for step_size in (0.01, 1.0):
        expected = np.eye(6) - step_size * components @ components.T
        np.testing.assert_allclose(transition_matrix(components, step_size), expected, atol=1e-15)


def test_soft_threshold_of_the_oracle():
    # |v| - threshold with the sign of v, and what is negative cut off.
    values = {2.0: 1.5, 0.5: 0.0, 0.4: 0.0, 0.0: 0.0, -0.4: 0.0, -2.0: 0.0}
    assert {value: soft_threshold(value, 0.5) for value in values} == values


# The edges


def test_weak_frames_get_exactly_no_activation():
    magnitude, components, step_size = problem()
    settings = {"step_size": step_size, "n_iter": 3}
    threshold = float((magnitude @ components.T).max())
    none = ista(magnitude, components, sparsity=threshold, **settings)
    np.testing.assert_array_equal(none, 0)
    assert ista(magnitude, components, sparsity=0.999 * threshold, **settings).max() > 0
    silence = warm_ista(np.zeros((2, 3, 14)), components, sparsity=0.0, **settings)
    np.testing.assert_array_equal(silence, 0)


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level):
    magnitude, components, step_size = problem()
    settings = {"step_size": step_size, "n_iter": 4}
    expected = ista(magnitude, components, sparsity=SPARSITY, **settings)
    scaled = ista(level * magnitude, components, sparsity=level * SPARSITY, **settings)
    np.testing.assert_allclose(scaled, level * expected, rtol=0, atol=1e-14 * level)


@pytest.mark.parametrize("shape", [(1, 14, 6), (3, 1, 6), (3, 14, 1), (1, 1, 1)])
def test_one_frame_one_bin_one_component(shape):
    magnitude, components, step_size = problem(*shape)
    settings = {"sparsity": 0.01, "step_size": step_size, "n_iter": 3}
    expected = ista_loop(magnitude, components, **settings)
    np.testing.assert_allclose(ista(magnitude, components, **settings), expected, atol=1e-14)
    expected = warm_ista_loop(magnitude, components, **settings)
    warm = warm_ista(magnitude[np.newaxis], components, **settings)
    np.testing.assert_allclose(warm[0], expected, atol=1e-14)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n_components", [6, 40])
def test_inputs_are_left_alone(level, n_components):
    magnitude, components, step_size = problem(n_components=n_components)
    arrays = level * magnitude, components, level * np.ones((1, n_components))
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    settings = {"sparsity": SPARSITY, "step_size": step_size, "n_iter": 2}
    ista(arrays[0], components, **settings)
    warm_ista(arrays[0][np.newaxis], components, initial=arrays[2], **settings)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
