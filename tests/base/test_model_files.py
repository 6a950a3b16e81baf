"""Model files: what is saved and loaded, and what is refused and runs nothing."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.stats
import skops.io
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, load_model, save_model
from sknmf_unfold.base.model_files import PICKLE_SUFFIXES, TRUSTED_TYPES
from tests import _factories as make
from tests._estimators import public_estimator_classes
from tests._refusals import refuses

MAGNITUDES = np.abs(np.random.RandomState(0).randn(20, 33))


class Custom(BaseEstimator):
    """An estimator of somebody else."""


def own_loss(mask, mixture, target):
    return ((mask * mixture - target) ** 2).mean()


@pytest.fixture(scope="module")
def waves():
    rng = np.random.RandomState(0)
    return [0.1 * rng.randn(n).astype("float32") for n in (1200, 900)]


@pytest.fixture(scope="module")
def pipe(waves):
    steps = [("stft", make.stft()), ("sep", make.drnmf())]
    return Pipeline(steps).fit(waves, [wave / 2 for wave in waves])


def test_the_trusted_types_are_the_public_estimators():
    classes = public_estimator_classes()
    assert sorted(TRUSTED_TYPES) == sorted(f"{c.__module__}.{c.__name__}" for c in classes)


@pytest.mark.parametrize("suffix", [".skops", "", ".model", *PICKLE_SUFFIXES, ".PKL"])
def test_the_suffix_decides_what_is_written(suffix, pipe, waves, tmp_path):
    path = tmp_path / f"model{suffix}"
    save_model(pipe, str(path))
    is_pickle = suffix.lower() in PICKLE_SUFFIXES
    assert zipfile.is_zipfile(path) is not is_pickle
    loaded = load_model(str(path), trust_pickle=is_pickle)
    for expected, result in zip(pipe.predict(waves), loaded.predict(waves), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_plain_skops_loads_the_file(pipe, tmp_path):
    save_model(pipe, tmp_path / "model.skops")
    model = skops.io.load(tmp_path / "model.skops", trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(model[-1].components_, pipe[-1].components_)


def test_models_of_the_commands_and_of_users_are_held(waves, tmp_path):
    targets = [wave / 2 for wave in waves]
    nmf = make.supervised().fit(make.stft().transform(waves), targets)
    settings = {"nmf": FrozenEstimator(nmf), "checkpoint_dir": tmp_path / "checkpoints"}
    settings |= {"random_state": np.random.RandomState(0), "gain_db": [-3.0, 0.0]}
    settings |= {"speed_factors": (0.9, 1.0), "device": "cpu", "n_gru_units": 2}
    steps = [("stft", make.stft()), ("sep", make.drnmf(**settings))]
    pipe = Pipeline(steps).fit(waves, targets)
    save_model(pipe, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(waves)[0], pipe.predict(waves)[0])
    np.testing.assert_array_equal(loaded["sep"].nmf.components_, nmf.components_)
    pipe["sep"].partial_fit(make.stft().transform(waves), targets)
    save_model(pipe, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    loaded["sep"].partial_fit(make.stft().transform(waves), targets)


# What a file cannot hold

PARAMETERS = {
    "loss": own_loss,
    "gain_db": scipy.stats.uniform(-6, 12),
    "speed_factors": scipy.stats.norm(1, 0.1),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_that_is_code_is_named(name, tmp_path):
    separator = make.drnmf(**{name: PARAMETERS[name]})
    pipe, path = Pipeline([("stft", make.stft()), ("sep", separator)]), tmp_path / "model.skops"
    message = rf"`sep__{name}` is .* set_params\(sep__{name}=None\)"
    refuses(message, lambda: save_model(pipe, path))
    assert not list(tmp_path.iterdir())
    save_model(pipe, path.with_suffix(".pkl"))
    save_model(pipe.set_params(**{f"sep__{name}": None}), path)


def test_other_estimators_and_attributes_are_named(tmp_path):
    pipe = Pipeline([("stft", make.stft()), ("custom", Custom())])
    message = r"cannot hold this Pipeline: it has a tests\..*\.Custom\. "
    refuses(message, lambda: save_model(pipe, tmp_path / "model.skops"))
    nmf = make.nmf()
    nmf._skl_callbacks = [Custom()]
    message = r"cannot hold this SparseNMF: it has a .*\.Custom\. .* set_callbacks\(\) without"
    refuses(message, lambda: save_model(nmf, tmp_path / "model.skops"))


# What would run code


class Bomb:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "lzma", "xz"])
@pytest.mark.parametrize("name", ["model.joblib", "model.skops"])
def test_a_malicious_pickle_runs_nothing(compress, name, tmp_path):
    sentinel, path = tmp_path / "sentinel", tmp_path / name
    joblib.dump([Bomb(sentinel)], path, compress=compress and (compress, 3))
    refuses("is a pickle, .* pass trust_pickle=True", lambda: load_model(path))
    assert not sentinel.exists()
    load_model(path, trust_pickle=True)
    assert sentinel.exists(), "the pickle was harmless, and the test proved nothing"


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_all_protocols_run_nothing(protocol, tmp_path):
    sentinel, path = tmp_path / "sentinel", tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Bomb(sentinel), protocol=protocol))
    refuses("is a pickle|is not a model", lambda: load_model(path))
    assert not sentinel.exists()


def node(module, name, loader, **content):
    return {"__module__": module, "__class__": name, "__loader__": loader, **content}


def tuple_of(text):
    item = node("builtins", "str", "JsonNode", content=json.dumps(text), is_json=True)
    return node("builtins", "tuple", "TupleNode", content=[item])


# Nodes that would call a function or a constructor with the name of a file.
ATTACKS = {
    "a constructor": lambda path: node(
        "subprocess",
        "Popen",
        "ConstructorFromReduceNode",
        content=tuple_of(["touch", str(path)]),
    ),
    "an operator": lambda path: node(
        "operator", "methodcaller", "OperatorFuncNode", attrs=tuple_of(str(path))
    ),
    "a reduced object": lambda path: node(
        "os", "mkdir", "ReduceNode", content={}, reduce=tuple_of(str(path))
    ),
    "a function": lambda path: node("os", "system", "FunctionNode"),
    "a type": lambda path: node("subprocess", "Popen", "TypeNode"),
}


def attacked(model, attack):
    """A skops file of a model whose parameter `verbose` is an attack."""
    source, target = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                schema["content"]["content"]["verbose"] = attack
                data = json.dumps(schema).encode()
            archive.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize("trust_pickle", [False, True])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malicious_skops_file_runs_nothing(attack, trust_pickle, tmp_path):
    sentinel, path = tmp_path / "sentinel", tmp_path / "model.skops"
    path.write_bytes(attacked(SparseNMF(), ATTACKS[attack](sentinel)))
    refuses("cannot|can be loaded", lambda: load_model(path, trust_pickle=trust_pickle))
    assert not sentinel.exists()


def test_foreign_types_are_named(tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(attacked(SparseNMF(), ATTACKS["a function"](None)))
    message = "it holds os.system, which is not of this package.*Nothing of it was run"
    refuses(message, lambda: load_model(path))
    skops.io.dump(Pipeline([("stft", STFT()), ("custom", Custom())]), path)
    refuses(r"it holds tests.*\.Custom, which", lambda: load_model(path))
    skops.io.dump(DummyRegressor(), path)
    assert isinstance(load_model(path), DummyRegressor)


# Damaged and foreign files


def test_damaged_and_foreign_files_are_refused_in_one_line(pipe, tmp_path):
    path = tmp_path / "file"
    save_model(pipe, path)
    whole = path.read_bytes()
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    contents = {"empty": b"", "text": b"hello", "zip": (tmp_path / "arrays.npz").read_bytes()}
    contents |= {f"cut at {n}": whole[:n] for n in (1, 3, 10, len(whole) // 2, len(whole) - 1)}
    rng = np.random.RandomState(0)
    for i in range(20):
        data = bytearray(whole)
        data[rng.randint(len(data))] ^= 1 << rng.randint(8)
        contents[f"bit {i}"] = bytes(data)
    for name, content in contents.items():
        path.write_bytes(content)
        try:
            load_model(path)
        except ValueError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            # Bits of the archive that mean nothing, such as a date.
            assert name.startswith("bit"), name


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.skops")
    with pytest.raises(IsADirectoryError):
        load_model(tmp_path)
    refuses("`path` must be a path", lambda: load_model(3), TypeError)
    refuses("`path` must be a path", lambda: save_model(DRNMFSeparator(), None), TypeError)


def test_an_error_keeps_the_old_file(pipe, tmp_path, monkeypatch):
    path = tmp_path / "model.skops"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_model(pipe, path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
