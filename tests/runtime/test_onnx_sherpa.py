"""The exported denoiser, run by sherpa-onnx and, with its caches, by onnxruntime."""

import json

import numpy as np
import onnxruntime
import pytest
import sherpa_onnx
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.signal.stft import istft, stft
from tests._factories import drnmf
from tests._refusals import refuses

TRAINING = {"n_components": 10, "max_epochs": 2, "device": "cpu"}
PAPER = {"dynamics": "identity", "context": 1, "evidence": False, "level_frames": 0}
# All are above 115 dB.
MIN_AGREEMENT = 90.0

PIPELINES = {
    "default": (STFT(512, 256), drnmf(**TRAINING)),
    "GRU units": (STFT(512, 256), drnmf(n_gru_units=6, level_frames=5, **TRAINING)),
    "paper": (STFT(512, 256), drnmf(**TRAINING, **PAPER)),
    "full dynamics": (STFT(64, 32), drnmf(**TRAINING, **(PAPER | {"dynamics": "full"}))),
    "frames of 30 ms": (STFT(480, 240), drnmf(n_layers=3, **TRAINING)),
}


@pytest.fixture(scope="module", params=PIPELINES)
def exported(request, speech, tmp_path_factory):
    """A fitted pipeline and the file of its denoiser."""
    X, Y = speech
    steps = zip(("stft", "sep"), PIPELINES[request.param], strict=True)
    pipe = Pipeline(list(steps)).fit(X, Y)
    # The training of a real model learns them; here they make the first frames depend on the start.
    initial = pipe[-1].initial_activations_
    values = np.random.default_rng(0).gamma(0.5, 2.0, initial.shape)
    pipe[-1].initial_activations_ = values.astype(initial.dtype)
    path = tmp_path_factory.mktemp("sherpa") / "denoiser.onnx"
    pipe[-1].export_onnx(path, runtime="sherpa")
    return pipe, path


@pytest.fixture(scope="module")
def quick(speech):
    """A pipeline that is fitted in no time, where any will do."""
    return Pipeline([("stft", STFT(512, 256)), ("sep", drnmf(n_gru_units=2))]).fit(*speech)


def online(path):
    config = sherpa_onnx.OnlineSpeechDenoiserConfig()
    config.model.gtcrn.model = str(path)
    return sherpa_onnx.OnlineSpeechDenoiser(config)


def offline(path):
    config = sherpa_onnx.OfflineSpeechDenoiserConfig()
    config.model.gtcrn.model = str(path)
    return sherpa_onnx.OfflineSpeechDenoiser(config)


def stream(denoiser, waveform, size, sample_rate=16000):
    """Output of the online denoiser, chunk by chunk."""
    chunks = [waveform[i : i + size] for i in range(0, len(waveform), size)]
    parts = [denoiser.run(chunk, sample_rate).samples for chunk in chunks]
    return np.concatenate([*parts, denoiser.flush().samples])


def agreement(expected, got):
    """Signal to difference in dB."""
    return 20 * np.log10(np.linalg.norm(expected) / np.linalg.norm(expected - got))


@pytest.mark.parametrize("size", [100, 5000])
def test_the_online_denoiser_is_predict(exported, speech, size):
    pipe, path = exported
    denoiser = online(path)
    # One after the other: the flush returns to the initial state.
    for waveform, expected in zip(speech[0][:3], pipe.predict(speech[0][:3]), strict=True):
        got = stream(denoiser, waveform, size)
        assert len(got) == len(waveform)
        assert agreement(expected, got) > MIN_AGREEMENT
        assert agreement(expected, waveform) < 30


