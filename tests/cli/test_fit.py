"""The command `fit`: its recordings, its parameters, its start and its interrupts."""

import re
import signal

import joblib
import numpy as np
import pytest
import soundfile

from sknmf_unfold.cli._model_files import resolve_model
from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.metrics import sdr
from sknmf_unfold.training.loop import Trainer

SMALL = ["--set", "n_components=4", "n_fft=256", "--max-epochs", "1"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders of clean, noisy and noise recordings by speaker, and a model fitted on them."""
    root = tmp_path_factory.mktemp("fit")
    X, Y = make_noisy_speech(8, duration=0.5, random_state=0)
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        for kind, waveform in (("noisy", x), ("clean", y), ("noise", x - y)):
            folder = root / kind / f"speaker{i // 2}" / "deeper"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{i}.wav", waveform, 16000, "FLOAT")
    assert main(["fit", *sources(root), "-o", str(root / "model.skops"), *SMALL]) == 0
    return root


def sources(root):
    return ["--clean", str(root / "clean"), "--noise", str(root / "noise")]


def pairs(root):
    return ["--noisy", str(root / "noisy"), "--clean", str(root / "clean")]


def fails(capsys, *arguments, status=2):
    with pytest.raises(SystemExit) as info:
        main([str(each) for each in arguments])
    assert info.value.code == status
    return capsys.readouterr().err


def load(path):
    return resolve_model(path, trust_pickle=True)


# Recordings and parameters


def test_clean_recordings_and_noise_are_enough(root, tmp_path, capsys):
    path = tmp_path / "model.skops"
    arguments = ["fit", *sources(root), "-o", str(path), *SMALL]
    assert main([*arguments, "--set", "n_gru_units=3", "snr_db=[0, 5]"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # One speaker of four is held out.
    assert lines[0].startswith("Trained on 6 clean recordings (0.1 min) and 6 of noise (0.1 min)")
    assert lines[1].startswith("SDR of 2 recordings held out: ")
    assert path.read_bytes().startswith(b"PK")
    pipe = load(path)
    assert (pipe["stft"].n_fft, pipe["stft"].highpass, pipe["sep"].n_gru_units) == (256, 10.0, 3)
    # The conditions are those of the mixtures, which the separator does not remix.
    assert pipe["sep"].gain_db is None and pipe["sep"].max_epochs == 1


def test_pairs_by_names_below_the_folders(root, tmp_path, capsys):
    path = tmp_path / "model.joblib"
    options = ["--set", "gain_db=[-3, 0]", "highpass=None", "level_frames=50", "remix=False"]
    assert main(["fit", *pairs(root), "-o", str(path), *SMALL, *options, "--seed", "3"]) == 0
    assert "Trained on 6 recordings (0.1 min)" in capsys.readouterr().out
    pipe = joblib.load(path)
    assert pipe["stft"].highpass is None and pipe["sep"].gain_db == [-3, 0]
    assert pipe["sep"].level_frames_ == 50 and pipe["sep"].remix is False
    assert pipe["sep"].random_state == 3


def test_the_last_line_is_of_a_speaker_who_is_not_in_training(root, tmp_path, capsys):
    path = tmp_path / "model.skops"
    assert main(["fit", *pairs(root), "-o", str(path), *SMALL]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    X, Y = make_noisy_speech(8, duration=0.5, random_state=0)
    before, after = sdr(Y, X), sdr(Y, load(path).predict(X))
    expected = [
        f"{before[i : i + 2].mean():.2f} dB before, {after[i : i + 2].mean():.2f} dB after"
        for i in (0, 2, 4, 6)
    ]
    assert sum(text in line for text in expected) == 1, (line, expected)


def test_supervised_nmf(root, tmp_path):
    for i, recordings in enumerate((sources(root), pairs(root))):
        path = tmp_path / f"{i}.skops"
        options = ["--estimator", "nmf", "--set", "n_components=3", "max_iter=5"]
        assert main(["fit", *recordings, "-o", str(path), *options]) == 0
        assert load(path)["sep"].target_components_.shape == (3, 257)


def test_a_single_pair_is_all_there_is(root, tmp_path, capsys):
    path = tmp_path / "m.skops"
    each = [str(root / kind / "speaker0" / "deeper" / "0.wav") for kind in ("noisy", "clean")]
    arguments = ["fit", "--noisy", each[0], "--clean", each[1], "-o", str(path), *SMALL]
    with pytest.warns(UserWarning, match="one recording"):
        assert main(arguments) == 0
    assert "held out" not in capsys.readouterr().out


REFUSED = {
    "--set n_gru_unit=3": r"--set n_gru_unit: there is no such parameter .* n_gru_units\?",
    "--set xyzzy=3": r"--set xyzzy: there is no .* There are: band_fraction, bandwidths, batch_",
    "--set n_fft": "--set takes NAME=VALUE",
    "--set n_fft=4 n_fft=5": "--set has two values of `n_fft`",
    "--set max_epochs=4 --max-epochs 5": "`max_epochs` is given twice, by --max-epochs and",
    "--set hop_length=many": "`hop_length` must be",
    "--set sample_rate=0": "`sample_rate` must be",
    "--set validation_fraction=2": "`validation_fraction` must be",
    "--seed -1": "`random_state` must be",
    "--start-from {0}/model.skops --estimator nmf": "leave --estimator out",
    "--start-from {0}/model.skops --set n_layers=3": r"`n_layers` belongs .* \(there: 2\)",
    "--start-from {0}/model.skops --set n_fft=512": r"`n_fft` belongs .* \(there: 256\)",
    "--start-from {0}/model.skops --sample-rate 8000": r"`sample_rate` belongs .* \(there: 16000\)",
    "--start-from {0}/model.skops --set recipe=paper": "`recipe` belongs to the model",
    "--noisy {0}/noisy": "Pass --noisy and --clean",
    "--rooms {0}/none": "none does not exist",
}


@pytest.mark.parametrize("options", REFUSED)
def test_options_that_are_refused(options, root, tmp_path, capsys):
    arguments = ["fit", *sources(root), "-o", tmp_path / "m.skops"]
    message = fails(capsys, *arguments, *options.format(root).split())
    assert re.search(REFUSED[options], message), message
    assert "SparseNMF" not in message and list(tmp_path.iterdir()) == []


def test_a_name_of_mixtures_without_mixtures_is_unknown(root, tmp_path, capsys):
    arguments = ["fit", *pairs(root), "-o", tmp_path / "m.skops", "--set", "snr_db=[0]"]
    message = fails(capsys, *arguments)
    assert "--set snr_db: there is no such parameter of separator or STFT" in message
    arguments = ["fit", *pairs(root), "-o", tmp_path / "m.skops", "--rooms", root / "noise"]
    assert "--rooms is for" in fails(capsys, *arguments)


# A start


def test_no_epoch_from_a_start_is_the_start(root, tmp_path):
    start, path = root / "model.skops", tmp_path / "m.skops"
    X, _ = make_noisy_speech(1, duration=0.5, random_state=1)
    fit = ["fit", *sources(root), "-o", str(path), "--start-from", str(start), "--max-epochs"]
    before = load(start).predict(X)[0]
    assert main([*fit, "0"]) == 0
    # Weights are trained as logarithms.
    np.testing.assert_allclose(load(path).predict(X)[0], before, rtol=0, atol=1e-6)
    assert main([*fit, "2", "--set", "learning_rate=0.001"]) == 0
    pipe = load(path)
    assert pipe["sep"].learning_rate == 0.001 and pipe["sep"].history_["epoch"] == [0, 1, 2]
    after = pipe.predict(X)[0]
    error = np.sum((after - before) ** 2) / np.sum(before**2)
    # Trained on, not anew: nearly the same model.
    assert 0 < error < 0.1


def test_a_start_that_cannot_be_trained_on(root, tmp_path, capsys):
    path = tmp_path / "nmf.skops"
    nmf = ["--estimator", "nmf", "--set", "n_components=2", "max_iter=3"]
    assert main(["fit", *pairs(root), "-o", str(path), *nmf]) == 0
    message = fails(capsys, "fit", *pairs(root), "--start-from", path, "-o", tmp_path / "m.skops")
    assert "a SupervisedNMFSeparator is not trained epoch by epoch" in message


# Interrupts


@pytest.fixture
def interrupt_in_epoch(monkeypatch):
    """Ctrl-C at the beginning of the epoch of this number."""
    whole, n_begun = Trainer.epoch, []

    def interrupt(number):
        def epoch(self, *arguments):
            n_begun.append(1)
            if len(n_begun) == number:
                signal.raise_signal(signal.SIGINT)
            return whole(self, *arguments)

        monkeypatch.setattr(Trainer, "epoch", epoch)

    yield interrupt
    monkeypatch.undo()


def test_ctrl_c_keeps_the_best_so_far(root, tmp_path, capsys, interrupt_in_epoch):
    path = tmp_path / "m.skops"
    interrupt_in_epoch(3)
    arguments = ["fit", *sources(root), "-o", path, *SMALL[:-1], 5]
    message = fails(capsys, *arguments, status=130)
    assert "Interrupted after 2 epochs; the unfinished model, of epoch" in message
    assert load(path)["sep"].history_["epoch"] == [0, 1, 2]


def test_ctrl_c_before_the_first_epoch_of_a_start_writes_nothing(
    root, tmp_path, capsys, interrupt_in_epoch
):
    interrupt_in_epoch(1)
    start = ["--start-from", root / "model.skops"]
    arguments = ["fit", *sources(root), *start, "-o", tmp_path / "m.skops"]
    message = fails(capsys, *arguments, status=130)
    assert "Interrupted before the first epoch; nothing was written" in message
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_resume_the_same_command(root, tmp_path, capsys, interrupt_in_epoch):
    folder, path = tmp_path / "new" / "checkpoints", tmp_path / "m.skops"
    fit = ["fit", *sources(root), *SMALL[:-1], "3", "-o"]
    interrupt_in_epoch(3)
    fails(capsys, *fit, path, "--checkpoints", folder, status=130)
    assert len(list(folder.glob("*.checkpoint"))) == 1
    interrupt_in_epoch(0)
    assert main([*fit, str(path), "--checkpoints", str(folder)]) == 0
    assert list(folder.glob("*.checkpoint")) == []
    assert main([*fit, str(tmp_path / "whole.skops")]) == 0
    resumed, whole = load(path)["sep"], load(tmp_path / "whole.skops")["sep"]
    assert resumed.history_["train_loss"] == whole.history_["train_loss"]
    np.testing.assert_array_equal(resumed.components_, whole.components_)
