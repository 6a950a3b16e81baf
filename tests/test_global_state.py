"""Fits repeat bit by bit, and nothing outside the estimator changes."""

import contextlib

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone

from sknmf_unfold import STFT
from tests._estimators import public_estimators

each_estimator = pytest.mark.parametrize(
    "estimator", public_estimators(), ids=lambda e: type(e).__name__
)
UNUSUAL = {
    "as they are": lambda: contextlib.nullcontext(),
    "float64 by default": lambda: restored(
        torch.get_default_dtype, torch.set_default_dtype, torch.float64
    ),
    "other threads": lambda: restored(
        torch.get_num_threads, torch.set_num_threads, torch.get_num_threads() + 1
    ),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "deterministic": lambda: restored(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "floating point errors raise": lambda: np.errstate(divide="raise", invalid="raise"),
}


@contextlib.contextmanager
def restored(read, write, value):
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


def global_state():
    return {
        "numpy's random state": joblib.hash(np.random.get_state()),  # noqa: NPY002
        "torch's random state": joblib.hash(torch.get_rng_state().numpy()),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "floating point errors": np.geterr(),
        "print options": joblib.hash(np.get_printoptions()),
    }


def use(estimator, data):
    """Fit and call everything; return the results, and what was learned."""
    X, Y = data
    model = clone(estimator).fit(X, Y)
    methods = ("predict", "predict_mask", "transform", "get_feature_names_out", "score")
    found = [name for name in methods if hasattr(model, name)]
    arguments = {"score": (X, Y), "get_feature_names_out": ()}
    results = {name: getattr(model, name)(*arguments.get(name, (X,))) for name in found}
    assert "transform" in found
    if hasattr(model, "partial_fit"):
        results["partial_fit"] = model.partial_fit(X, Y).transform(X)
    learned = {name: value for name, value in vars(model).items() if name.endswith("_")}
    # The only thing that is not the same each time.
    learned.get("history_", {}).pop("seconds", None)
    return results, learned


@pytest.fixture(params=["recordings", "float32 recordings", "table"])
def data(request, speech, magnitudes, estimator):
    pairs = speech if isinstance(estimator, STFT) else magnitudes
    if request.param == "table":
        return tuple(np.stack([item[:20].ravel() for item in items]) for items in pairs)
    dtype = "float32" if "float32" in request.param else "float64"
    return tuple([item.astype(dtype) for item in items] for items in pairs)


@each_estimator
def test_the_same_seed_gives_the_same_bits(estimator, data):
    first = use(estimator, data)
    # Whatever else was drawn in between.
    np.random.uniform(size=3)  # noqa: NPY002
    torch.rand(3)
    assert joblib.hash(use(estimator, data)) == joblib.hash(first)


@each_estimator
@pytest.mark.parametrize("setting", UNUSUAL)
def test_global_state_is_left_alone(estimator, data, setting):
    expected = use(estimator, data)
    with UNUSUAL[setting]():
        before = global_state()
        result = use(estimator, data)
        assert global_state() == before
    # Other threads may add up in another order.
    assert joblib.hash(result) == joblib.hash(expected) or setting == "other threads"


@each_estimator
def test_no_fit_switches_the_process(estimator, magnitudes, speech, monkeypatch):
    """Two fits at once would each put back what the other one had set."""
    switches = ("set_float32_matmul_precision", "set_default_dtype", "set_num_threads")
    for name in switches:
        monkeypatch.setattr(torch, name, lambda value, name=name: pytest.fail(f"torch.{name}"))
    clone(estimator).fit(*(speech if isinstance(estimator, STFT) else magnitudes))
