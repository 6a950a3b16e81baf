"""The loader on a miniature of the distributed folders."""

import numpy as np
import pytest

from benchmarks import chime2
from benchmarks._results import read_rows
from benchmarks.table1 import main
from sknmf_unfold import SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech, save_audio
from sknmf_unfold.training.loop import Trainer

FOLDERS = {"si_tr_s": "011", "si_dt_05": "050", "si_et_05": "440"}


@pytest.fixture
def corpus(tmp_path):
    """Two utterances for each SNR of each set, each in a file of its own beside its target."""
    X, Y = make_noisy_speech(6, duration=0.4, random_state=0)
    for folder, speaker in FOLDERS.items():
        for i, snr in enumerate(chime2.SNRS):
            for kind, waveform in (("isolated", X[i]), ("scaled", Y[i])):
                target = tmp_path / kind / folder / snr / speaker
                target.mkdir(parents=True)
                for name in ("a", "b"):
                    level = 0.5 if name == "a" else 0.25
                    save_audio(target / f"{speaker}{name}.wav", level * waveform)
    return tmp_path, X, Y


def test_every_mixture_comes_with_its_target(corpus):
    folder, waves, targets = corpus
    for part in ("full", "dev", "test"):
        X, Y, entries = chime2.load(part, folder)
        assert len(X) == len(Y) == len(entries) == 12
        for x, y, entry in zip(X, Y, entries, strict=True):
            assert entry["speaker"] == FOLDERS[chime2.SETS[part]]
            i = list(chime2.SNRS.values()).index(entry["snr"])
            level = 0.5 if entry["path"].endswith("a.wav") else 0.25
            np.testing.assert_allclose(x, level * waves[i], rtol=0, atol=1e-4)
            np.testing.assert_allclose(y, level * targets[i], rtol=0, atol=1e-4)


def test_a_tenth_is_drawn(corpus):
    X, _, entries = chime2.load("tenth", corpus[0])
    assert len(X) == 2
    again = chime2.load("tenth", corpus[0])[2]
    assert entries == again
    others = [chime2.load("tenth", corpus[0], seed=seed)[2] for seed in range(1, 6)]
    assert any(entries != other for other in others)


def test_both_ears_are_mixed_down(corpus):
    import soundfile

    folder, *_ = corpus
    path = next((folder / "isolated" / "si_dt_05" / "0dB").rglob("*.wav"))
    mono, _ = soundfile.read(path)
    soundfile.write(path, np.stack([mono, 0 * mono], axis=1), 16000)
    X, _, entries = chime2.load("dev", folder)
    x = next(x for x, entry in zip(X, entries, strict=True) if entry["path"] == str(path))
    np.testing.assert_allclose(x, mono / 2, rtol=0, atol=1e-4)


def test_what_is_missing_is_named(corpus):
    folder, *_ = corpus
    with pytest.raises(FileNotFoundError, match=r"no WAV files under .*isolated"):
        chime2.load("dev", folder / "scaled")
    path = next((folder / "scaled" / "si_dt_05").rglob("*.wav"))
    waveform = np.zeros(10, np.float32)
    save_audio(path, waveform)
    with pytest.raises(ValueError, match="but its target has 10"):
        chime2.load("dev", folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="has no target"):
        chime2.load("dev", folder)
    save_audio(folder / "isolated" / "si_et_05" / "stray.wav", waveform)
    save_audio(folder / "scaled" / "si_et_05" / "stray.wav", waveform)
    with pytest.raises(ValueError, match="no folder named by an SNR"):
        chime2.load("test", folder)
    with pytest.raises(ValueError, match="`part` must be one of"):
        chime2.load("train", folder)


def test_the_table_is_made_of_it_and_resumes_where_it_stopped(corpus, tmp_path, capsys):
    path = tmp_path / "results" / "rows.jsonl"
    arguments = ["--chime2", str(corpus[0]), "--size", "full", "--results", str(path)]
    models = ["--models", "noisy", "ideal", "snmf-4", "drnmf-1x4", "drnmf-1x4+", "lstm-1x4"]
    main([*arguments, *models, "rnn-1x4", "deepnmf-2x4", "--set", "max_epochs=1"])
    written = path.stat().st_mtime_ns
    rows = {row["model"]: row for row in read_rows(path)}
    assert len(rows) == 8
    # An envelope of 8 frames and evidence of 257 bins for each component, and a matrix of dynamics.
    more = rows["drnmf-1x4+"]["parameters"] - rows["drnmf-1x4"]["parameters"]
    assert more == 4 * 8 + 4 * 257 + 4 * 4
    printed = capsys.readouterr().out
    assert "matched" in printed and "deepnmf-2x4" in printed
    main([*arguments, *models, "--set", "max_epochs=1"])
    assert path.stat().st_mtime_ns == written


def test_a_training_that_was_killed_resumes_from_its_last_epoch(corpus, tmp_path, monkeypatch):
    arguments = ["--chime2", str(corpus[0]), "--size", "full", "--models", "drnmf-1x4"]
    arguments += ["--set", "max_epochs=3"]
    epoch, calls = Trainer.epoch, []

    def killed_in_the_second(trainer, batches):
        calls.append(trainer.n_epochs)
        if len(calls) == 2:
            raise MemoryError
        return epoch(trainer, batches)

    monkeypatch.setattr(Trainer, "epoch", killed_in_the_second)
    checkpoints = ["--checkpoints", str(tmp_path / "checkpoints")]
    with pytest.raises(MemoryError):
        main([*arguments, *checkpoints, "--results", str(tmp_path / "killed")])
    main([*arguments, *checkpoints, "--results", str(tmp_path / "killed")])
    assert calls == [0, 1, 1, 2]
    main([*arguments, "--results", str(tmp_path / "whole")])
    [killed], [whole] = (read_rows(tmp_path / name) for name in ("killed", "whole"))
    rows = [killed, whole]
    assert rows[0]["variant"] == rows[1]["variant"] == "max_epochs=3"
    losses = [row["history"]["validation_loss"] for row in rows]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    assert rows[0]["seconds"] >= rows[0]["history"]["seconds"][-1] > 0


def test_what_is_kept_is_only_measured_again(corpus, tmp_path, monkeypatch):
    arguments = ["--chime2", str(corpus[0]), "--size", "full", "--set", "max_epochs=1"]
    arguments += ["--dictionaries", str(tmp_path / "dictionaries")]
    keep = ["--models", "drnmf-1x4", "--keep", str(tmp_path / "kept")]
    main([*arguments, *keep, "--results", str(tmp_path / "first")])

    def refuse(*_):
        raise AssertionError("trained again")

    # Another system starts from the same dictionaries.
    fit = SupervisedNMFSeparator.fit
    monkeypatch.setattr(SupervisedNMFSeparator, "fit", refuse)
    main([*arguments, "--models", "drnmf-2x4", "--results", str(tmp_path / "other")])
    with pytest.raises(AssertionError, match="trained again"):
        main([*arguments, "--models", "drnmf-1x6", "--results", str(tmp_path / "other")])
    monkeypatch.setattr(SupervisedNMFSeparator, "fit", fit)
    monkeypatch.setattr(Trainer, "epoch", refuse)
    main([*arguments, *keep, "--results", str(tmp_path / "second")])
    rows = [(tmp_path / name).read_text() for name in ("first", "second")]
    assert rows[0] == rows[1] and '"seconds"' in rows[0]