def test_the_offline_denoiser_is_predict_of_padded_recordings(exported, speech):
    pipe, path = exported
    n_fft, hop_length = pipe[0].n_fft, pipe[0].hop_length
    denoiser = offline(path)
    # It reflects the ends of a recording, and returns whole hops.
    padded = [np.pad(x, (n_fft // 2, n_fft)) for x in speech[0][:3]]
    for waveform, expected in zip(padded, pipe.predict(padded), strict=True):
        got = np.array(denoiser.run(waveform, 16000).samples)
        assert len(got) == len(waveform) // hop_length * hop_length
        assert agreement(expected[: len(got)], got) > MIN_AGREEMENT


def run(path, frames):
    """Output frames of complex frames, by onnxruntime with the caches carried from zeros."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    caches = {each.name: np.zeros(each.shape, np.float32) for each in session.get_inputs()[1:]}
    outputs = []
    for frame in frames:
        mix = np.stack([frame.real, frame.imag], axis=-1)[np.newaxis, :, np.newaxis]
        output, *new = session.run(None, {"mix": mix.astype(np.float32)} | caches)
        caches = dict(zip(caches, new, strict=True))
        outputs.append(output[0, :, 0, 0] + 1j * output[0, :, 0, 1])
    return np.array(outputs)


def test_frames_of_onnxruntime_are_masked_frames(exported, speech):
    pipe, path = exported
    [item] = pipe[0].transform(speech[0][:1])
    masked = item.stft() * pipe[-1].predict_mask([item])[0]
    got = run(path, item.stft())
    assert agreement(masked, got) > MIN_AGREEMENT
    # The first frames too, which the rest of the recording would hide.
    for expected, frame in zip(masked[1:4], got[1:4], strict=True):
        assert np.abs(expected - frame).max() < 1e-4 * np.abs(expected).max()


def test_the_first_frame_starts_from_the_initial_activations(exported, speech):
    pipe, path = exported
    frames = stft(speech[0][0].astype(np.float32), pipe[0].n_fft, pipe[0].hop_length, start=5)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    mix = np.stack([frames[0].real, frames[0].imag], axis=-1)[np.newaxis, :, np.newaxis]
    zeros = {each.name: np.zeros(each.shape, np.float32) for each in session.get_inputs()[1:]}
    first = session.run(["enh"], {"mix": mix} | zeros)[0]
    later = session.run(["enh"], {"mix": mix} | zeros | {"tra_cache": np.ones(1, np.float32)})[0]
    assert np.abs(first - later).max() > 1e-3 * np.abs(mix).max()


@pytest.mark.parametrize("max_attenuation", [6, 20.0])
def test_no_bin_loses_more_than_the_maximum(quick, speech, tmp_path, max_attenuation):
    path, waveform = tmp_path / "denoiser.onnx", speech[0][0]
    quick[-1].export_onnx(path, runtime="sherpa", max_attenuation=max_attenuation)
    mask = quick[-1].predict_mask(quick[0].transform([waveform]))[0]
    least = 10 ** (-max_attenuation / 20)
    assert (mask < least).any()
    frames = stft(waveform, 512, 256) * np.maximum(mask, least)
    expected = istft(frames, len(waveform), 512, 256)
    assert agreement(expected, stream(online(path), waveform, 1000)) > MIN_AGREEMENT


def test_no_attenuation_returns_the_input(quick, speech, tmp_path):
    path, waveform = tmp_path / "denoiser.onnx", speech[0][0]
    quick[-1].export_onnx(path, runtime="sherpa", max_attenuation=0)
    assert agreement(waveform, stream(online(path), waveform, 1000)) > MIN_AGREEMENT


def test_silence_stays_silence(quick, tmp_path):
    path = tmp_path / "denoiser.onnx"
    quick[-1].export_onnx(path, runtime="sherpa")
    for n_times in (1, 255, 2000):
        assert not stream(online(path), np.zeros(n_times, np.float32), 700).any()
    assert len(online(path).flush().samples) == 0


def test_the_model_has_the_rate_and_the_hop_of_the_stft(tmp_path):
    X, Y = make_noisy_speech(4, duration=0.5, sample_rate=8000, random_state=0)
    pipe = Pipeline([("stft", STFT(256, 128, sample_rate=8000)), ("sep", drnmf())]).fit(X, Y)
    path = tmp_path / "denoiser.onnx"
    pipe[-1].export_onnx(path, runtime="sherpa")
    denoiser = online(path)
    assert denoiser.sample_rate == offline(path).sample_rate == 8000
    assert denoiser.frame_shift_in_samples == 128
    assert agreement(pipe.predict(X)[0], stream(denoiser, X[0], 300, 8000)) > MIN_AGREEMENT
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["stft"]) == pipe[-1].stft_settings_
    assert facts["max_attenuation"] == "null"


def test_samples_of_a_square_root_hann_window_are_one(speech, tmp_path):
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64))
    X = STFT(64, 32, window=window).fit_transform(speech[0])
    separator, path = drnmf().fit(X, speech[1]), tmp_path / "denoiser.onnx"
    separator.export_onnx(path, runtime="sherpa")
    expected = separator.predict(X[:1])[0]
    assert agreement(expected, stream(online(path), speech[0][0], 100)) > MIN_AGREEMENT


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ({"n_fft": 64, "hop_length": 16}, "n_fft=64, hop_length=16"),
        ({"n_fft": 63, "hop_length": 31}, "n_fft=63, hop_length=31"),
        ({"n_fft": 64, "hop_length": 32, "window": "hamming"}, "window='hamming'"),
        # It has no first sample of 0, unlike the square root of Hann's.
        ({"n_fft": 64, "hop_length": 32, "window": "cosine"}, "window='cosine'"),
    ],
)
def test_what_sherpa_cannot_transform_is_refused(speech, tmp_path, settings, got):
    separator = drnmf().fit(STFT(**settings).fit_transform(speech[0]), speech[1])
    path = tmp_path / "denoiser.onnx"
    message = rf"hop_length = n_fft / 2 and window='sqrt_hann'.*{got}.*STFT\(512, 256\)"
    refuses(message, lambda: separator.export_onnx(path, runtime="sherpa"))
    assert not path.exists()
    separator.export_onnx(path)


def test_a_model_of_magnitudes_is_refused(magnitudes, tmp_path):
    separator = drnmf().fit(*magnitudes)
    path = tmp_path / "denoiser.onnx"
    refuses("fitted on magnitudes", lambda: separator.export_onnx(path, runtime="sherpa"))


@pytest.mark.parametrize(
    ("message", "error", "parameters"),
    [
        ("`runtime` must be one of 'onnxruntime', 'sherpa'; got", ValueError, {"runtime": "java"}),
        ("`max_attenuation` must be .* >= 0; got -1", ValueError, {"max_attenuation": -1}),
        ("`max_attenuation` must be .* >= 0; got nan", ValueError, {"max_attenuation": np.nan}),
        ("`max_attenuation` must be .* >= 0; got '6'", TypeError, {"max_attenuation": "6"}),
    ],
)
def test_bad_parameters_are_refused(quick, tmp_path, message, error, parameters):
    path = tmp_path / "denoiser.onnx"
    refuses(message, lambda: quick[-1].export_onnx(path, **parameters), error)
    assert not path.exists()


def test_an_unfitted_separator_is_refused(tmp_path):
    path = tmp_path / "denoiser.onnx"
    refuses("not fitted", lambda: DRNMFSeparator().export_onnx(path, runtime="sherpa"))
