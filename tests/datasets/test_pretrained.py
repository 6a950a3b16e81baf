"""Shipped models: how they are stored, loaded and checked."""

import hashlib
import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline

from sknmf_unfold import DRNMFSeparator, load_model, save_model
from sknmf_unfold.base import versions
from sknmf_unfold.base.compact_models import compact_copy, round_to_half_precision
from sknmf_unfold.base.model_files import TRUSTED_TYPES, store_pretrained
from sknmf_unfold.datasets import load_pretrained, make_noisy_speech, pretrained
from sknmf_unfold.metrics import sdr
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator
from tests import _factories as make
from tests._refusals import refuses

ROOT = Path(__file__).parents[2]
TRAINED = {"max_epochs": 2, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def corpus():
    return make_noisy_speech(4, duration=1.0, random_state=0)


@pytest.fixture(scope="module")
def pipe(corpus, tmp_path_factory):
    """A pipeline with all that a compact model drops."""
    nmf = make.supervised(n_components=8, max_iter=30)
    settings = {"nmf": nmf, "sparsity": 0.1, "n_gru_units": 4, "verbose": 0, **TRAINED}
    checkpoints = tmp_path_factory.mktemp("checkpoints")
    separator = DRNMFSeparator(warm_start=True, checkpoint_dir=checkpoints, **settings)
    return Pipeline([("stft", make.stft(n_fft=256, hop_length=64)), ("sep", separator)]).fit(
        *corpus
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that takes the place of the package's, empty."""
    monkeypatch.setattr(pretrained, "_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def shipped(pipe, folder):
    store_pretrained(pipe, folder / "speech.skops")
    pretrained.write_checksums()
    return folder


# Rounding


def test_rounding_is_that_of_half_precision_in_its_range():
    rng = np.random.RandomState(0)
    numbers = rng.randn(100_000) * 10.0 ** rng.uniform(-4, 4, 100_000)
    halves = numbers.astype(np.float16)
    normal = (np.abs(numbers) > 2.0**-14) & np.isfinite(halves)
    rounded = round_to_half_precision(numbers)
    assert rounded.dtype == np.float32 and normal.mean() > 0.8
    np.testing.assert_array_equal(rounded[normal], halves[normal].astype(np.float32))


def test_rounding_keeps_the_size_of_tiny_and_huge_numbers():
    numbers = np.float32([1e-37, 3e-20, 6e-8, 6e4, 7e4, 3e38, -1e-10, -1e10])
    np.testing.assert_allclose(round_to_half_precision(numbers), numbers, rtol=2.0**-11, atol=0)
    # Logarithms are taken of dictionaries when training resumes.
    error = np.log(round_to_half_precision(numbers[:6])) - np.log(numbers[:6])
    assert np.abs(error).max() < 2.0**-10


@pytest.mark.parametrize(
    "array", [np.float32(0.3), np.zeros((0, 5)), np.zeros(3), np.ones((2, 2)).T]
)
def test_rounding_keeps_shapes_and_zeros(array):
    rounded = round_to_half_precision(array)
    assert isinstance(rounded, np.ndarray) and rounded.shape == np.shape(array)
    np.testing.assert_allclose(rounded, array, rtol=2.0**-11)


# Stored models


def test_predictions_stay_within_two_hundredths_of_a_decibel(pipe, corpus, tmp_path):
    store_pretrained(pipe, tmp_path / "model.skops")
    X, Y = corpus
    before = sdr(Y, pipe.predict(X))
    after = sdr(Y, load_model(tmp_path / "model.skops").predict(X))
    assert np.abs(np.subtract(before, after)).max() < 0.02
    assert np.mean(before) > np.mean(sdr(Y, X)) + 1, "an untrained model would prove nothing"


def test_the_model_is_not_changed(pipe, corpus, tmp_path):
    before = pipe.predict(corpus[0])
    store_pretrained(pipe, tmp_path / "model.skops")
    np.testing.assert_array_equal(pipe.predict(corpus[0])[0], before[0])
    assert pipe["sep"].nmf is not None and len(pipe["sep"].initial_components_) == 16


def test_what_prediction_does_not_need_is_dropped(pipe, tmp_path):
    compact = compact_copy(pipe)["sep"]
    assert compact.nmf is None and compact.checkpoint_dir is None and not compact.warm_start
    assert compact.n_components == 8 and compact.initial_components_.shape == (0, 129)
    assert "seconds" not in compact.history_ and compact.best_epoch_ in compact.history_["epoch"]
    save_model(pipe, tmp_path / "whole.skops")
    store_pretrained(pipe, tmp_path / "model.skops")
    sizes = [(tmp_path / f"{name}.skops").stat().st_size for name in ("model", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    text = zipfile.ZipFile(tmp_path / "model.skops").read("schema.json").decode()
    assert str(tmp_path.parent.parent) not in text, "no paths of the machine"


def test_training_resumes_from_a_stored_model(pipe, corpus, tmp_path):
    store_pretrained(pipe, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    loaded.set_params(sep__warm_start=True, sep__max_epochs=1).fit(*corpus)
    first, start = loaded["sep"].history_["validation_loss"], pipe["sep"].history_
    assert first[0] == pytest.approx(min(start["validation_loss"]), abs=0.05)


@pytest.mark.parametrize(
    "separator",
    [
        make.supervised(),
        LSTMSeparator(1, 5, **TRAINED),
        DeepNMFSeparator(4, nmf=make.supervised(), **TRAINED),
    ],
)
def test_other_separators_are_stored(separator, corpus, tmp_path):
    window = np.hanning(64) + 0.1
    pipe = Pipeline([("stft", make.stft(window=window)), ("sep", separator)]).fit(*corpus)
    store_pretrained(pipe, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded["stft"].window, window)
    for x, y in zip(pipe.predict(corpus[0]), loaded.predict(corpus[0]), strict=True):
        assert np.linalg.norm(x - y) < 0.01 * np.linalg.norm(x)


def test_the_checksum_is_that_of_the_rounded_weights(pipe, tmp_path):
    store_pretrained(pipe, tmp_path / "model.skops")
    model = skops.io.load(tmp_path / "model.skops", trusted=list(TRUSTED_TYPES))
    state = model["sep"].__getstate__()
    weights = pipe["sep"].components_
    np.testing.assert_allclose(state["components_"], weights, rtol=2.0**-11, atol=0)
    assert (state["components_"] != weights).any()
    state["components_"] = weights
    refuses("do not match their checksum", lambda: DRNMFSeparator().__setstate__(state))


CHILD = """
import sys
from sklearn.pipeline import Pipeline
from sknmf_unfold import DRNMFSeparator, load_model
from sknmf_unfold.base.model_files import store_pretrained
padding = [object() for _ in range(int(sys.argv[3]))]
print(store_pretrained(load_model(sys.argv[1]), sys.argv[2]))
"""


def test_two_processes_write_the_same_bytes(pipe, tmp_path):
    save_model(pipe, tmp_path / "whole.skops")
    digests = []
    for i, seed in enumerate(("0", "17")):
        target = tmp_path / f"{i}.skops"
        command = [sys.executable, "-c", CHILD, tmp_path / "whole.skops", target, str(1000 * i)]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        output = subprocess.run(command, check=True, capture_output=True, env=environment)
        assert output.stdout.decode().strip() == hashlib.sha256(target.read_bytes()).hexdigest()
        digests.append(output.stdout)
    assert digests[0] == digests[1]
    # As the process that fitted it does.
    assert store_pretrained(pipe, tmp_path / "here.skops") == digests[0].decode().strip()


def test_storing_twice_changes_nothing(pipe, tmp_path):
    first = store_pretrained(pipe, tmp_path / "model.skops")
    assert store_pretrained(load_model(tmp_path / "model.skops"), tmp_path / "2.skops") == first


def test_only_fitted_pipelines_of_this_package_are_stored(pipe, tmp_path):
    path = tmp_path / "model.skops"
    refuses("must be a Pipeline of", lambda: store_pretrained(pipe["sep"], path), TypeError)
    refuses("must be a Pipeline of", lambda: store_pretrained(Pipeline([]), path), TypeError)
    unfitted = Pipeline([("stft", make.stft()), ("sep", make.drnmf())])
    refuses("not fitted", lambda: store_pretrained(unfitted, path))
    assert not list(tmp_path.iterdir())


# Loading


def test_a_shipped_model_is_a_fresh_pipeline(shipped, pipe, corpus):
    first, second = load_pretrained(), load_pretrained("speech")
    assert first is not second and first["sep"] is not second["sep"]
    first["sep"].components_ *= 0
    np.testing.assert_allclose(
        second.predict(corpus[0])[0], compact_copy(pipe).predict(corpus[0])[0], atol=1e-6
    )


def test_a_shipped_model_of_another_version_does_not_warn(shipped, monkeypatch):
    monkeypatch.setattr(versions, "__version__", "99.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_pretrained()
    with pytest.warns(InconsistentVersionWarning):
        load_model(shipped / "speech.skops")


def test_damaged_shipped_models_are_refused(shipped):
    path = shipped / "speech.skops"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    refuses("speech.skops does not match its checksum: install", load_pretrained)


def test_names(folder):
    refuses("`name` must be one of 'speech', 'speech-low-latency'; got 'x'", load_pretrained_x)
    refuses("has no model 'speech': there is no file", load_pretrained, FileNotFoundError)


def load_pretrained_x():
    return load_pretrained("x")


def test_the_package_names_the_checksums_of_its_models():
    folder = Path(str(pretrained._folder()))
    checksums = json.loads((folder / "checksums.json").read_text())
    files = {path.stem: path for path in folder.glob("*.skops")}
    assert files.keys() == checksums.keys() <= set(pretrained.PRETRAINED_NAMES)
    assert sum(path.stat().st_size for path in files.values()) < 4e6
    for name in files:
        load_pretrained(name)
