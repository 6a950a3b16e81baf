"""The exported step, run by onnxruntime frame by frame."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.exceptions import NotFittedError

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator

TRAINING = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
PLAIN = TRAINING | {"dynamics": "identity", "context": 1, "evidence": False}


def drnmf(n_layers, n_components, **settings):
    nmf = SupervisedNMFSeparator(n_components, max_iter=10)
    return DRNMFSeparator(n_layers, nmf=nmf, **settings)


NETWORKS = {
    "fewer components than bins": drnmf(3, 20, **PLAIN),
    "more components than bins": drnmf(2, 20, **PLAIN),
    "diagonal dynamics": drnmf(2, 10, **(PLAIN | {"dynamics": "diagonal"})),
    "full dynamics": drnmf(2, 20, **(PLAIN | {"dynamics": "full"})),
    "context": drnmf(2, 10, **(PLAIN | {"context": 3})),
    "evidence": drnmf(2, 10, **(PLAIN | {"evidence": True})),
    "level": drnmf(2, 10, level_frames=50, **PLAIN),
    "level and context": drnmf(2, 10, level_frames=1, **TRAINING),
    "GRU units": drnmf(2, 10, n_gru_units=6, **TRAINING),
    "GRU units and level": drnmf(
        2, 10, n_gru_units=6, **(PLAIN | {"evidence": True, "level_frames": 50})
    ),
    "default": drnmf(2, 10, **TRAINING),
    "paper": drnmf(1, 5, max_epochs=1, learning_rate=0.1, recipe="paper", random_state=0),
}
N_FFT = {"more components than bins": 32, "full dynamics": 32}


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request, speech, tmp_path_factory):
    """A fitted separator, spectrograms, and the session of its ONNX model."""
    X, Y = speech
    n_fft = N_FFT.get(request.param, 512)
    spectrograms = STFT(n_fft, n_fft // 4).fit_transform(X)
    separator = NETWORKS[request.param].fit(spectrograms, Y)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    separator.export_onnx(path)
    options = {"providers": ["CPUExecutionProvider"]}
    return separator, spectrograms, onnxruntime.InferenceSession(path, **options)


def facts_of(session):
    """The model's metadata."""
    return session.get_modelmeta().custom_metadata_map


def run(session, magnitudes):
    """Masks (streams, frames, 2, bins) of magnitudes (streams, frames, bins), frame by frame."""
    state = np.array(json.loads(facts_of(session)["initial_state"]), np.float32)
    state = np.tile(state, (len(magnitudes), 1))
    masks = []
    for frame in magnitudes.swapaxes(0, 1):
        mask, state = session.run(["masks", "next_state"], {"magnitude": frame, "state": state})
        masks.append(mask)
    return np.stack(masks, axis=1)


def test_masks_are_those_of_the_separator(exported):
    separator, spectrograms, session = exported
    for item in spectrograms[:2]:
        masks = run(session, item.magnitude()[np.newaxis])[0]
        expected = separator.predict_mask([item])[0]
        assert masks.dtype == np.float32 and 0.1 < expected.std()
        error = np.abs(masks[:, 0] - expected)
        # A few masks are further from those of float64 than that, here and there.
        assert np.mean(error > 1e-5) < 1e-3 and error.max() < 1e-3
        masked = error * item.magnitude()
        assert masked.max() < 1e-5 * item.magnitude().max()
        np.testing.assert_allclose(masks.sum(axis=1), 1, rtol=0, atol=1e-6)


def test_the_attenuation_is_bounded(exported, tmp_path):
    separator, spectrograms, session = exported
    magnitude = spectrograms[0].magnitude()[np.newaxis]
    free = run(session, magnitude)[0]
    assert facts_of(session)["max_attenuation"] == "null"
    for decibels, least in ((0, 1.0), (12.0, 0.25118864), (1000.0, 1e-50)):
        separator.export_onnx(tmp_path / "model.onnx", max_attenuation=decibels)
        bounded = onnxruntime.InferenceSession(
            tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
        )
        masks = run(bounded, magnitude)[0]
        np.testing.assert_allclose(masks[:, 0], np.maximum(free[:, 0], least), rtol=0, atol=1e-6)
        np.testing.assert_allclose(masks.sum(axis=1), 1, rtol=0, atol=1e-6)
        assert masks.min() >= 0 and float(facts_of(bounded)["max_attenuation"]) == decibels


def test_streams_go_side_by_side(exported):
    _, spectrograms, session = exported
    n_frames = min(len(item) for item in spectrograms[:3])
    magnitudes = np.stack([item.magnitude()[:n_frames] for item in spectrograms[:3]])
    together = run(session, magnitudes)
    for one, magnitude in zip(together, magnitudes, strict=True):
        alone = run(session, magnitude[np.newaxis])[0]
        error = np.abs(one - alone)
        # Products of one row and of several are rounded otherwise.
        assert np.mean(error > 1e-6) < 0.01 and error.max() < 1e-4


def test_the_model_knows_its_stft(exported):
    separator, _, session = exported
    assert json.loads(facts_of(session)["stft"]) == separator.stft_settings_


def test_silence_gives_equal_shares(exported):
    separator, _, session = exported
    silence = np.zeros((1, 5, separator.n_features_in_), np.float32)
    masks = run(session, silence)
    assert np.isfinite(masks).all()
    np.testing.assert_allclose(masks.sum(axis=2), 1, atol=1e-6)


def test_the_file_is_replaced_and_old_runtimes_can_read_it(exported, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("something else")
    exported[0].export_onnx(str(path))
    model = onnx.load(path)
    assert model.ir_version <= 8 and model.opset_import[0].version <= 13


def test_what_cannot_be_exported_is_refused(exported, tmp_path, monkeypatch):
    with pytest.raises(NotFittedError):
        DRNMFSeparator().export_onnx(tmp_path / "model.onnx")
    with pytest.raises(TypeError, match="`path` must be a path; got 3"):
        exported[0].export_onnx(3)
    with pytest.raises(FileNotFoundError):
        exported[0].export_onnx(tmp_path / "missing" / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"sknmf_unfold\[onnx\]"):
        exported[0].export_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_gain_changes_no_mask(exported):
    separator, spectrograms, session = exported
    magnitude = spectrograms[0].magnitude()[np.newaxis]
    expected = run(session, magnitude)
    for gain in (2.0**-10, 2.0**5):
        masks = run(session, np.float32(gain) * magnitude)
        # Only the recipe of the paper hears it.
        assert np.array_equal(masks, expected) == (separator.level_frames_ > 0)
