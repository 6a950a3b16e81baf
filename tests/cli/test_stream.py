"""The command `stream`: its output, its pace, and the inputs that it refuses."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from sknmf_unfold.cli import stream
from tests._sound_files import (
    SAYS_WHERE_FLAC_BREAKS_OFF,
    write_cut,
    write_open_wav,
    write_unknown_flac,
)
from tests._stream_command import fails, run, store_model


@pytest.fixture(scope="module")
def model(tmp_path_factory, speech):
    return store_model(tmp_path_factory.mktemp("live"), speech)


@pytest.mark.parametrize("chunk", [(), ("--chunk", 1000), ("--chunk", 7)])
def test_what_is_written_is_what_predict_gives(model, tmp_path, capsys, chunk):
    out = tmp_path / "out.wav"
    assert run(model, model.folder / "in.wav", "-o", out, "--no-wait", *chunk) == 0
    actual, rate = soundfile.read(out, dtype="float32")
    assert rate == 16000
    # 16 bits a sample.
    np.testing.assert_allclose(actual, model.pipe.predict([model.x])[0], rtol=0, atol=2.0**-14)
    captured = capsys.readouterr()
    assert captured.out == "" and "load" in captured.err


class Clock:
    """Stands in for the module `time`: each reading and each sleep moves it on, nothing else."""

    def __init__(self):
        self.now, self.sleeps = 1000.0, []

    def perf_counter(self):
        self.now += 0.0001
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds


def test_it_waits_for_every_chunk_as_long_as_a_microphone_would(
    model, tmp_path, capsys, monkeypatch
):
    clock = Clock()
    monkeypatch.setattr(stream, "time", clock)
    soundfile.write(tmp_path / "short.wav", np.zeros(8000), 16000)
    arguments = (tmp_path / "short.wav", "-o", tmp_path / "out.wav", "--chunk", 160)
    run(model, *arguments)
    # 50 chunks of 10 ms.
    assert len(clock.sleeps) == 50 and 0 < min(clock.sleeps) <= max(clock.sleeps) <= 0.01
    assert clock.now - 1000 == pytest.approx(0.5, abs=0.001)
    assert "0.5 s of sound" in capsys.readouterr().err
    clock.sleeps.clear()
    run(model, *arguments, "--no-wait")
    assert clock.sleeps == []


def test_stereo_is_mixed_down(model, tmp_path):
    x = model.x[:4000]
    soundfile.write(
        tmp_path / "stereo.wav", np.stack([1.5 * x, 0.5 * x], 1), 16000, subtype="FLOAT"
    )
    run(model, tmp_path / "stereo.wav", "-o", tmp_path / "out.wav", "--no-wait")
    actual, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    np.testing.assert_allclose(actual, model.pipe.predict([x])[0], rtol=0, atol=2.0**-14)


@pytest.mark.parametrize("odd_byte", [b"", b"\x01"])
def test_standard_input_and_output(model, monkeypatch, odd_byte):
    pcm = np.round(20000 * model.x[:5000] / np.abs(model.x[:5000]).max()).astype("<i2")
    received = io.BytesIO()
    stdin = SimpleNamespace(buffer=io.BytesIO(pcm.tobytes() + odd_byte))
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=received, flush=received.flush))
    assert run(model, "-", "-o", "-", "--no-wait") == 0
    actual = np.frombuffer(received.getvalue(), "<i2")
    expected = model.pipe.predict([pcm])[0]
    assert len(actual) == len(pcm)
    np.testing.assert_allclose(actual / 32768, expected, rtol=0, atol=2.0**-14)


def test_what_is_too_loud_is_clipped(model, tmp_path):
    soundfile.write(tmp_path / "loud.wav", 50 * model.x, 16000, subtype="FLOAT")
    run(model, tmp_path / "loud.wav", "-o", tmp_path / "out.wav", "--no-wait")
    actual, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    expected = np.clip(model.pipe.predict([50 * model.x])[0], -1, 1)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2.0**-14)


def test_user_errors(model, tmp_path, capsys):
    out = tmp_path / "out.wav"
    assert "does not exist" in fails(capsys, model, tmp_path / "none.wav", "-o", out)
    assert "is a folder" in fails(capsys, model, tmp_path, "-o", out)
    assert "is a folder" in fails(capsys, model, model.folder / "in.wav", "-o", tmp_path)
    (tmp_path / "text.wav").write_text("no audio")
    assert "not an audio file" in fails(capsys, model, tmp_path / "text.wav", "-o", out)
    assert "`chunk`" in fails(capsys, model, model.folder / "in.wav", "-o", out, "--chunk", 0)
    assert "out.mp9: the suffix must name an audio format" in fails(
        capsys, model, model.folder / "in.wav", "-o", tmp_path / "out.mp9"
    )
    assert not out.exists()
    assert "overwrite" in fails(
        capsys, model, model.folder / "in.wav", "-o", model.folder / "in.wav"
    )


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "wav", "au"])
@pytest.mark.parametrize("chunk", [1000, 128])
def test_a_cut_file_is_separated_as_far_as_it_goes(model, tmp_path, suffix, chunk):
    source, out = tmp_path / f"in.{suffix}", tmp_path / "out.wav"
    long = np.tile(model.x / np.abs(model.x).max() / 2, 5)
    write_cut(source, long)
    assert run(model, source, "-o", out, "--no-wait", "--chunk", chunk) == 0
    actual, read = soundfile.read(out, dtype="float32")[0], soundfile.read(source, len(long))[0]
    assert 0.2 * len(long) < len(actual) == len(read) < 0.8 * len(long)
    np.testing.assert_allclose(actual, model.pipe.predict([read])[0], rtol=0, atol=2.0**-14)


@SAYS_WHERE_FLAC_BREAKS_OFF
def test_a_cut_file_that_its_decoder_refuses_is_separated_up_to_there(model, tmp_path, capsys):
    source, out = tmp_path / "in.flac", tmp_path / "out.wav"
    long = np.tile(model.x / np.abs(model.x).max() / 2, 5)
    soundfile.write(tmp_path / "whole.flac", long, 16000)
    write_cut(source, long)
    message = fails(capsys, model, source, "-o", out, "--no-wait", "--chunk", 1000)
    assert "in.flac is not an audio file that can be read to its end" in message
    actual, _ = soundfile.read(out, dtype="float32")
    # As many whole chunks as there are.
    assert len(actual) % 1000 == 0 and len(actual) > 0.2 * len(long)
    read, _ = soundfile.read(tmp_path / "whole.flac", frames=len(actual), dtype="float32")
    np.testing.assert_allclose(actual, model.pipe.predict([read])[0], rtol=0, atol=2.0**-14)


def test_what_a_header_does_not_say_is_separated(model, tmp_path):
    x, out = np.int16(np.round(8000 * model.x)), tmp_path / "out.wav"
    write_unknown_flac(tmp_path / "a.flac", x)
    write_open_wav(tmp_path / "a.wav", x)
    expected = model.pipe.predict([x])[0]
    for name in ("a.flac", "a.wav"):
        assert run(model, tmp_path / name, "-o", out, "--no-wait") == 0
        actual, _ = soundfile.read(out, dtype="float32")
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2.0**-14, err_msg=name)


def test_a_file_that_stops_to_be_numbers_is_named(model, tmp_path, capsys):
    x = model.x[:5000].copy()
    x[3456] = np.nan
    soundfile.write(tmp_path / "nan.wav", x, 16000, "FLOAT")
    message = fails(
        capsys, model, tmp_path / "nan.wav", "-o", tmp_path / "out.wav", "--no-wait", "--chunk", 500
    )
    assert "nan.wav contains NaN or infinity at sample 3456" in message
    assert soundfile.info(tmp_path / "out.wav").frames == 3000


FILES_AS_PCM = ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "rf64", "voc", "nist"]


@pytest.mark.parametrize("suffix", FILES_AS_PCM)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_files_on_standard_input_are_no_raw_samples(
    model, tmp_path, monkeypatch, capsys, suffix, chunk
):
    soundfile.write(tmp_path / f"a.{suffix}", 0.1 * model.x, 44100)
    content = (tmp_path / f"a.{suffix}").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    out = tmp_path / "out.wav"
    message = fails(capsys, model, "-", "-o", out, "--no-wait", "--chunk", chunk)
    assert "not raw 16-bit PCM; pass the name of the file in place of -" in message
    assert "-ar 16000" in message and not out.exists()


@pytest.mark.parametrize("chunk", [1, 31, 33, 1000])
@pytest.mark.parametrize("n_times", [0, 1, 20, 32, 500])
def test_samples_on_standard_input_come_in_chunks(monkeypatch, chunk, n_times):
    from sknmf_unfold.cli._stream_input import _read_pcm

    pcm = np.arange(-n_times, 0, dtype="<i2")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(pcm.tobytes())))
    chunks = list(_read_pcm(16000, chunk))
    np.testing.assert_array_equal(np.concatenate([np.empty(0, "<i2"), *chunks]), pcm)
    assert all(len(samples) == chunk for samples in chunks[:-1])
