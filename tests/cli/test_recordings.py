"""The recordings that commands find, pair and read, and those that they name instead."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator, save_model
from sknmf_unfold.cli._folders import find_recordings, pair_recordings
from sknmf_unfold.cli.main import main
from tests._refusals import refuses

RNG = np.random.RandomState(0)
CLEAN = [0.1 * RNG.randn(n).astype("float32") for n in (900, 800, 700, 600)]
NOISY = [wave + 0.05 * RNG.randn(len(wave)).astype("float32") for wave in CLEAN]
NMF = ["--estimator", "nmf", "--set", "n_components=2"]


@pytest.fixture
def root(tmp_path):
    """Folders of four pairs, and a model."""
    for folder, waves in (("noisy", NOISY), ("clean", CLEAN)):
        (tmp_path / folder).mkdir()
        for letter, wave in zip("abcd", waves, strict=True):
            soundfile.write(tmp_path / folder / f"{letter}.wav", wave, 16000, "FLOAT")
    separator = SupervisedNMFSeparator(2, max_iter=3, random_state=0)
    pipe = Pipeline([("stft", STFT(64, 16)), ("sep", separator)]).fit(NOISY, CLEAN)
    save_model(pipe, tmp_path / "model")
    return tmp_path


def pair(root):
    """Options of folders of pairs."""
    return "--noisy", root / "noisy", "--clean", root / "clean"


def with_model(model):
    """Options of a model."""
    return "--model", model


def run(*arguments):
    """Exit status of a command."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


# Which files are recordings


def test_all_that_libsndfile_reads_is_taken_and_the_rest_is_named(tmp_path, capsys):
    suffixes = ["wav", "flac", "mp3", "aiff", "au", "caf", "w64", "rf64", "oga", "opus", "voc"]
    for i, suffix in enumerate(suffixes):
        form = {"oga": {"format": "OGG"}, "opus": {"format": "OGG", "subtype": "OPUS"}}
        soundfile.write(tmp_path / f"{i:02}.{suffix}", NOISY[0], 16000, **form.get(suffix, {}))
    # Without a suffix, and with one of another meaning.
    soundfile.write(tmp_path / "11", NOISY[0], 16000, format="WAV")
    soundfile.write(tmp_path / "12.dat", NOISY[0], 16000, format="WAV")
    (tmp_path / "notes.txt").write_text("no sound")
    (tmp_path / "samples.raw").write_bytes(bytes(1000))
    (tmp_path / "deeper").mkdir()
    found = find_recordings([tmp_path])
    assert [each.path.name[:2] for each in found] == [f"{i:02}" for i in range(13)]
    errors = capsys.readouterr().err
    assert errors.rstrip().endswith("left out: notes.txt, samples.raw")


def test_hidden_files_are_no_recordings(root, capsys):
    # A Mac leaves such files beside its own, with nothing of a sound in them.
    (root / "noisy" / "._a.wav").write_bytes(b"\0\5\x16\7" + bytes(100))
    soundfile.write(root / "noisy" / ".b.wav", NOISY[0], 16000)
    assert [each.name for each in find_recordings([root / "noisy"])] == list("abcd")
    assert capsys.readouterr().err == ""
    assert run("fit", *pair(root), "-o", root / "m", *NMF) == 0


def test_many_files_that_are_left_out_are_counted(root, capsys):
    for i in range(30):
        (root / "noisy" / f"{i:02}.json").write_text("{}")
    assert len(find_recordings([root / "noisy"])) == 4
    assert capsys.readouterr().err.rstrip().endswith("18.json, 19.json and 10 more")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders")
def test_pipes_in_a_folder_are_not_waited_for(root):
    os.mkfifo(root / "noisy" / "pipe.wav")
    assert len(find_recordings([root / "noisy"])) == 4


def test_folders_without_recordings(tmp_path):
    (tmp_path / "notes.txt").write_text("no sound")
    refuses("has no audio files", lambda: find_recordings([tmp_path]))


# Pairs


def test_one_folder_has_no_pairs(root, monkeypatch, capsys):
    link = root / "link"
    link.symlink_to(root / "noisy", target_is_directory=True)
    monkeypatch.chdir(root / "noisy")
    for other in (root / "noisy", link, Path(), root / "clean" / ".." / "noisy"):
        refuses("to both", lambda other=other: pair_recordings([root / "noisy"], [other]))
        for command in (["fit", "-o", root / "m", *NMF], ["score", *with_model(root / "model")]):
            assert run(*command, "--noisy", root / "noisy", "--clean", other) == 2
            message = "belongs to both --noisy and --clean; pass different recordings"
            assert message in capsys.readouterr().err
    assert not (root / "m").exists()


def test_there_is_nothing_to_learn_from_copies(root, capsys):
    for path in (root / "noisy").iterdir():
        (root / "clean" / path.name).write_bytes(path.read_bytes())
    assert run("fit", *pair(root), "-o", root / "m", *NMF) == 2
    assert "nothing to learn from" in capsys.readouterr().err and not (root / "m").exists()
    # Clean recordings among noisy ones are something to learn from, and can be scored alone.
    assert run("score", *pair(root), *with_model(root / "model")) == 0
    soundfile.write(root / "clean" / "a.wav", CLEAN[0], 16000, "FLOAT")
    with pytest.warns(UserWarning, match="equal to the mixture"):
        assert run("fit", *pair(root), "-o", root / "m", *NMF) == 0


