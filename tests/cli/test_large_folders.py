"""Folders that do not fit into memory: bounded memory, and the results of small ones."""

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from sknmf_unfold.cli import _reading, score
from sknmf_unfold.cli._model_files import resolve_model
from sknmf_unfold.cli._pairs import pairs_in_folders
from sknmf_unfold.cli._reading import read_recordings
from sknmf_unfold.cli._training_data import Split, read_clean_and_noise, read_pairs
from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.validation.lazy import is_lazy, samples_of
from tests._refusals import refuses

RATE = 16000
SMALL = ["--set", "n_components=3", "n_fft=256", "--max-epochs", "2"]
NMF = ["--estimator", "nmf", "--set", "n_components=2", "max_iter=5"]


def write(root, kind, waveforms, names=None):
    """Write recordings to a folder; return their paths."""
    names = names or [f"s{i // 2}/{i:02}" for i in range(len(waveforms))]
    paths = [root / kind / f"{name}.wav" for name in names]
    for path, waveform in zip(paths, waveforms, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform, RATE, "FLOAT")
    return paths


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders of pairs and of noise, and a model fitted on them."""
    root = tmp_path_factory.mktemp("large")
    X, Y = make_noisy_speech(8, duration=0.5, random_state=0)
    noises = [x - y for x, y in zip(X, Y, strict=True)]
    for kind, waveforms in (("noisy", X), ("clean", Y), ("noise", noises)):
        write(root, kind, waveforms)
    assert main(["fit", *pairs(root), "-o", str(root / "nmf.skops"), *NMF]) == 0
    return root


@pytest.fixture
def from_files(monkeypatch):
    """No recording of a fit stays in memory."""
    monkeypatch.setattr(_reading, "MAX_KEPT_BYTES", 0)


def pairs(root):
    return ["--noisy", str(root / "noisy"), "--clean", str(root / "clean")]


def mixed(root):
    return ["--clean", str(root / "clean"), "--noise", str(root / "noise")]


def fitted(root, path, *options):
    """Arrays of the model that a command fits."""
    assert main(["fit", *map(str, options), "-o", str(path)]) == 0
    separator = resolve_model(path)["sep"]
    return {name: v for name, v in vars(separator).items() if isinstance(v, np.ndarray)}


# The same model


@pytest.mark.parametrize("sources", [pairs, mixed])
@pytest.mark.parametrize("options", [SMALL, NMF])
def test_models_are_the_same_from_memory_and_from_files(sources, options, root, tmp_path, request):
    arguments = [*sources(root), *options]
    kept = fitted(root, tmp_path / "kept.skops", *arguments)
    request.getfixturevalue("from_files")
    checkpoints = ["--checkpoints", tmp_path / "checkpoints"] if options is SMALL else []
    read = fitted(root, tmp_path / "read.skops", *arguments, *checkpoints)
    assert kept.keys() == read.keys() and len(kept) >= 2
    for name in kept:
        np.testing.assert_array_equal(kept[name], read[name], err_msg=name)


def test_training_data_are_the_same_from_memory_and_from_files(tmp_path, request):
    rng = np.random.RandomState(0)
    voices = [0.1 * rng.randn(n) for n in (100, 12_345, 25_000, 8_000)]
    # The middle one of three parts is silent.
    voices[2][8_334:16_667] = 0
    write(tmp_path, "clean", voices, "abcd")
    write(tmp_path, "noise", [0.1 * rng.randn(60_000)], ["only"])
    places, split = ([tmp_path / "clean"], [tmp_path / "noise"], []), Split(0.1, 0, 1000)
    # Read at a 16th of their rate, recordings are short.
    kept = read_clean_and_noise(*places, {}, split)
    request.getfixturevalue("from_files")
    read = read_clean_and_noise(*places, {}, split)
    assert kept.description == read.description
    for name in ("targets", "interference"):
        parts = getattr(read.mixtures, name)
        assert all(map(is_lazy, parts))
        for expected, part in zip(getattr(kept.mixtures, name), parts, strict=True):
            np.testing.assert_array_equal(samples_of(part), expected)
    for expected, examples in zip(kept[:2], read[:2], strict=True):
        for waveforms in zip(*expected, *examples, strict=True):
            assert not any(map(is_lazy, waveforms))
            np.testing.assert_array_equal(waveforms[0], waveforms[2])
            np.testing.assert_array_equal(waveforms[1], waveforms[3])


def test_pairs_from_files_are_lazy_and_held_out_ones_are_bounded(root, from_files):
    found = pairs_in_folders([root / "noisy"], [root / "clean"])
    data = read_pairs(found, Split(0.1, 0, RATE))
    assert len(data.training.X) == len(data.training.y) == 6
    assert all(map(is_lazy, [*data.training.X, *data.training.y]))
    assert not any(map(is_lazy, [*data.validation.X, *data.validation.y]))


def test_the_limit_is_on_all_recordings_together(root, monkeypatch):
    paths = [(path,) for path in sorted((root / "clean").rglob("*.wav"))]
    n_bytes = 8 * 8000 * 4
    for limit, are_lazy in ((n_bytes, False), (n_bytes - 1, True)):
        monkeypatch.setattr(_reading, "MAX_KEPT_BYTES", limit)
        readings = read_recordings(paths, RATE)
        assert [reading.place for reading in readings] == list(range(8))
        for reading, (path,) in zip(readings, paths, strict=True):
            [waveform] = reading.waveforms
            assert is_lazy(waveform) == are_lazy
            np.testing.assert_array_equal(
                samples_of(waveform), soundfile.read(path, dtype="float32")[0]
            )


def test_copies_from_files_are_nothing_to_learn_from(root, tmp_path, from_files):
    for kind in ("noisy", "clean"):
        write(tmp_path, kind, [np.ones(300), np.ones(200)])
    found = pairs_in_folders([tmp_path / "noisy"], [tmp_path / "clean"])
    refuses("nothing to learn from", lambda: read_pairs(found, Split(0.1, 0, RATE)))


def test_long_files_that_are_decoded_whole_are_reported(root, monkeypatch, capsys, from_files):
    monkeypatch.setattr(_reading, "MAX_WHOLE_SECONDS", 0.4)
    paths = [(path,) for path in sorted((root / "clean").rglob("*.wav"))]
    read_recordings(paths, RATE)
    assert capsys.readouterr().err == ""
    read_recordings(paths, 8000)
    assert "8 of 8 recordings are longer than 0.4 s" in capsys.readouterr().err


# Unreadable recordings


def spoil(root, tmp_path):
    """Copy the pairs, and break one file of two; return the options, and those without the two."""
    options = []
    for name, left_out in (("broken", ""), ("good", "s1")):
        for kind in ("noisy", "clean"):
            for path in sorted((root / kind).rglob("*.wav")):
                if path.parent.name != left_out:
                    copy = tmp_path / name / kind / path.parent.name / path.name
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(path.read_bytes())
        options.append(pairs(tmp_path / name))
    (tmp_path / "broken" / "noisy" / "s1" / "02.wav").write_text("no sound")
    soundfile.write(
        tmp_path / "broken" / "clean" / "s1" / "03.wav", np.full(8000, np.nan), RATE, "FLOAT"
    )
    return options


@pytest.mark.parametrize("limit", [0, 2**30, 100_000])
def test_unreadable_recordings_are_left_out_on_demand(limit, root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_reading, "MAX_KEPT_BYTES", limit)
    broken, good = spoil(root, tmp_path)
    with pytest.raises(SystemExit) as info:
        main(["fit", *broken, "-o", str(tmp_path / "m.skops"), *NMF])
    assert info.value.code == 2 and not (tmp_path / "m.skops").exists()
    assert "2 recordings cannot be used" in capsys.readouterr().err
    without = fitted(root, tmp_path / "m.skops", *broken, *NMF, "--skip-unreadable")
    errors = capsys.readouterr().err
    assert "2 recordings cannot be used and are left out:" in errors
    assert "02.wav is not an audio file" in errors and "03.wav contains NaN" in errors
    expected = fitted(root, tmp_path / "e.skops", *good, *NMF)
    for name in expected:
        np.testing.assert_array_equal(without[name], expected[name])


def test_nothing_is_left_to_skip(root, tmp_path, capsys):
    for kind in ("noisy", "clean"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.wav").write_text("no sound")
    with pytest.raises(SystemExit) as info:
        main(["fit", *pairs(tmp_path), "-o", str(tmp_path / "m"), *NMF, "--skip-unreadable"])
    assert info.value.code == 2 and "2 recordings cannot be used" in capsys.readouterr().err


# Scores


@pytest.mark.parametrize("seconds", [0.1, 1.2, 100])
def test_scores_do_not_depend_on_chunks(seconds, root, tmp_path, monkeypatch, capsys):
    broken, _ = spoil(root, tmp_path)
    monkeypatch.setattr(score, "CHUNK_SECONDS", seconds)
    model = ["--model", str(root / "nmf.skops")]
    with pytest.raises(SystemExit) as info:
        main(["score", *broken, *model])
    assert info.value.code == 1
    captured = capsys.readouterr()
    assert captured.err.count("error: ") == 2
    # The means of the pairs one by one.
    rows = []
    for i in (0, 1, 4, 5, 6, 7):
        name = f"s{i // 2}/{i:02}.wav"
        pair = ["--noisy", root / "noisy" / name, "--clean", root / "clean" / name]
        assert main(["score", *map(str, pair), *model]) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        rows.append([[float(each) for each in line.split()[1::2]] for line in lines])
    lines = captured.out.splitlines()
    assert lines[0].split()[0] == "6"
    found = [[float(each) for each in line.split()[1::2]] for line in lines[1:]]
    np.testing.assert_allclose(found, np.mean(rows, axis=0), atol=0.0101)


def test_bars_are_for_terminals(root, tmp_path, monkeypatch, capsys):
    commands = {
        "score: 100%|": ["score", *pairs(root), "--model", str(root / "nmf.skops")],
        "read: 100%|": ["fit", *pairs(root), "-o", str(tmp_path / "m"), *NMF],
    }
    for text, command in commands.items():
        for is_terminal in (False, True):
            monkeypatch.setattr(sys.stderr, "isatty", lambda it=is_terminal: it, raising=False)
            assert main(command) == 0
            assert (text in capsys.readouterr().err) == is_terminal


# Memory

# Prints the memory in KiB that a command needs beyond what it needed for fewer files.
MEASURE = """
import sys
from sknmf_unfold.cli import _reading, _training_data, score
from sknmf_unfold.cli.main import main
_reading.MAX_KEPT_BYTES = 0
score.CHUNK_SECONDS = 4
_training_data.MAX_START_SECONDS = _training_data.MAX_VALIDATION_SECONDS = 4
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
main(sys.argv[1].format("few").split())
before = peak()
main(sys.argv[1].format("many").split())
print(peak() - before)
"""


# Freed memory goes back to the system at once, so that a peak is what was in use.
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": "32768", "MALLOC_TRIM_THRESHOLD_": "65536"}


@pytest.fixture(scope="module")
def growing(root):
    """A folder `few` of recordings of 2 s, and one `many` of four times as many."""
    rng = np.random.RandomState(0)
    for name, n_files in (("few", 12), ("many", 48)):
        for kind in ("noisy", "clean"):
            waveforms = (0.1 * rng.randn(2 * RATE).astype("float32") for _ in range(n_files))
            write(root / name, kind, waveforms, [f"s{i}/{i}" for i in range(n_files)])
    return root


PAIRS = "--noisy {0}/noisy --clean {0}/clean"
COMMANDS = {
    "score": f"score {PAIRS} --model nmf.skops",
    "separate": "separate {0}/noisy -o {0}/out --model nmf.skops",
    "fit": f"fit {PAIRS} -o other.skops {' '.join(NMF)} max_frames=1000",
}
# The waveforms of 36 more pairs are 9 MB.
MAX_GROWN_KIB = 4_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("command", COMMANDS)
def test_more_files_take_no_more_memory(command, growing):
    child = [sys.executable, "-c", MEASURE, COMMANDS[command]]
    settings = {"capture_output": True, "text": True, "check": True, "timeout": 58}
    done = subprocess.run(child, cwd=growing, env=os.environ | ALLOCATION, **settings)
    assert int(done.stdout.splitlines()[-1]) < MAX_GROWN_KIB
