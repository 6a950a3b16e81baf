"""``stream`` at sampling rates that the model does not have."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

from sknmf_unfold.cli._resampled_stream import ResampledStream
from sknmf_unfold.streaming import StreamingSeparator
from tests._stream_command import fails, run, store_model

RATES = [8000, 11025, 22050, 32000, 44100, 48000, 96000]


@pytest.fixture(scope="module")
def model(tmp_path_factory, speech):
    return store_model(tmp_path_factory.mktemp("rates"), speech)


def separated_whole(model, x, rate):
    """Resample, separate and resample back, of the length of x."""
    estimate = soxr.resample(model.pipe.predict([soxr.resample(x, rate, 16000)])[0], 16000, rate)
    return np.resize(np.append(estimate, np.zeros(8)), len(x))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("chunk", [(), ("--chunk", 999)])
def test_files_keep_their_rate_and_length(model, tmp_path, rate, chunk):
    x = soxr.resample(model.x, 16000, rate)[:-7]
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, x, rate, "FLOAT")
    assert run(model, source, "-o", out, "--no-wait", *chunk) == 0
    actual, new_rate = soundfile.read(out, dtype="float32")
    assert new_rate == rate and actual.shape == x.shape
    expected = separated_whole(model, x, rate)
    error = actual - expected
    assert 10 * np.log10(np.mean(expected**2) / np.mean(error**2)) > 50


def test_a_tone_keeps_level_and_time(model):
    """A model that keeps everything returns what came in, below half its rate."""

    class Keeping:
        sample_rate_, hop_length_ = 16000, 128

        def process(self, samples):
            return samples

        def flush(self):
            return np.zeros(0, np.float32)

    for rate in RATES:
        seconds = np.arange(rate) / rate
        x = (0.5 * np.sin(2 * np.pi * 1000 * seconds)).astype("float32")
        stream = ResampledStream(Keeping(), rate)
        y = np.concatenate([stream.process(x[:1000]), stream.process(x[1000:]), stream.flush()])
        inside = slice(rate // 10, -rate // 10)
        np.testing.assert_allclose(y[inside], x[inside], rtol=0, atol=2e-3, err_msg=str(rate))


@pytest.mark.parametrize("n_times", [0, 1, 2, 3, 100, 1000])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_short_recordings_keep_their_length(model, n_times, rate):
    stream = ResampledStream(StreamingSeparator(model.pipe), rate)
    parts = [stream.process(np.full(n_times, 0.1, np.float32)), stream.flush()]
    assert sum(map(len, parts)) == n_times
    assert np.isfinite(np.concatenate(parts)).all()


def test_pcm_of_a_given_rate(model, monkeypatch, capsys):
    pcm = np.round(8000 * soxr.resample(model.x, 16000, 44100) / np.abs(model.x).max())
    pcm, received = pcm.astype("<i2"), io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(pcm.tobytes())))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=received, flush=received.flush))
    assert run(model, "-", "-o", "-", "--no-wait", "--rate", 44100) == 0
    actual = np.frombuffer(received.getvalue(), "<i2") / 32768
    expected = separated_whole(model, (pcm / 32768).astype("float32"), 44100)
    assert actual.shape == expected.shape
    assert 10 * np.log10(np.mean(expected**2) / np.mean((actual - expected) ** 2)) > 40
    assert f"{len(pcm) / 44100:.1f} s of sound" in capsys.readouterr().err


def test_rates_that_are_refused(model, tmp_path, capsys):
    soundfile.write(tmp_path / "in.wav", model.x, 16000)
    source = (model, tmp_path / "in.wav", "-o", tmp_path / "out.wav")
    assert "--rate is for PCM" in fails(capsys, *source, "--rate", 8000)
    assert "`rate` must be" in fails(capsys, model, "-", "--rate", 10)
    soundfile.write(tmp_path / "in.wav", model.x, 20)
    assert "a sampling rate of 20 Hz in its header" in fails(capsys, *source)
    assert not (tmp_path / "out.wav").exists()


def test_the_attenuation_can_be_bounded(model, tmp_path):
    soundfile.write(tmp_path / "in.wav", model.x, 16000, "FLOAT")
    out = tmp_path / "out.wav"
    assert run(model, tmp_path / "in.wav", "-o", out, "--no-wait", "--max-attenuation", 6) == 0
    actual, _ = soundfile.read(out, dtype="float32")
    expected = model.pipe["sep"].predict(model.pipe["stft"].transform([model.x]), max_attenuation=6)
    np.testing.assert_allclose(actual, expected[0], rtol=0, atol=2.0**-14)
