"""Separators with a high-pass before the STFT: fit, validation, search, streams, stored models."""

import copy
import json
import pickle

import joblib
import numpy as np
import pytest
import scipy.signal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.separators import _frames
from sknmf_unfold.streaming import StreamingSeparator
from tests._factories import drnmf, stft, supervised

CUTOFF = 60.0
SETTINGS = {"remix": False, "validation_fraction": 0.4, "batch_size": 2}
DRNMF = drnmf(n_components=10, max_epochs=3, **SETTINGS)


def recordings(n, seed):
    """Speech in noise with offset and rumble, in float64."""
    X, Y = make_noisy_speech(n, duration=(0.3, 0.6), random_state=seed)
    rumble = [0.02 + 0.1 * np.sin(2 * np.pi * 15 * np.arange(len(x)) / 16000) for x in X]
    both = [[x + r for x, r in zip(part, rumble, strict=True)] for part in (X, Y)]
    return [[x.astype(np.float64) for x in part] for part in both]


X, Y = recordings(4, 0)
X_DEV, Y_DEV = recordings(2, 1)


def filtered(waveforms, cutoff=CUTOFF):
    sections = scipy.signal.butter(2, cutoff, "highpass", fs=16000, output="sos")
    return [scipy.signal.sosfilt(sections, x) for x in waveforms]


def pipeline(separator, highpass=CUTOFF):
    return Pipeline([("stft", stft(highpass=highpass)), ("sep", clone(separator))])


@pytest.fixture(scope="module")
def pipe():
    return pipeline(DRNMF).fit(X, Y)


@pytest.mark.parametrize("separator", [DRNMF, supervised()], ids=["drnmf", "supervised"])
def test_the_filter_is_that_of_mixtures_and_targets_alike(separator):
    ours = pipeline(separator).fit(X, Y)
    # By hand, before a model without a filter.
    expected = pipeline(separator, None).fit(filtered(X), filtered(Y))
    for x, y in zip(ours.predict(X_DEV), expected.predict(filtered(X_DEV)), strict=True):
        assert np.abs(y).max() > 0.01
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-8)
    ours.score(X_DEV, Y_DEV)


def test_validation_data_are_filtered_too():
    ours = pipeline(DRNMF).fit(X, Y, sep__validation_data=(X_DEV, Y_DEV))
    data = filtered(X_DEV), filtered(Y_DEV)
    expected = pipeline(DRNMF, None).fit(filtered(X), filtered(Y), sep__validation_data=data)
    losses = [model["sep"].history_["validation_loss"] for model in (ours, expected)]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    raw = pipeline(DRNMF, None).fit(X, Y, sep__validation_data=(X_DEV, Y_DEV))
    assert not np.allclose(losses[0], raw["sep"].history_["validation_loss"], rtol=1e-3)


@pytest.mark.parametrize("remix", [False, True])
def test_frames_computed_batch_by_batch_are_the_same(monkeypatch, remix):
    separator = clone(DRNMF).set_params(remix=remix, sequence_length=40)
    kept = pipeline(separator).fit(X, Y)
    monkeypatch.setattr(_frames, "MAX_KEPT_BYTES", 0)
    lazy = pipeline(separator).fit(X, Y)
    np.testing.assert_array_equal(kept["sep"].components_, lazy["sep"].components_)
    losses = [model["sep"].history_["train_loss"][1:] for model in (kept, lazy)]
    np.testing.assert_array_equal(*losses)


def test_another_cutoff_is_refused(pipe):
    for highpass in (None, 50):
        with pytest.raises(ValueError, match=r"X was made with .*'highpass': .*was fitted on"):
            pipe["sep"].predict(stft(highpass=highpass).transform(X))
    mixed = [stft(highpass=CUTOFF).transform(X)[0], stft().transform(X)[1]]
    with pytest.raises(ValueError, match=r"X\[1\] was made with .*'highpass': None"):
        pipe["sep"].predict(mixed)
    with pytest.raises(ValueError, match=r"`validation_data` was made with .*'highpass': None"):
        spectrograms = stft(highpass=CUTOFF).transform(X)
        clone(DRNMF).fit(spectrograms, Y, validation_data=(stft().transform(X_DEV), Y_DEV))


# With offset and rumble; `tests/test_streaming.py` has more.
@pytest.mark.parametrize("sizes", [[16], [1, 7, 300], [10**6]], ids=str)
def test_streams_are_what_predict_gives(pipe, sizes):
    stream = StreamingSeparator(pipe)
    for x in X_DEV:
        parts, start = [], 0
        while start < len(x):
            stop = start + sizes[len(parts) % len(sizes)]
            parts.append(stream.process(x[start:stop]))
            start = stop
        actual, [expected] = np.concatenate([*parts, stream.flush()]), pipe.predict([x])
        assert actual.dtype == expected.dtype == np.float64
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def test_copies_of_a_stream_have_its_filter_state(pipe):
    stream, x = StreamingSeparator(pipe), X_DEV[0]
    stream.process(x[:1000])
    copies = [copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    expected = stream.process(x[1000:2000])
    for each in copies:
        np.testing.assert_array_equal(each.process(x[1000:2000]), expected)
        each.reset()
        fresh = StreamingSeparator(pipe).process(x[:1000])
        np.testing.assert_array_equal(each.process(x[:1000]), fresh)


def test_streams_side_by_side_have_filters_of_their_own(pipe):
    x = np.stack([x[:4000] for x in X])
    stream = StreamingSeparator(pipe, n_streams=len(x))
    actual = np.concatenate([stream.process(x[:, :1500]), stream.process(x[:, 1500:])], axis=1)
    actual = np.concatenate([actual, stream.flush()], axis=1)
    np.testing.assert_allclose(actual, pipe.predict(list(x)), rtol=0, atol=1e-6)


def test_offset_and_rumble_do_not_reach_the_model(pipe):
    # A second of silence, so that the onset of the offset is over.
    clean = np.concatenate([np.zeros(16000), X_DEV[0]])
    enhanced = [x[16000:] for x in pipe.predict([clean, clean + 0.3])]
    np.testing.assert_allclose(*enhanced, rtol=0, atol=1e-6)
    without = pipeline(DRNMF, None).fit(X, Y)
    enhanced = [x[16000:] for x in without.predict([clean, clean + 0.3])]
    assert np.abs(enhanced[0] - enhanced[1]).max() > 0.1


def test_a_search_over_the_cutoff():
    grid = {"stft__highpass": [None, 50, 200]}
    search = GridSearchCV(pipeline(supervised()), grid, cv=2, error_score="raise").fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    best = search.best_estimator_["sep"].stft_settings_["highpass"]
    assert best == search.best_params_["stft__highpass"]


def test_stored_models_keep_it(pipe, tmp_path):
    joblib.dump(pipe, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    assert loaded["sep"].stft_settings_["highpass"] == CUTOFF
    np.testing.assert_array_equal(loaded.predict(X)[0], pipe.predict(X)[0])
    assert clone(pipe["stft"]).highpass == STFT(highpass=CUTOFF).highpass
    state = pipe["sep"].__getstate__()
    state["stft_settings_"] = state["stft_settings_"] | {"highpass": 8000}
    with pytest.raises(ValueError, match=r"`stft_settings_` of the loaded .*`highpass` must be"):
        clone(DRNMF).__setstate__(state)


def test_onnx_files_name_it(pipe, tmp_path):
    import onnx

    pipe["sep"].export_onnx(tmp_path / "model.onnx")
    facts = {p.key: p.value for p in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(facts["stft"])["highpass"] == CUTOFF
