"""Fitted models through joblib, skops and copies: same output, no foreign types, versions."""

import copy
import inspect
import io
import json
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

import sknmf_unfold
from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.base import versions
from tests._estimators import quick

PUBLIC = [
    value
    for name in sknmf_unfold.__all__
    if inspect.isclass(value := getattr(sknmf_unfold, name)) and issubclass(value, BaseEstimator)
]


def models(X, Y):
    """Every public estimator, fitted: alone, behind an STFT, and where another is a parameter."""
    spectrograms = STFT().transform(X)
    found = {}
    for estimator in PUBLIC:
        first = X if estimator is STFT else spectrograms
        found[estimator.__name__] = quick(estimator).fit(first, Y)
        if hasattr(estimator, "predict"):
            steps = [("stft", STFT()), ("sep", quick(estimator))]
            found[f"Pipeline of {estimator.__name__}"] = Pipeline(steps).fit(X, Y)
    for name in ("SparseNMF", "SupervisedNMFSeparator"):
        frozen = quick(DRNMFSeparator, nmf=FrozenEstimator(found[name]))
        found[f"DRNMFSeparator from {name}"] = frozen.fit(spectrograms, Y)
    draws = np.random.RandomState(3)
    found["RandomState"] = quick(SparseNMF, random_state=draws).fit(spectrograms)
    found["window of samples"] = STFT(window=np.hanning(512) + 0.1)
    found["window with a parameter"] = STFT(window=("kaiser", 8.6))
    return found


NAMES = [
    *(estimator.__name__ for estimator in PUBLIC),
    *(f"Pipeline of {e.__name__}" for e in PUBLIC if hasattr(e, "predict")),
    "DRNMFSeparator from SparseNMF",
    "DRNMFSeparator from SupervisedNMFSeparator",
    "RandomState",
    "window of samples",
    "window with a parameter",
]


@pytest.fixture(scope="module")
def fitted(speech):
    X, Y = speech
    return models(X[:3], Y[:3])


def answers(model, X):
    """What a model makes of waveforms, as a list of arrays."""
    takes_waveforms = isinstance(model, (Pipeline, STFT))
    made = X if takes_waveforms else STFT().transform(X)
    result = (model.predict if hasattr(model, "predict") else model.transform)(made)
    return [np.asarray(each) for each in result]


def assert_same_answers(model, other, X):
    for expected, result in zip(answers(model, X), answers(other, X), strict=True):
        np.testing.assert_array_equal(result, expected)


def through_skops(model):
    return skops.io.loads(skops.io.dumps(model), trusted=PUBLIC)


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return joblib.load(io.BytesIO(file.getvalue()))


