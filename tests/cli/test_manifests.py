"""Pairs of a manifest on the command line, and their groups in training and validation."""

import csv

import numpy as np
import pytest
import soundfile

from sknmf_unfold.cli._pairs import hold_out_groups, pairs_in_manifest
from sknmf_unfold.cli._training_data import Split, read_pairs
from sknmf_unfold.cli.main import main
from tests._refusals import refuses

RATE = 1000
RNG = np.random.RandomState(0)
CLEAN = [0.1 * RNG.randn(200 + i).astype("float32") for i in range(12)]
NOISY = [wave + 0.05 * RNG.randn(len(wave)).astype("float32") for wave in CLEAN]
SPEAKERS = ["ann", "bob", "cy", "ann", "bob", "dee", "dee", "cy", "ann", "bob", "cy", "dee"]
NMF = ["--estimator", "nmf", "--set", "n_components=2", "max_iter=5", "n_fft=64", "hop_length=16"]


@pytest.fixture
def root(tmp_path):
    """Pairs in folders, and a manifest of them whose order is not that of the names."""
    rows = []
    for i in RNG.permutation(len(CLEAN)):
        for kind, waves in (("noisy", NOISY), ("clean", CLEAN)):
            (tmp_path / kind).mkdir(exist_ok=True)
            soundfile.write(tmp_path / kind / f"{i:02}.wav", waves[i], RATE, "FLOAT")
        rows.append([f"noisy/{i:02}.wav", f"clean/{i:02}.wav", SPEAKERS[i]])
    write(tmp_path / "pairs.csv", rows)
    return tmp_path