# Files that cannot be read


def spoil(root):
    """Break one file of three pairs, each in a way of its own."""
    (root / "noisy" / "a.wav").write_text("no sound")
    soundfile.write(root / "clean" / "b.wav", np.full(800, np.nan), 16000, "FLOAT")
    soundfile.write(root / "clean" / "c.wav", CLEAN[2][:-3], 16000, "FLOAT")


REASONS = [
    r"noisy.a\.wav is not an audio file",
    r"clean.b\.wav contains NaN at sample 0",
    r"noisy.c\.wav has 700 samples but .*clean.c\.wav has 697 \(at 16000 Hz\)",
]


def test_fit_names_all_bad_files_before_it_learns(root, capsys):
    spoil(root)
    assert run("fit", *pair(root), "-o", root / "m", *NMF) == 2
    captured = capsys.readouterr()
    assert "3 recordings cannot be used" in captured.err and "SparseNMF" not in captured.err
    assert all(re.search(reason, captured.err) for reason in REASONS)
    assert not (root / "m").exists()


def test_score_measures_the_pairs_that_can_be_read(root, capsys):
    spoil(root)
    assert run("score", *pair(root), *with_model(root / "model")) == 1
    captured = capsys.readouterr()
    target = CLEAN[3] * (CLEAN[3] @ NOISY[3]) / (CLEAN[3] @ CLEAN[3])
    si_sdr = 20 * np.log10(np.linalg.norm(target) / np.linalg.norm(NOISY[3] - target))
    head, _, row = (line.split() for line in captured.out.splitlines())
    assert head[:2] == ["1", "recordings"] and row[0] == "SI-SDR"
    assert float(row[1]) == pytest.approx(si_sdr, abs=0.006)
    assert all(re.search(reason, captured.err) for reason in REASONS)


def test_separate_does_what_can_be_done(root, capsys):
    spoil(root)
    soundfile.write(root / "noisy" / "loud.wav", np.full(100, 1e38), 16000, "DOUBLE")
    names = ["a.wav", "b.wav", "missing.wav", "loud.wav", "c.wav"]
    inputs = [root / "noisy" / name for name in names]
    assert run("separate", *inputs, *with_model(root / "model"), "-o", root / "out") == 1
    captured = capsys.readouterr()
    assert sorted(path.name for path in (root / "out").iterdir()) == ["b.wav", "c.wav"]
    assert captured.out.split() == [str(root / "out" / name) for name in ("b.wav", "c.wav")]
    reasons = [
        r"a\.wav is not an audio file that can be read:",
        r"missing\.wav does not exist",
        r"loud\.wav peaks at",
    ]
    for line, reason in zip(captured.err.splitlines()[1:], reasons, strict=True):
        assert re.match(f"error: .*{reason}", line)


def test_nothing_that_could_be_done_is_an_error(root, capsys):
    spoil(root)
    missing = [root / "x.wav", root / "y.wav"]
    assert run("separate", *missing, "--model", root / "model", "-o", root / "out") == 2
    assert capsys.readouterr().err.count("does not exist") == 2
    (root / "noisy" / "d.wav").write_text("no sound")
    assert run("score", *pair(root), *with_model(root / "model")) == 2
    assert "4 recordings cannot be used" in capsys.readouterr().err


# Names


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_of_any_bytes(root, capsys):
    odd = Path(os.fsdecode(os.fsencode(root) + b"/\xe9"))
    odd.mkdir()
    for folder in ("noisy", "clean"):
        (root / folder).rename(odd / folder)
        (odd / folder / "a.wav").rename(odd / folder / os.fsdecode(b"\xff.wav"))
        (odd / folder / os.fsdecode(b"\xfe.txt")).touch()
    source, model = odd / "noisy" / os.fsdecode(b"\xff.wav"), odd / "m"
    assert run("fit", *pair(odd), "-o", model, *NMF) == 0
    assert run("score", *pair(odd), *with_model(model)) == 0
    assert run("separate", source, odd / "none", "--model", model, "-o", odd / "out") == 1
    out = odd / os.fsdecode(b"\xfd.wav")
    assert run("stream", source, *with_model(model), "-o", out, "--no-wait") == 0
    assert sorted(os.fsencode(path.name) for path in odd.glob("**/*.wav"))[-2:] == [
        b"\xff.wav",
        b"\xff.wav",
    ]
    for path in (odd / os.fsdecode(b"\xfd.wav"), odd / "out" / source.name):
        with path.open("rb") as file:
            assert len(soundfile.read(file)[0]) == 900
    captured = capsys.readouterr()
    assert r"\udcff.wav" in captured.out and r"\udcfe.txt" in captured.err


def test_names_that_a_terminal_cannot_write(root, monkeypatch, tmp_path):
    (root / "noisy" / "a.wav").rename(root / "noisy" / "café.wav")
    with (root / "printed").open("w", encoding="ascii") as printed:
        monkeypatch.setattr(sys, "stdout", printed)
        inputs = root / "noisy" / "café.wav"
        assert run("separate", inputs, "--model", root / "model", "-o", root / "out") == 0
    assert r"caf\xe9.wav" in (root / "printed").read_text()
    assert (root / "out" / "café.wav").exists()
