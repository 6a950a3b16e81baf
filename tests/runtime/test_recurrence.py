"""Activations frame by frame against the loop over frames, layers and repeats."""

import threading
import tracemalloc

import numpy as np
import pytest

from sknmf_unfold.runtime.recurrence import RunningRecurrence
from tests.oracles.ista import warm_ista_loop
from tests.oracles.recurrence import draw_weights, drnmf_loop

# Components, bins, repeats: which form takes fewer multiplications.
SIZES = {"gram": (6, 14, 1), "residual": (14, 6, 1), "repeated": (9, 6, 3), "long": (40, 6, 3)}
MODELS = [{}, {"dynamics": "diagonal"}, {"dynamics": "full"}, {"context": 1}, {"context": 4}]


def problem(size, dtype="float64", n_streams=1, n_frames=12, **model):
    n_components, n_freqs, n_repeats = size
    weights = draw_weights(2, n_components, n_freqs, **model)
    weights = {name: x.astype(dtype) for name, x in weights.items()}
    rng = np.random.default_rng(1)
    magnitude = rng.gamma(0.5, 2.0, (n_streams, n_frames, n_freqs)).astype(dtype)
    return weights, magnitude, n_repeats


def running(weights, n_repeats=1, n_streams=1, envelopes=False):
    names = "components", "step_sizes", "sparsity", "initial_activations"
    settings = {"n_repeats": n_repeats, "dynamics": weights["dynamics"]}
    settings["envelopes"] = weights["envelopes"] if envelopes else None
    return RunningRecurrence(*(weights[name] for name in names), **settings).fresh(n_streams)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("n_streams", [1, 3])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_equals_the_loop(size, n_streams, model, dtype, tolerance):
    weights, magnitude, n_repeats = problem(size, dtype, n_streams, **model)
    infer = running(weights, n_repeats, n_streams, "context" in model)
    # Calls of any length, also longer than those before.
    parts = np.split(magnitude, [2, 3, 8], axis=1)
    actual = np.concatenate([infer(part).copy() for part in parts], axis=1)
    exact = {name: x.astype("float64") for name, x in weights.items()}
    expected = np.stack([drnmf_loop(exact, x.astype("float64"), n_repeats)[0] for x in magnitude])
    assert actual.dtype == dtype and 0.05 < np.mean(expected > 0) < 1
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, expected.max()))


def test_one_layer_repeated_is_warm_start_ista():
    weights = draw_weights(1, 8, 5)
    magnitude = np.random.default_rng(1).gamma(0.5, 2.0, (2, 7, 5))
    components, steps = weights["components"], weights["step_sizes"]
    infer = RunningRecurrence(components, steps, np.full((1, 8), 0.1), np.zeros(8), n_repeats=4)
    expected = [
        warm_ista_loop(x, components[0], sparsity=0.1, step_size=steps[0], n_iter=4)
        for x in magnitude
    ]
    np.testing.assert_allclose(infer.fresh(2)(magnitude), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("active", [0, 1, 3, 9, 10, 11, 40])
def test_skipping_what_is_0_is_identity(active):
    weights, magnitude, _ = problem((40, 6, 1), n_frames=1)
    weights["initial_activations"][:] = 0
    weights["initial_activations"][:active] = 1.0
    expected, _ = drnmf_loop(weights, magnitude[0])
    np.testing.assert_allclose(running(weights)(magnitude)[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("context", [1, 4])
@pytest.mark.parametrize("n_streams", [1, 2])
@pytest.mark.parametrize("size", [(6, 14, 1), (14, 6, 1)])
def test_reset_and_resume(size, n_streams, context):
    weights, magnitude, _ = problem(size, n_streams=n_streams, n_frames=8, context=context)
    infer = running(weights, n_streams=n_streams, envelopes=context > 1)
    whole = infer(magnitude).copy()
    assert not np.allclose(infer(magnitude), whole)
    infer.reset()
    np.testing.assert_array_equal(infer(magnitude), whole)
    infer.resume(whole[:, 4], magnitude[:, 5 - context + 1 : 5])
    np.testing.assert_allclose(infer(magnitude[:, 5:]), whole[:, 5:], rtol=0, atol=1e-13)


def test_fresh_ones_share_no_state():
    weights, magnitude, _ = problem((6, 14, 1), n_frames=200, context=3)
    infer = running(weights, envelopes=True)
    expected, results = infer(magnitude).copy(), {}

    def run(i):
        results[i] = infer.fresh(1)(magnitude).copy()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results.values():
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("size", [(60, 140, 1), (140, 60, 1)])
def test_no_memory_is_allocated_in_the_long_run(size):
    weights, _, _ = problem(size, "float32")
    infer = running(weights)
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
