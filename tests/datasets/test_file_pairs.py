"""`paired_files`: noisy and clean recordings of folders and of manifests."""

import builtins
import csv

import numpy as np
import pytest

from sknmf_unfold.datasets import AudioFiles, PairedFiles, load_audio, paired_files
from tests.datasets._files import noise, write, write_pairs


def make_folders(root):
    """Two speakers in subfolders of two depths, with files that are not audio beside them."""
    for i, name in enumerate(("ann/1", "ann/b/2", "bo/1")):
        write(root / f"noisy/{name}.wav", noise(1000 + i, i))
        write(root / f"clean/{name}.flac", noise(1000 + i, 9 + i))
    (root / "noisy/notes.txt").write_text("no audio")
    (root / "noisy/.hidden.wav").write_text("no audio")
    return root / "noisy", root / "clean"


def names(files, root):
    return [path.relative_to(root).as_posix() for path in files.paths]


def test_folders_are_searched_with_all_subfolders(tmp_path):
    noisy, clean = make_folders(tmp_path)
    pairs = paired_files(noisy, str(clean), sample_rate=8000)
    assert isinstance(pairs, PairedFiles) and isinstance(pairs.X, AudioFiles)
    assert names(pairs.X, noisy) == ["ann/1.wav", "ann/b/2.wav", "bo/1.wav"]
    assert names(pairs.y, clean) == ["ann/1.flac", "ann/b/2.flac", "bo/1.flac"]
    assert pairs.groups.tolist() == ["ann", "ann", "bo"] and pairs.skipped == []
    assert pairs.X.sample_rate == pairs.y.sample_rate == 8000
    np.testing.assert_array_equal(pairs.y[1], load_audio(pairs.y.paths[1], 8000)[0])


def test_flat_folders_have_no_groups(tmp_path):
    write_pairs(tmp_path)
    pairs = paired_files(tmp_path / "noisy", tmp_path / "clean")
    assert len(pairs.X) == len(pairs.y) == 6 and pairs.groups is None


def test_several_folders_and_single_files(tmp_path):
    noisy, clean = make_folders(tmp_path)
    pairs = paired_files(
        [noisy / "ann/b", noisy / "ann/1.wav"], [clean / "ann/1.flac", clean / "ann/b"]
    )
    assert names(pairs.X, noisy) == ["ann/1.wav", "ann/b/2.wav"]
    assert names(pairs.y, clean) == ["ann/1.flac", "ann/b/2.flac"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"noisy": "noisy"}, ValueError, "`clean` is missing: pass `noisy` and `clean`, or a `man"),
        ({}, ValueError, "`noisy` is missing"),
        ({"noisy": "noisy", "clean": []}, ValueError, "`clean` is an empty list"),
        ({"noisy": 3, "clean": "clean"}, TypeError, "`noisy` must be a path; got 3"),
        ({"noisy": "noisy", "clean": ["clean", 3]}, TypeError, r"`clean\[1\]` must be a path"),
        ({"noisy": "noisy", "clean": "none"}, FileNotFoundError, "none does not exist"),
        ({"noisy": "noisy", "clean": "empty"}, ValueError, "empty has no audio files, nor have"),
        ({"noisy": "noisy", "clean": "noisy"}, ValueError, "belongs to both `noisy` and `clean`"),
        (
            {"noisy": "noisy", "clean": "clean/ann"},
            ValueError,
            "5 recordings are in one of `noisy` and `clean` only, for example '1' in `clean`",
        ),
        ({"noisy": ["noisy", "twice"], "clean": "clean"}, ValueError, "two recordings of one name"),
        (
            {"noisy": "noisy", "manifest": "m.csv"},
            ValueError,
            "Pass either `noisy` and `clean`, or",
        ),
        ({"manifest": 3}, TypeError, "`manifest` must be a path; got 3"),
        ({"manifest": "none.csv"}, FileNotFoundError, r"none\.csv does not exist"),
        ({"manifest": "noisy"}, IsADirectoryError, "noisy is a folder; `manifest` is a CSV"),
        (
            {"manifest": "noisy/notes.txt"},
            ValueError,
            r"must be a \.csv or \.parquet file; got nois",
        ),
        ({"manifest": "m.csv", "columns": "noisy"}, ValueError, "`columns` must be two or three"),
        ({"manifest": "m.csv", "columns": ("a", "a")}, ValueError, "`columns` must be .*different"),
        ({"manifest": "m.csv", "columns": ("a",)}, ValueError, "`columns` must be two or three"),
        ({"on_error": "warn"}, ValueError, "`on_error` must be one of 'raise', 'skip'; got 'warn'"),
    ],
)
def test_arguments_that_are_refused(arguments, error, message, tmp_path, monkeypatch):
    make_folders(tmp_path)
    write(tmp_path / "twice/ann/1.flac", noise(10))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        paired_files(**arguments)


# Manifests

COLUMNS = ("noisy", "clean", "group")


def write_csv(path, rows, columns=COLUMNS):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def write_parquet(path, rows, columns=COLUMNS):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    values = zip(*rows, strict=True) if rows else ([] for _ in columns)
    parquet.write_table(pyarrow.table(dict(zip(columns, map(list, values), strict=True))), path)
    return path


KINDS = {"csv": write_csv, "parquet": write_parquet}
ROWS = [("n/a, 1.wav", "c/1.wav", "ann"), ("n/2.wav", "c/2.wav", "bo"), ("n/3.wav", "c/1.wav", "ü")]


