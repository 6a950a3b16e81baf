import tracemalloc

import numpy as np
import pytest

from sknmf_unfold.runtime.ista import largest_eigenvalue
from sknmf_unfold.runtime.recurrence import FrameByFrame
from tests.oracles.ista import warm_ista_loop

# Components, bins, repeats: which form takes fewer multiplications.
SIZES = {"components": (6, 14, 1), "bins": (14, 6, 1), "repeated": (9, 6, 3), "long": (40, 6, 3)}


def problem(n_components, n_freqs, n_layers=2, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    components = rng.gamma(0.5, 1.0, (n_layers, n_components, n_freqs))
    components /= np.linalg.norm(components, axis=2, keepdims=True)
    steps = np.array([0.9 / largest_eigenvalue(layer) for layer in components])
    sparsity = rng.uniform(0.05, 0.2, (n_layers, n_components))
    initial = rng.uniform(0, 1, n_components)
    return [x.astype(dtype) for x in (components, steps, sparsity, initial)]


def loop(magnitude, components, steps, sparsity, initial, n_repeats, dynamics=None):
    """One frame, layer and product after the other."""
    results = []
    for frames in magnitude:
        h, rows = initial, []
        for x in frames:
            if dynamics is not None:
                h = dynamics.T @ h
            for _ in range(n_repeats):
                for D, step, threshold in zip(components, steps, sparsity, strict=True):
                    h = np.maximum(h + step * (D @ (x - D.T @ h) - threshold), 0)
            rows.append(h)
        results.append(rows)
    return np.array(results)


@pytest.mark.parametrize("n_streams", [1, 3])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_equals_the_loop(size, n_streams, dtype, tolerance):
    *shape, n_repeats = size
    layers = problem(*shape, dtype=dtype)
    magnitude = np.random.default_rng(1).gamma(0.5, 2.0, (n_streams, 12, shape[1])).astype(dtype)
    infer = FrameByFrame(*layers, n_repeats, n_streams, max_frames=5)
    cuts = np.split(magnitude, [5, 6, 10], axis=1)
    actual = np.concatenate([infer(part).copy() for part in cuts], axis=1)
    expected = loop(magnitude, *layers, n_repeats)
    assert actual.dtype == dtype and 0.05 < np.mean(expected > 0) < 0.99
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("n_streams", [1, 3])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_dynamics_enter_every_frame(size, n_streams):
    *shape, n_repeats = size
    layers, rng = problem(*shape), np.random.default_rng(1)
    magnitude = rng.gamma(0.5, 2.0, (n_streams, 6, shape[1]))
    diagonal = rng.uniform(0.3, 1.2, shape[0])
    matrix = np.diag(diagonal) + 0.1 * rng.standard_normal((shape[0], shape[0]))
    for given, whole in ((diagonal, np.diag(diagonal)), (matrix, matrix)):
        infer = FrameByFrame(*layers, n_repeats, n_streams, max_frames=6, dynamics=given)
        expected = loop(magnitude, *layers, n_repeats, whole)
        np.testing.assert_allclose(infer(magnitude), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("context", [1, 4])
@pytest.mark.parametrize("n_streams", [1, 3])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_components_last_as_their_envelopes_say(size, n_streams, context):
    *shape, n_repeats = size
    (components, steps, *rest), rng = problem(*shape), np.random.default_rng(1)
    envelopes = rng.gamma(0.5, 1.0, (*components.shape[:2], context))
    envelopes /= np.linalg.norm(envelopes, axis=2, keepdims=True)
    lasting = envelopes[..., np.newaxis] * components[:, :, np.newaxis]
    lasting = lasting.reshape(*components.shape[:2], -1)
    magnitude = rng.gamma(0.5, 2.0, (n_streams, 12, shape[1]))
    silent = np.concatenate([np.zeros((n_streams, context - 1, shape[1])), magnitude], axis=1)
    stacks = [silent[:, t : t + context].reshape(n_streams, -1) for t in range(12)]
    expected = loop(np.stack(stacks, axis=1), lasting, steps, *rest, n_repeats)
    settings = {"n_repeats": n_repeats, "n_streams": n_streams, "envelopes": envelopes}
    infer = FrameByFrame(components, steps, *rest, max_frames=5, **settings)
    cuts = [5, 6, 10]
    parts = [infer(part).copy() for part in np.split(magnitude, cuts, axis=1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, rtol=0, atol=1e-12)
    infer.reset()
    np.testing.assert_allclose(infer(magnitude[:, :3]), expected[:, :3], rtol=0, atol=1e-12)
    infer.go_on_from(expected[:, 7], silent[:, 8 : 8 + context - 1])
    np.testing.assert_allclose(infer(magnitude[:, 8:]), expected[:, 8:], rtol=0, atol=1e-12)


def test_one_layer_repeated_is_warm_start_ista():
    components, steps, _, _ = problem(8, 5, n_layers=1)
    magnitude = np.random.default_rng(1).gamma(0.5, 2.0, (2, 7, 5))
    infer = FrameByFrame(components, steps, np.full((1, 8), 0.1), np.zeros(8), 4, 2, 7)
    expected = [
        warm_ista_loop(x, components[0], sparsity=0.1, step_size=steps[0], n_iter=4)
        for x in magnitude
    ]
    np.testing.assert_allclose(infer(magnitude), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("active", [0, 1, 3, 9, 10, 11, 40])
def test_skipping_what_is_0_changes_nothing(active):
    layers = problem(40, 6)
    layers[3][:] = 0
    layers[3][:active] = 1.0
    magnitude = np.random.default_rng(1).gamma(0.5, 2.0, (1, 1, 6))
    expected = loop(magnitude, *layers, 1)
    np.testing.assert_allclose(FrameByFrame(*layers)(magnitude), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_streams", [1, 2])
@pytest.mark.parametrize("size", [(6, 14), (14, 6)])
def test_reset_and_another_state(size, n_streams):
    layers = problem(*size)
    magnitude = np.random.default_rng(1).gamma(0.5, 2.0, (n_streams, 4, size[1]))
    infer = FrameByFrame(*layers, n_streams=n_streams, max_frames=4)
    whole = infer(magnitude).copy()
    assert not np.allclose(infer(magnitude), whole)
    infer.reset()
    np.testing.assert_array_equal(infer(magnitude), whole)
    infer.go_on_from(whole[:, 1])
    np.testing.assert_array_equal(infer(magnitude[:, 2:]), whole[:, 2:])


@pytest.mark.parametrize("size", [(60, 140), (140, 60)])
def test_no_memory_is_asked_for_in_the_long_run(size):
    layers = problem(*size, dtype="float32")
    infer = FrameByFrame(*layers)
    magnitude = np.ones((1, 1, size[1]), np.float32)
    infer(magnitude)
    tracemalloc.start()
    try:
        for _ in range(200):
            infer(magnitude)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Less than one row of activations for each call.
    assert peak < 4000