WAYS = {
    "skops": through_skops,
    "joblib": through_joblib,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def test_the_names_are_those_of_the_models(fitted):
    assert set(NAMES) == set(fitted)


@pytest.mark.parametrize("name", NAMES)
def test_skops_finds_no_types_but_ours(fitted, name, tmp_path):
    path = tmp_path / "model.skops"
    skops.io.dump(fitted[name], path)
    untrusted = skops.io.get_untrusted_types(file=path)
    assert untrusted, "not even the model itself?"
    assert all(each.startswith("sknmf_unfold.") for each in untrusted), untrusted
    with pytest.raises(UntrustedTypesFoundException):
        skops.io.load(path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_answers_are_the_same_bit_for_bit(fitted, name, way, speech):
    model = fitted[name]
    other = WAYS[way](model)
    assert other is not model and vars(other).keys() == vars(model).keys()
    assert_same_answers(model, other, speech[0][:2])


def tampered(model, change):
    """The bytes of a skops file after a change of its schema."""
    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                change(schema)
                data = json.dumps(schema).encode()
            archive.writestr(name, data)
    return target.getvalue()


def node(module, name, loader, **content):
    return {"__module__": module, "__class__": name, "__loader__": loader, "__id__": 1, **content}


def put(schema, value):
    schema["content"]["content"]["verbose"] = value


def retype(schema, module, name):
    schema.update(__module__=module, __class__=name)


# What is changed, and the type that the refusal has to name.
TAMPERINGS = {
    "the model": ("os.system", lambda s: retype(s, "os", "system")),
    "the model, to another class of ours": (
        "sknmf_unfold.validation.sequences.Sequences",
        lambda s: retype(s, "sknmf_unfold.validation.sequences", "Sequences"),
    ),
    "a parameter, to a type": (
        "subprocess.Popen",
        lambda s: put(s, node("subprocess", "Popen", "TypeNode")),
    ),
    "a parameter, to eval": (
        "builtins.eval",
        lambda s: put(s, node("builtins", "eval", "FunctionNode", content="eval")),
    ),
    "a parameter, to a function": (
        "os.system",
        lambda s: put(s, node("os", "system", "FunctionNode", content="os.system")),
    ),
    "a parameter, to an object": (
        "subprocess.Popen",
        lambda s: put(
            s, node("subprocess", "Popen", "ObjectNode", content=copy.deepcopy(s["content"]))
        ),
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_tampered_file_is_refused(fitted, tampering):
    foreign, change = TAMPERINGS[tampering]
    data = tampered(fitted["SparseNMF"], change)
    with pytest.raises(UntrustedTypesFoundException, match=re.escape(f"['{foreign}']")):
        skops.io.loads(data, trusted=PUBLIC)


def test_the_untampered_file_is_taken(fitted, speech):
    data = tampered(fitted["SparseNMF"], lambda schema: None)
    assert_same_answers(fitted["SparseNMF"], skops.io.loads(data, trusted=PUBLIC), speech[0][:1])


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(fitted, part):
    data = skops.io.dumps(fitted["DRNMFSeparator"])
    with pytest.raises(zipfile.BadZipFile):
        skops.io.loads(data[: int(part * len(data))], trusted=PUBLIC)


@pytest.mark.parametrize("way", ["skops", "joblib", "pickle"])
@pytest.mark.parametrize("estimator", PUBLIC)
def test_another_version_warns_once_a_model(fitted, estimator, way, monkeypatch, speech):
    model = fitted[estimator.__name__]
    store, load = {
        "skops": (skops.io.dumps, lambda data: skops.io.loads(data, trusted=PUBLIC)),
        "joblib": (dump_joblib, lambda data: joblib.load(io.BytesIO(data))),
        "pickle": (pickle.dumps, pickle.loads),
    }[way]
    data = store(model)
    monkeypatch.setattr(versions, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning) as caught:
        other = load(data)
    assert len(caught) == 1
    warning = caught[0].message
    assert warning.estimator_name == estimator.__name__
    assert warning.original_sklearn_version == sknmf_unfold.__version__
    assert warning.current_sklearn_version == "99.0"
    assert_same_answers(model, other, speech[0][:1])
    # What the new version stores is the new version's.
    load(store(other))


def dump_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.getvalue()


def test_a_model_without_a_version_warns(fitted):
    state = vars(fitted["SparseNMF"])
    model = SparseNMF.__new__(SparseNMF)
    message = f"SparseNMF from version unknown when using version {sknmf_unfold.__version__}"
    with pytest.warns(InconsistentVersionWarning, match=message):
        model.__setstate__(state)
    assert vars(model) == state


@pytest.mark.parametrize("name", NAMES)
def test_the_version_is_in_what_is_stored_and_nowhere_else(fitted, name):
    model = fitted[name]
    assert sknmf_unfold.__version__.encode() in pickle.dumps(model)
    model = model[-1] if isinstance(model, Pipeline) else model
    state = model.__getstate__()
    before = dict(state)
    type(model).__new__(type(model)).__setstate__(state)
    assert state == before, "loading leaves the state alone"
    assert state[versions.VERSION_KEY] == sknmf_unfold.__version__
    assert versions.VERSION_KEY not in vars(model)
    assert versions.VERSION_KEY not in vars(copy.deepcopy(model))


@pytest.mark.parametrize("name", NAMES)
def test_hashes_of_copies_are_equal_and_clones_unfitted(fitted, name):
    model = fitted[name]
    assert joblib.hash(model) == joblib.hash(copy.deepcopy(model))
    assert not any(key.endswith("_") for key in vars(clone(model)))


def test_a_pipeline_finds_its_steps_in_memory_again(speech, tmp_path, monkeypatch):
    X, Y = speech[0][:3], speech[1][:3]
    steps = [("stft", STFT()), ("sep", quick(SupervisedNMFSeparator))]
    first = Pipeline(clone_steps(steps), memory=str(tmp_path)).fit(X, Y)
    calls = []
    monkeypatch.setattr(STFT, "transform", count(calls, STFT.transform))
    second = Pipeline(clone_steps(steps), memory=str(tmp_path)).fit(X, Y)
    assert not calls
    assert_same_answers(first, second, X)
    assert calls


def clone_steps(steps):
    return [(name, clone(step)) for name, step in steps]


def count(calls, method):
    def counted(self, *arguments):
        calls.append(arguments)
        return method(self, *arguments)

    return counted


class Mine(SparseNMF):
    """A subclass outside the package, with a parameter and a state of its own."""

    def __init__(self, n_components=2, *, extra=None, random_state=None):
        super().__init__(n_components, random_state=random_state)
        self.extra = extra


def test_a_subclass_from_elsewhere(speech, monkeypatch):
    X = STFT().transform(speech[0][:2])
    model = Mine(extra={1: "one"}, random_state=0).fit(X)
    for way in ("joblib", "pickle", "copy", "deepcopy"):
        other = WAYS[way](model)
        assert type(other) is Mine and other.extra == {1: "one"}
        assert_same_answers(model, other, speech[0][:2])
    data = pickle.dumps(model)
    monkeypatch.setattr(versions, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match="Mine from version"):
        pickle.loads(data)


STATE = {
    "optimizer": {0: {"step": 3, "average": np.arange(3.0)}, 1: {"step": np.float32(2.5)}},
    "rng": ("MT19937", np.arange(4, dtype=np.uint32), 2, 0, 0.5),
    "history": {"epoch": [0, 1], "loss": [float("inf"), 0.25]},
    "best": None,
    -1: [True, "text", 2**70],
}


@pytest.mark.parametrize("way", ["skops", "joblib"])
def test_nested_dicts_with_whole_numbers_for_keys_survive(way):
    model = DRNMFSeparator()
    model._training_state = STATE
    assert_equal(WAYS[way](model)._training_state, STATE)


def assert_equal(result, expected):
    assert type(result) is type(expected)
    if isinstance(expected, dict):
        assert list(result) == list(expected)
        assert [type(key) for key in result] == [type(key) for key in expected]
        result, expected = list(result.values()), list(expected.values())
    if isinstance(expected, (list, tuple)):
        assert len(result) == len(expected)
        for one, other in zip(result, expected, strict=True):
            assert_equal(one, other)
    else:
        np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("way", ["skops", "joblib"])
def test_a_path_is_stored_as_text(way):
    model = DRNMFSeparator(device=Path("folder") / "file")
    assert WAYS[way](model).device == str(Path("folder") / "file")
    assert isinstance(model.device, Path), "storing leaves the model alone"


def test_loading_this_version_warns_not(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in fitted.values():
            through_joblib(model)
