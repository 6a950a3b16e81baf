"""Commands and their output: nothing that is there is lost, and what cannot be is said first."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
import soundfile
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator, load_model, save_model
from sknmf_unfold.base import atomic_files
from sknmf_unfold.cli._model_files import check_model_output
from sknmf_unfold.cli.main import main
from tests._refusals import refuses
from tests._small_disk import small_disk

RNG = np.random.RandomState(0)
WAVES = [0.1 * RNG.randn(n).astype("float32") for n in (4000, 3000)]
NMF = ["--estimator", "nmf", "--set", "n_components=2"]


@pytest.fixture
def folder(tmp_path):
    """Recordings and a model that was fitted on them."""
    for name, scale in (("noisy", 1), ("clean", 0.5)):
        (tmp_path / name).mkdir()
        for i, wave in enumerate(WAVES):
            soundfile.write(tmp_path / name / f"{i}.wav", scale * wave, 16000)
    separator = SupervisedNMFSeparator(2, max_iter=3, random_state=0)
    pipe = Pipeline([("stft", STFT(64, 16)), ("sep", separator)])
    save_model(pipe.fit(WAVES, [wave / 2 for wave in WAVES]), tmp_path / "model.skops")
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ends(status, capsys, *arguments):
    """The only line of a command on standard error that ends it with this status."""
    refuses(str(status), lambda: main([str(argument) for argument in arguments]), SystemExit)
    errors = capsys.readouterr().err
    lines = [line for line in errors.splitlines() if line and "%|" not in line]
    assert len(lines) == 1, errors
    return lines[0]


def with_model(model):
    """Options of a model."""
    return "--model", model


def pair(folder):
    """Options of folders of pairs."""
    return "--noisy", folder / "noisy", "--clean", folder / "clean"


def fit(folder, output):
    return "fit", *pair(folder), "-o", output, *NMF


@pytest.fixture
def no_folder_can_be_written(monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "somewhere")

    monkeypatch.setattr(atomic_files.tempfile, "TemporaryDirectory", denied)


# What must not be replaced


@pytest.mark.parametrize("name", ["noisy/0.wav", "clean/1.wav", "link.skops", "notes.txt"])
def test_fit_replaces_no_recording(name, folder, capsys, monkeypatch):
    (folder / "link.skops").symlink_to(folder / "noisy" / "0.wav")
    (folder / "notes.txt").write_text("notes")
    before = contents(folder)
    monkeypatch.setattr(Pipeline, "fit", lambda *_, **__: pytest.fail("trained in vain"))
    message = ends(2, capsys, *fit(folder, folder / name))
    assert f"{name} is there already and is not a model; choose another name" in message
    assert contents(folder) == before


@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "lzma", "xz"])
def test_fit_replaces_models(compress, tmp_path):
    for level in (1, 3, 9) if compress else (0,):
        joblib.dump({"a": 1}, tmp_path / "model", compress and (compress, level))
        check_model_output(tmp_path / "model")
    (tmp_path / "model").write_bytes(b"")
    check_model_output(tmp_path / "model")
    save_model(STFT(), tmp_path / "model")
    check_model_output(tmp_path / "model")


def test_the_model_and_the_inputs_are_not_replaced_by_sound(folder, capsys):
    model = folder / "0.wav"
    (folder / "model.skops").rename(model)
    source, before = folder / "noisy" / "0.wav", contents(folder)
    commands = {
        ("separate", source, *with_model(model)): (folder, source.parent),
        ("stream", source, *with_model(model)): (model, source),
    }
    for command, outputs in commands.items():
        for output in outputs:
            message = ends(2, capsys, *command, "-o", output)
            assert "would overwrite an input; choose another" in message
    assert contents(folder) == before


# Where nothing can be written


def test_commands_try_to_write_before_they_work(
    folder, capsys, monkeypatch, no_folder_can_be_written
):
    monkeypatch.setattr(Pipeline, "fit", lambda *_, **__: pytest.fail("trained in vain"))
    monkeypatch.setattr(Pipeline, "predict", lambda *_: pytest.fail("separated in vain"))
    model, source = folder / "model.skops", folder / "noisy" / "0.wav"
    out = folder / "out"
    commands = {
        ("demo", "-o", out): "results",
        fit(folder, folder / "new.skops"): "new.skops",
        ("separate", source, *with_model(model), "-o", out): "results",
        ("stream", source, *with_model(model), "-o", folder / "out.wav"): "out.wav",
    }
    for command, name in commands.items():
        message = ends(2, capsys, *command)
        assert "Permission denied" in message and str(folder / name) in message
    assert not out.exists()


def test_a_relative_folder_is_tried_too(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["separate", "noisy/0.wav", "--model", "model.skops", "-o", "new/deep"]) == 0
    assert soundfile.info("new/deep/0.wav").frames == 4000


def test_a_full_disk_keeps_the_old_model(folder, tmp_path, capsys):
    (folder / "disk").mkdir()
    with small_disk(folder / "disk", 4) as disk:
        path = disk / "model.skops"
        path.write_bytes(b"PK\x03\x04old")
        message = ends(2, capsys, *fit(folder, path))
        assert "No space left on device" in message and str(path) in message
        assert path.read_bytes() == b"PK\x03\x04old" and list(disk.iterdir()) == [path]


def test_a_model_can_be_written_into_a_pipe(folder, tmp_path, capsys):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    thread = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    thread.start()
    assert main([str(argument) for argument in fit(folder, pipe)]) == 0
    thread.join()
    (tmp_path / "copy").write_bytes(read[0])
    assert isinstance(load_model(tmp_path / "copy"), Pipeline)


def test_a_failed_export_keeps_the_old_file(tmp_path, monkeypatch, magnitudes):
    X, Y = magnitudes
    separator = DRNMFSeparator(1, n_components=2, max_epochs=0, random_state=0).fit(X, Y)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")

    def stops(self, content):
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", stops)
    refuses(r"No space left.*model\.onnx", lambda: separator.export_onnx(path), OSError)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# Interrupts


def test_fit_that_has_learned_nothing_writes_nothing(folder, capsys, monkeypatch):
    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(SupervisedNMFSeparator, "fit", interrupted)
    model = folder / "model.skops"
    before = contents(folder)
    line = ends(130, capsys, *fit(folder, model))
    assert line == f"Interrupted before there was a trained model; nothing was written to {model}"
    ends(130, capsys, *fit(folder, folder / "new.skops"))
    assert contents(folder) == before


@pytest.mark.parametrize("best_epoch", [0, 2])
def test_fit_saves_what_it_has_learned(best_epoch, folder, capsys, monkeypatch):
    fit_whole = DRNMFSeparator.fit

    def interrupted(self, X, Y, **further):
        fit_whole(self.set_params(max_epochs=3), X, Y, **further)
        self.best_epoch_ = best_epoch
        raise KeyboardInterrupt

    monkeypatch.setattr(DRNMFSeparator, "fit", interrupted)
    model = folder / "model.skops"
    before = model.read_bytes()
    line = ends(130, capsys, *fit(folder, model)[:-4], "--set", "n_components=2")
    if best_epoch:
        assert (
            line == f"Interrupted after 3 epochs; the unfinished model, of epoch 2, is in {model}"
        )
        assert load_model(model)["sep"].best_epoch_ == 2
    else:
        assert line.endswith(f"nothing was written to {model}") and model.read_bytes() == before


def test_an_interrupt_while_saving_keeps_the_old_model(folder, capsys, monkeypatch):
    write = Path.write_bytes

    def interrupted(path, content):
        write(path, content[:100])
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    before = contents(folder)
    assert ends(130, capsys, *fit(folder, folder / "model.skops")) == "Interrupted"
    assert contents(folder) == before


# Standard output


@pytest.mark.parametrize("out", ["pipe", "/dev/full"])
def test_readers_that_stop_end_a_command_quietly(out, folder):
    command = [
        sys.executable,
        "-m",
        "sknmf_unfold",
        "score",
        *map(str, (*pair(folder), *with_model(folder / "model.skops"))),
    ]
    status, errors = run_into(out, command)
    if out == "pipe":
        assert status == 141 and errors == ""
    else:
        assert status == 2 and errors == "error: [Errno 28] No space left on device\n"


def run_into(out, command):
    """Run a command into a pipe that nobody reads, or a device; return its status and errors."""
    if out == "pipe":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open(out, os.O_WRONLY)
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(write)
    return done.returncode, done.stderr