@pytest.fixture(params=KINDS)
def manifest(request, tmp_path):
    """Write a manifest of this kind in a folder of its own."""

    def make(rows=ROWS, columns=COLUMNS):
        folder = tmp_path / "corpus"
        folder.mkdir(exist_ok=True)
        return KINDS[request.param](folder / f"list.{request.param}", rows, columns)

    return make


def test_manifest(manifest):
    path = manifest([*ROWS, ("/elsewhere/4.wav", "c/2.wav", "bo")])
    pairs = paired_files(manifest=path)
    root = path.parent
    assert [p.as_posix() for p in pairs.X.paths] == [
        *(f"{root}/{noisy}" for noisy, _, _ in ROWS),
        "/elsewhere/4.wav",
    ]
    assert [p.name for p in pairs.y.paths] == ["1.wav", "2.wav", "1.wav", "2.wav"]
    assert pairs.groups.tolist() == ["ann", "bo", "ü", "bo"]


def test_manifest_with_other_columns_and_no_groups(manifest):
    columns = ("id", "mix", "speech")
    path = manifest([(7, "a.wav", "b.wav"), (8, "c.wav", "d.wav")], columns)
    pairs = paired_files(manifest=path, columns=["mix", "speech"])
    assert names(pairs.X, path.parent) == ["a.wav", "c.wav"] and pairs.groups is None
    assert names(pairs.y, path.parent) == ["b.wav", "d.wav"]
    pairs = paired_files(manifest=path, columns=["mix", "speech", "id"])
    assert pairs.groups.tolist() == ["7", "8"]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (
            [("a", "b")],
            ("noisy", "clean"),
            r"list\.\w+ has no column 'group'; it has \['noisy', 'cl",
        ),
        (
            [("a", "b", "c")],
            ("noisy", "Clean", "group"),
            r"list\.\w+ has no column 'clean'; it has",
        ),
        ([], COLUMNS, r"list\.\w+ has no rows"),
        ([("a", "b", "c"), ("d", "", "c")], COLUMNS, r"no value in column 'clean', row (3|2)\."),
        ([("a", "b", " ")], COLUMNS, r"no value in column 'group', row (2|1)\."),
        ([("a", "b", "c"), ("a", "d", "c")], COLUMNS, r"list\.\w+ names a twice in column 'noisy'"),
        ([("a\0", "b", "c")], COLUMNS, r"(null character|NUL)"),
    ],
)
def test_manifests_that_are_refused(rows, columns, message, manifest):
    with pytest.raises(ValueError, match=message):
        paired_files(manifest=manifest(rows, columns))


def test_parquet_without_a_value(tmp_path):
    path = write_parquet(tmp_path / "list.parquet", [("a", "b", "c"), ("d", None, "e")])
    with pytest.raises(ValueError, match=r"list\.parquet has no value in column 'clean', row 2\."):
        paired_files(manifest=path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "has no column 'noisy'"),
        (b"noisy,clean,noisy,group\na,b,c,d\n", "has 2 columns 'noisy'"),
        (b"noisy,clean,group\na,b,c,d\n", "has 4 values in row 2, but 3 columns; .* quotes"),
        (b"noisy,clean,group\na,b\n", "has 2 values in row 2, but 3 columns"),
        (b"noisy,clean,group\n\xff,b,c\n", r"is not a CSV file in UTF-8"),
    ],
)
def test_damaged_csv(text, message, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        paired_files(manifest=path)


def test_csv_of_a_spreadsheet(tmp_path):
    path = tmp_path / "LIST.CSV"
    path.write_bytes("\ufeffnoisy,clean,group\r\na.wav,b.wav,c\r\n\r\n".encode())
    assert len(paired_files(manifest=path).X) == 1


def test_damaged_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "list.parquet"
    for content in (b"", b"PAR1 and no more"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"list\.parquet is not a Parquet file"):
            paired_files(manifest=path)


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "list.parquet", ROWS)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "sknmf_unfold\[parquet\]"'):
        paired_files(manifest=path)


# Unreadable files


def test_pairs_with_an_unreadable_file_are_skipped(tmp_path):
    noisy, clean = write_pairs(tmp_path)
    noisy[1].write_text("no audio")
    clean[3].unlink()
    write(clean[4], noise(3499))
    rows = [(n, c, str(i)) for i, (n, c) in enumerate(zip(noisy, clean, strict=True))]
    path = write_csv(tmp_path / "list.csv", rows)
    with pytest.warns(UserWarning, match=r"^3 of 6 pairs of files cannot be used"):
        pairs = paired_files(manifest=path, on_error="skip")
    assert pairs.X.paths == [noisy[i] for i in (0, 2, 5)]
    assert pairs.y.paths == [clean[i] for i in (0, 2, 5)]
    assert pairs.groups.tolist() == ["0", "2", "5"]
    assert [path for path, _ in pairs.skipped] == [noisy[1], clean[3], noisy[4]]
    reasons = [reason for _, reason in pairs.skipped]
    assert "is not an audio file" in reasons[0] and "does not exist" in reasons[1]
    assert "has 3500 samples but" in reasons[2] and "has 3499; they must be equally" in reasons[2]


def test_no_pair_is_left(tmp_path):
    noisy, _ = write_pairs(tmp_path, lengths=(100, 200))
    for path in noisy:
        path.write_text("no audio")
    with pytest.raises(ValueError, match=r"None of 2 pairs of files can be used\. .*0\.wav is not"):
        paired_files(tmp_path / "noisy", tmp_path / "clean", on_error="skip")
    # Without "skip" nothing is read yet.
    assert len(paired_files(tmp_path / "noisy", tmp_path / "clean").X) == 2