def write(path, rows, header=("noisy", "clean", "group")):
    """Write a manifest."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def fails(capsys, *arguments):
    """The line of a command that must exit with status 2."""
    with pytest.raises(SystemExit) as info:
        main([str(each) for each in arguments])
    assert info.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    return message


# Commands


def test_no_speaker_is_in_training_and_in_validation(root):
    pairs = pairs_in_manifest(root / "pairs.csv", ("noisy", "clean", "group"))
    for seed in range(4):
        data = read_pairs(pairs, Split(0.1, seed, RATE))
        speakers = [
            {SPEAKERS[len(y) - 200] for y in part.y} for part in (data.training, data.validation)
        ]
        assert speakers[0].isdisjoint(speakers[1]) and len(speakers[0] | speakers[1]) == 4
        for part in (data.training, data.validation):
            for x, y in zip(part.X, part.y, strict=True):
                np.testing.assert_array_equal(x, NOISY[len(y) - 200])
                np.testing.assert_array_equal(y, CLEAN[len(y) - 200])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_fit_and_score_take_a_manifest(suffix, root, capsys):
    path = root / f"pairs.{suffix}"
    if suffix == "parquet":
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        columns = zip(*rows_of(root / "pairs.csv"), strict=True)
        names = ("noisy", "clean", "group")
        parquet.write_table(arrow.table(dict(zip(names, map(list, columns), strict=True))), path)
    model, rate = str(root / "m.skops"), ["--sample-rate", str(RATE)]
    assert main(["fit", "--manifest", str(path), "-o", model, *rate, *NMF]) == 0
    # One speaker of four is held out.
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Trained on 9 recordings")
    assert lines[1].startswith("SDR of 3 recordings held out")
    folders = ["--noisy", str(root / "noisy"), "--clean", str(root / "clean")]
    printed = []
    for sources in (["--manifest", str(path)], folders):
        assert main(["score", *sources, "--model", model]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and printed[0].startswith("12 recordings")


def test_columns_of_other_names(root, capsys):
    path = write(root / "other.csv", rows_of(root / "pairs.csv"), ("mix", "voice", "speaker"))
    fit = ["fit", "--manifest", path, "-o", root / "m.skops", "--sample-rate", RATE, *NMF]
    assert "other.csv has no column 'noisy'" in fails(capsys, *fit)
    # Single files are held out without groups: two of twelve, or a tenth of them and more.
    for columns, n_training in ((["mix", "voice", "speaker"], 9), (["mix", "voice"], 10)):
        assert main([*map(str, fit), "--columns", *columns]) == 0
        assert f"Trained on {n_training} recordings" in capsys.readouterr().out
    score = ["score", "--manifest", str(path), "--model", str(root / "m.skops"), "--columns"]
    assert main([*score, "mix", "voice"]) == 0


# Errors


def test_manifests_that_are_refused(root, capsys):
    rows = rows_of(root / "pairs.csv")
    refused = {
        "has no column 'group'": write(root / "a.csv", [r[:2] for r in rows], ("noisy", "clean")),
        "has no rows": write(root / "b.csv", []),
        "has no value in column 'clean', row 3": write(
            root / "c.csv", [rows[0], [rows[1][0], "", "ann"], *rows[2:]]
        ),
        "does not exist": root / "none.csv",
        "names noisy/": write(root / "d.csv", [*rows, rows[0]]),
        "All recordings are of the group 'ann'": write(
            root / "e.csv", [[*row[:2], "ann"] for row in rows]
        ),
        "must be a .csv or .parquet file": root / "clean" / "00.wav",
        "missing.wav does not exist": write(
            root / "f.csv", [["noisy/missing.wav", rows[0][1], "ann"], *rows[1:]]
        ),
        "nothing to learn from": write(root / "g.csv", [[r[0], f"./{r[0]}", r[2]] for r in rows]),
    }
    for message, path in refused.items():
        fit = ["fit", "--manifest", path, "-o", root / "m", "--sample-rate", RATE, *NMF]
        assert message in fails(capsys, *fit)
        assert not (root / "m").exists()


def test_all_files_of_a_manifest_that_are_missing_are_named(root, capsys):
    path = write(root / "a.csv", [[f"x{i}.wav", f"clean/{i:02}.wav", i % 3] for i in range(12)])
    for command in (["fit", "-o", root / "m"], ["score", "--columns", "noisy", "clean"]):
        with pytest.raises(SystemExit) as info:
            main([str(each) for each in [*command, "--manifest", path]])
        message = capsys.readouterr().err
        assert info.value.code == 2 and "12 recordings cannot be used" in message
        assert all(f"x{i}.wav does not exist" in message for i in range(12))


def test_other_pairs_beside_a_manifest_are_refused(root, capsys):
    manifest, places = ["--manifest", root / "pairs.csv"], ["--noisy", root / "noisy"]
    places += ["--clean", root / "clean"]
    for command in ("fit", "score"):
        for sources in ([*manifest, *places], [], places[:2], [*manifest, *places[2:]]):
            assert "Pass --noisy and --clean" in fails(capsys, command, *sources)
        message = fails(capsys, command, *places, "--columns", "noisy", "clean")
        assert "--columns names the columns of a --manifest" in message
    with pytest.raises(SystemExit):
        main(["fit", "--manifest"])


# Groups


@pytest.mark.parametrize("sizes", [[1, 1], [50, 50], [97, 3], [3, 3, 4], [1] * 30, [40, 1, 2, 57]])
@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5, 0.9])
def test_whole_groups_are_held_out(sizes, fraction):
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    n = len(groups)
    for seed in range(5):
        order = np.random.RandomState(seed).permutation(n)
        held_out = hold_out_groups(groups[order].tolist(), fraction, np.random.RandomState(seed))
        assert set(groups[order][held_out]).isdisjoint(groups[order][~held_out])
        assert 0 < held_out.sum() < n
        if held_out.sum() < fraction * n:
            # No groups have that share without being too many, or they are not found in turn.
            assert held_out.sum() == min(sizes)
        if len(sizes) == 30:
            assert held_out.sum() == np.ceil(fraction * n)


def test_one_group_is_refused():
    refuses("are of the group 'a'", lambda: hold_out_groups(["a", "a"], 0.1, RNG))
