"""Reproducibility of fits bit by bit, and global state that no call changes."""

import contextlib

import joblib
import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator, metrics
from sknmf_unfold.datasets import MixtureDataset, make_noisy_speech, mix_at_snr
from sknmf_unfold.separators import LSTMSeparator
from sknmf_unfold.signal import ratio_masks
from sknmf_unfold.streaming import StreamingSeparator
from tests._estimators import public_estimators

each_estimator = pytest.mark.parametrize(
    "estimator", public_estimators(), ids=lambda e: type(e).__name__
)
UNUSUAL = {
    "as they are": lambda: contextlib.nullcontext(),
    "float64 by default": lambda: restored(
        torch.get_default_dtype, torch.set_default_dtype, torch.float64
    ),
    "one thread": lambda: threads(1),
    "two threads": lambda: threads(2),
    "four threads": lambda: threads(4),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "deterministic": lambda: restored(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "floating point errors raise": lambda: np.errstate(all="raise"),
    "another device": lambda: restored(lambda: None, torch.set_default_device, "meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "old print options": lambda: np.printoptions(legacy="1.13", precision=1),
    "threads for jobs": lambda: joblib.parallel_config("threading", n_jobs=2),
    "scikit-learn's checks off": lambda: sklearn.config_context(
        assume_finite=True, skip_parameter_validation=True
    ),
    "scikit-learn's array API": lambda: sklearn.config_context(array_api_dispatch=True),
    "scikit-learn's routing": lambda: sklearn.config_context(enable_metadata_routing=True),
}


def has_array_api():
    """Whether scikit-learn dispatches arrays; before 1.7 it needs another package for that."""
    try:
        with sklearn.config_context(array_api_dispatch=True):
            return True
    except ImportError:
        return False


if not has_array_api():
    del UNUSUAL["scikit-learn's array API"]


@contextlib.contextmanager
def threads(n_threads):
    with threadpool_limits(n_threads, user_api="blas"):
        with restored(torch.get_num_threads, torch.set_num_threads, n_threads):
            yield


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
        "default device": torch.empty(0).device,
        "autocast": torch.is_autocast_enabled("cpu"),
        "floating point errors": np.geterr(),
        "scikit-learn's settings": sklearn.get_config(),
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
    for name in ("seconds", "data_wait_seconds"):
        learned.get("history_", {}).pop(name, None)
    return results, learned


KINDS = ["recordings", "float32 recordings", "table"]


@pytest.fixture(params=KINDS)
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


def cases():
    """Every estimator with every setting and one kind of data; the slow ones have the others."""
    for i, estimator in enumerate(public_estimators()):
        for j, setting in enumerate(UNUSUAL):
            for k, kind in enumerate(KINDS):
                marks = [pytest.mark.slow] * ((i + j + k) % len(KINDS) > 0)
                case = f"{type(estimator).__name__}-{setting}-{kind}"
                yield pytest.param(estimator, setting, kind, marks=marks, id=case)


@pytest.fixture(scope="module")
def usual():
    """Hashes of the results in the usual state, computed once for each estimator and data."""
    return {}


@pytest.mark.parametrize(("estimator", "setting", "data"), list(cases()), indirect=["data"])
def test_global_state_is_left_alone(estimator, setting, data, usual):
    key = type(estimator), joblib.hash(data)
    if key not in usual:
        usual[key] = joblib.hash(use(estimator, data))
    with UNUSUAL[setting]():
        before = global_state()
        result = use(estimator, data)
        assert global_state() == before
    assert joblib.hash(result) == usual[key]


NMF = {"max_iter": 5, "random_state": 0}
STREAMED = {
    "drnmf": DRNMFSeparator(nmf=SupervisedNMFSeparator(5, **NMF), max_epochs=1, random_state=0),
    "lstm": LSTMSeparator(1, 4, max_epochs=1, random_state=0),
    "warm_ista": SupervisedNMFSeparator(5, inference="warm_ista", n_iter=3, **NMF),
    "mu": SupervisedNMFSeparator(5, inference="mu", n_iter=3, **NMF),
}


@pytest.mark.parametrize("setting", UNUSUAL)
@pytest.mark.parametrize("name", STREAMED)
def test_streams_do_not_depend_on_it(speech, name, setting, usual):
    # Of frames that are so quiet numbers underflow.
    X, Y = (
        [np.concatenate([x[:3000], np.float32(1e-30) * x[3000:5000]]) for x in part[:3]]
        for part in speech
    )
    x = np.concatenate(X)

    def separated():
        pipe = make_pipeline(STFT(), clone(STREAMED[name])).fit(X, Y)
        stream = StreamingSeparator(pipe)
        return np.concatenate([stream.process(x[:3000]), stream.process(x[3000:]), stream.flush()])

    if name not in usual:
        usual[name] = separated()
    with UNUSUAL[setting]():
        before = global_state()
        actual = separated()
        assert global_state() == before
    assert np.array_equal(actual, usual[name])


def computed(speech):
    """Results of public functions for recordings that are so quiet that their squares underflow."""
    X, Y = ([np.float32(1e-23) * x for x in part[:3]] for part in speech)
    spectrograms = STFT().transform(X)
    interference = [x - y for x, y in zip(X, Y, strict=True)]
    dataset = MixtureDataset(Y, interference, gain_db=[-60], speed_factors=[0.9, 1.1])
    return {
        "made": make_noisy_speech(1, duration=0.3, random_state=0),
        "mixed": mix_at_snr(Y[0], interference[0], -3.0),
        "drawn": dataset.draw(),
        "redrawn": MixtureDataset.from_mixtures(X, Y).draw(),
        "inverse": spectrograms[0].masked(spectrograms[0].magnitude() ** 0).inverse(),
        "masks": ratio_masks(np.float32([[[1e-40, 1.0]], [[1e-3, 1e-40]]])),
        "scores": [getattr(metrics, name)(Y, X) for name in ("sdr", "si_sdr", "mean_sdr")],
        "improvements": [metrics.sdr_improvement(Y, X, X), metrics.si_sdr_improvement(Y, X, X)],
        "quiet": SparseNMF(5, sparsity=1e-24, max_iter=5, random_state=0).fit(spectrograms),
    }


@pytest.mark.parametrize("setting", UNUSUAL)
def test_functions_do_not_depend_on_it(speech, setting, usual):
    if "functions" not in usual:
        usual["functions"] = hashes(computed(speech))
    with UNUSUAL[setting]():
        before = global_state()
        actual = computed(speech)
        assert global_state() == before
    assert hashes(actual) == usual["functions"]


def hashes(values):
    return {name: joblib.hash(value) for name, value in values.items()}


@each_estimator
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_by_default_change_no_other_result(estimator, magnitudes, speech, library):
    X, Y = speech if isinstance(estimator, STFT) else magnitudes
    model = clone(estimator).fit(X, Y)
    with sklearn.config_context(transform_output=library):
        other = clone(estimator).fit(X, Y)
        learned = {name: value for name, value in vars(other).items() if name.endswith("_")}
        for name, value in learned.items():
            if name != "history_":
                np.testing.assert_equal(value, getattr(model, name))
        if hasattr(model, "predict"):
            np.testing.assert_equal(other.predict(X), model.predict(X))
            assert other.score(X, Y) == model.score(X, Y)


def test_between_two_mixtures_the_caller_has_his_settings(speech):
    dataset = MixtureDataset(speech[1], speech[0])
    with np.errstate(all="raise"):
        before = np.geterr()
        for _ in dataset.mixtures():
            assert np.geterr() == before


@each_estimator
def test_no_fit_switches_the_process(estimator, magnitudes, speech, monkeypatch):
    """Two fits at once would each put back what the other one had set."""
    switches = ("set_float32_matmul_precision", "set_default_dtype")
    for name in switches:
        monkeypatch.setattr(torch, name, lambda value, name=name: pytest.fail(f"torch.{name}"))
    clone(estimator).fit(*(speech if isinstance(estimator, STFT) else magnitudes))
