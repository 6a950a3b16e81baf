"""The sound that the command `stream` writes, whatever ends it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, load_model, save_model
from sknmf_unfold.cli import stream as live
from sknmf_unfold.cli._stream_output import WavFile
from sknmf_unfold.cli.main import main
from sknmf_unfold.streaming import StreamingSeparator
from tests._small_disk import small_disk
from tests._stream_command import fails, run, store_model


@pytest.fixture(scope="module")
def model(tmp_path_factory, speech):
    return store_model(tmp_path_factory.mktemp("live"), speech)


@pytest.mark.parametrize(("suffix", "snr"), [("flac", 60), ("aiff", 60), ("ogg", 5), ("mp3", 5)])
def test_every_format_that_recordings_have(suffix, snr, model, tmp_path):
    out = tmp_path / f"out.{suffix}"
    assert run(model, model.folder / "in.wav", "-o", out, "--no-wait") == 0
    actual, rate = soundfile.read(out)
    expected = model.pipe.predict([model.x])[0]
    assert rate == 16000 and len(expected) <= len(actual) < len(expected) + 1153
    error = actual[: len(expected)] - expected
    assert 10 * np.log10(np.mean(expected**2) / np.mean(error**2)) > snr


def test_a_rate_that_the_format_does_not_have_keeps_the_old_file(model, tmp_path, capsys):
    out, odd = tmp_path / "out.mp3", tmp_path / "odd.skops"
    save_model(Pipeline([("stft", STFT(sample_rate=12345)), *model.pipe.steps[1:]]), odd)
    pipe = load_model(odd)
    pipe["sep"].stft_settings_["sample_rate"] = 12345
    save_model(pipe, odd)
    soundfile.write(tmp_path / "in.wav", model.x, 12345)
    out.write_bytes(b"old")
    with pytest.raises(SystemExit):
        trusted = ["--model", str(odd), "--trust-pickle"]
        main(["stream", str(tmp_path / "in.wav"), "-o", str(out), *trusted])
    assert "out.mp3: Error : MPEG-1/2/2.5 only supports sample rates of" in capsys.readouterr().err
    assert out.read_bytes() == b"old"


def sound_in(path):
    samples, _ = soundfile.read(path, dtype="float32")
    return samples


def test_the_header_is_right_after_every_second(model, tmp_path, monkeypatch):
    out, lengths, n_given = tmp_path / "out.wav", [], 0
    process = StreamingSeparator.process

    def look(self, samples):
        nonlocal n_given
        finished = process(self, samples)
        lengths.append((n_given, len(sound_in(out))))
        n_given += len(finished)
        return finished

    monkeypatch.setattr(StreamingSeparator, "process", look)
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(model.x, 5)[:60_000], 16000)
    run(model, long, "-o", out, "--no-wait", "--chunk", 1000)
    assert len(lengths) == 60
    for given, readable in lengths:
        assert given - 16000 < readable <= given
    assert lengths[-1][1] >= 48000 and len(sound_in(out)) == 60_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_full_disk_ends_it_in_one_line(suffix, model, tmp_path, capsys):
    with small_disk(tmp_path, 64) as disk:
        out = disk / f"out.{suffix}"
        soundfile.write(model.folder / "long.wav", np.tile(model.x, 40), 16000)
        errors = fails(capsys, model, model.folder / "long.wav", "-o", out, "--no-wait")
        lines = [line for line in errors.splitlines() if "load" not in line]
        assert lines == [f"error: [Errno 28] No space left on device: '{out}'"]
        assert 0 < len(sound_in(out) if suffix == "wav" else out.read_bytes())


def test_a_device_that_is_full_is_named(model, capsys, monkeypatch):
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=full, flush=lambda: None))
        errors = fails(capsys, model, model.folder / "in.wav", "-o", "-", "--no-wait")
    assert errors == "error: [Errno 28] No space left on device: 'standard output'\n"


def test_a_wav_file_can_be_a_pipe(model, tmp_path):
    out, read = tmp_path / "out.wav", []
    os.mkfifo(out)
    thread = threading.Thread(target=lambda: read.append(out.read_bytes()))
    thread.start()
    run(model, model.folder / "in.wav", "-o", out, "--no-wait")
    thread.join()
    # Its length cannot be known at the beginning: as long as can be.
    assert read[0][:4] == b"RIFF" and read[0][40:44] == b"\xdb\xff\xff\xff"
    actual = np.frombuffer(read[0][44:], "<i2") / 32768
    np.testing.assert_allclose(actual, model.pipe.predict([model.x])[0], rtol=0, atol=2.0**-14)


def test_what_is_wrong_with_the_input_is_not_said_of_the_output(model, tmp_path, capsys):
    bad = np.where(np.arange(9000) == 5000, np.nan, 0.1)
    soundfile.write(tmp_path / "nan.wav", bad, 16000, subtype="FLOAT")
    for suffix in ("wav", "flac"):
        out = tmp_path / f"out.{suffix}"
        errors = fails(capsys, model, tmp_path / "nan.wav", "-o", out, "--no-wait")
        assert "NaN" in errors and "out." not in errors


# Ctrl-C


def stream_command(model):
    """The command of a process."""
    command = [sys.executable, "-m", "sknmf_unfold", "stream"]
    return [*command, "--model", str(model.path)]


def interrupted(model, capsys, *arguments):
    with pytest.raises(SystemExit) as info:
        run(model, *arguments)
    assert info.value.code == 130
    captured = capsys.readouterr()
    # Lines of the load come every ten seconds.
    (line,) = [line for line in captured.err.splitlines() if "Interrupted" in line]
    assert "Traceback" not in captured.err
    return line


@pytest.mark.parametrize("moment", ["reading", "waiting", "working", "writing"])
def test_an_interrupt_writes_what_was_read(moment, model, tmp_path, capsys, monkeypatch):
    calls = {
        "reading": (live, "next"),
        "waiting": (live.time, "sleep"),
        "working": (StreamingSeparator, "process"),
        "writing": (WavFile, "write"),
    }
    place, name = calls[moment]
    call, n_calls = getattr(place, name, next), []

    def interrupting(*arguments):
        n_calls.append(1)
        if len(n_calls) == 20:
            signal.raise_signal(signal.SIGINT)
        return call(*arguments)

    monkeypatch.setattr(place, name, interrupting, raising=False)
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "out.wav"
    line = interrupted(model, capsys, model.folder / "in.wav", "-o", out, "--chunk", 100)
    assert signal.getsignal(signal.SIGINT) is before
    n_read = {"reading": 1900}.get(moment, 2000)
    assert line.startswith(f"Interrupted after {n_read / 16000:.1f} s of sound, load")
    expected = model.pipe.predict([model.x[:n_read]])[0]
    np.testing.assert_allclose(sound_in(out), expected, rtol=0, atol=2.0**-14)


def test_a_second_interrupt_ends_what_is_stuck(model, tmp_path, capsys, monkeypatch):
    def stuck(self, samples):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    monkeypatch.setattr(WavFile, "write", stuck)
    line = interrupted(model, capsys, model.folder / "in.wav", "-o", tmp_path / "out.wav")
    assert line == "Interrupted"


def test_it_runs_in_other_threads(model, tmp_path):
    # Only the main thread may ask for signals.
    out = tmp_path / "out.wav"
    arguments = (model, model.folder / "in.wav", "-o", out, "--no-wait")
    thread = threading.Thread(target=run, args=arguments)
    thread.start()
    thread.join()
    assert len(sound_in(out)) == len(model.x)


def test_a_reader_that_stops_ends_it_quietly(model, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.tile(model.x, 30), 16000)
    stream = stream_command(model)
    stream += [str(tmp_path / "long.wav"), "-o", "-", "--no-wait"]
    with subprocess.Popen(stream, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert len(process.stdout.read(1000)) == 1000
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert process.returncode == 141
    assert [line for line in errors.splitlines() if "load" not in line] == []


def test_an_interrupt_ends_the_wait_for_standard_input(model):
    pcm = np.round(8000 * model.x[:12_800] / np.abs(model.x).max()).astype("<i2")
    stream = stream_command(model)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*stream, "-", "-o", "-"], **pipes) as process:
        process.stdin.write(pcm.tobytes())
        process.stdin.flush()
        # Frames of 512 samples end at every 128th; after the last one there is nothing to read.
        received = process.stdout.read(2 * (12_800 - 384))
        process.send_signal(signal.SIGINT)
        received += process.stdout.read()
        errors = process.stderr.read().decode()
    assert process.returncode == 130
    assert errors.startswith("Interrupted after 0.8 s of sound") and errors.count("\n") == 1
    actual = np.frombuffer(received, "<i2")
    assert len(actual) == 12_800
    expected = model.pipe.predict([pcm])[0]
    np.testing.assert_allclose(actual / 32768, expected, rtol=0, atol=2.0**-14)
