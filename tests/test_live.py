"""The command that separates sound as it comes."""

import io
import sys
import time
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import soundfile
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator
from sknmf_unfold.__main__ import main


@pytest.fixture(scope="module")
def model(tmp_path_factory, speech):
    X, Y = speech
    separator = SupervisedNMFSeparator(
        5, inference="warm_ista", n_iter=2, max_iter=10, random_state=0
    )
    pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    path = tmp_path_factory.mktemp("live") / "model.joblib"
    joblib.dump(pipe, path)
    soundfile.write(path.parent / "in.wav", X[0], 16000, subtype="FLOAT")
    return SimpleNamespace(pipe=pipe, path=path, folder=path.parent, x=X[0])


def run(model, *arguments):
    return main(["stream", str(model.path), *map(str, arguments)])


def fails(capsys, model, *arguments):
    with pytest.raises(SystemExit) as info:
        run(model, *arguments)
    assert info.value.code == 2
    return capsys.readouterr().err


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


def test_it_goes_at_the_pace_of_the_sound(model, tmp_path, capsys):
    x = np.zeros(8000)
    soundfile.write(tmp_path / "short.wav", x, 16000)
    start = time.perf_counter()
    run(model, tmp_path / "short.wav", "-o", tmp_path / "out.wav")
    assert 0.5 <= time.perf_counter() - start < 5
    assert "0.5 s of sound" in capsys.readouterr().err


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
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=received))
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
    soundfile.write(tmp_path / "8k.wav", np.zeros(100), 8000)
    assert "8000 Hz but the model works at 16000 Hz" in fails(
        capsys, model, tmp_path / "8k.wav", "-o", out
    )
    (tmp_path / "text.wav").write_text("no audio")
    assert "not an audio file" in fails(capsys, model, tmp_path / "text.wav", "-o", out)
    assert "`chunk`" in fails(capsys, model, model.folder / "in.wav", "-o", out, "--chunk", 0)
    assert "cannot be written" in fails(
        capsys, model, model.folder / "in.wav", "-o", tmp_path / "out.mp9"
    )
    assert not out.exists()
    assert "overwrite" in fails(
        capsys, model, model.folder / "in.wav", "-o", model.folder / "in.wav"
    )
