"""Bad paths, audio files, pictures and command lines get one line that says what is wrong."""

import re

import joblib
import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, SparseNMF, SupervisedNMFSeparator, plotting, save_model
from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import load_audio, save_audio
from tests._counts import count
from tests._refusals import refuses

RNG = np.random.RandomState(0)
WAVES = [0.1 * RNG.randn(n).astype("float32") for n in (600, 500)]
TARGETS = [0.5 * wave for wave in WAVES]
WAVE, MASK = WAVES[0], np.ones((8, 257))


def separate(**settings):
    settings = {"mask": MASK} | settings
    return plotting.SeparationDisplay.from_predictions(WAVE, WAVE, WAVE, **settings)


# Paths and files


PATHS = {
    "load: null": ("`paths` has a null character in it", lambda: load_audio("a\0.wav")),
    "load: nulls": (r"`paths\[0\]` has a null character", lambda: load_audio(["a\0.wav"])),
    "load: long": ("a+ does not exist", lambda: load_audio("a" * 5000), FileNotFoundError),
    "load: rate": (
        "`sample_rate` must be a whole number <= 10000000; got 1000000000000",
        lambda: load_audio("a.wav", 10**12),
    ),
    "load: float": (
        "`sample_rate` must be a whole number >= 1; got 16000.0",
        lambda: load_audio("a.wav", 16000.0),
        TypeError,
    ),
    "save: None": ("`path` must be a path; got None", lambda: save_audio(None, WAVE), TypeError),
    "save: number": ("`path` must be a path; got 3", lambda: save_audio(3, WAVE), TypeError),
    "save: null": ("`path` has a null character", lambda: save_audio("a\0.wav", WAVE)),
    "save: folder": ("is a folder; name a file", lambda: save_audio(".", WAVE), IsADirectoryError),
    "save: rate": (
        "`sample_rate` must be a whole number <= 10000000; got 1000000000000",
        lambda: save_audio("a.wav", WAVE, 10**12),
    ),
    "save: rate of the format": (
        "a.flac: .*sample rate",
        lambda: save_audio("a.flac", WAVE, 10**6),
    ),
    "save: loud": ("peaks at .* and would clip", lambda: save_audio("a.flac", 100 * WAVE)),
    "save: louder than a file": (
        r"`waveform` peaks at .*e\+299, more than a file can hold",
        lambda: save_audio("a.wav", 1e300 * WAVE.astype("float64")),
    ),
    "save: empty": ("waveform is empty", lambda: save_audio("a.wav", [])),
    "save: no suffix": (
        "abc: the suffix must name an audio format",
        lambda: save_audio("abc", WAVE),
    ),
}


@pytest.mark.parametrize("case", PATHS)
def test_paths(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message, call, *error = PATHS[case]
    refuses(message, call, *error)
    assert [path.name for path in tmp_path.iterdir() if path.stat().st_size] == []


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_files_cut_anywhere_are_read_or_refused(suffix, tmp_path):
    whole = tmp_path / f"whole.{suffix}"
    save_audio(whole, np.resize(WAVE, 4000))
    content = whole.read_bytes()
    for end in np.linspace(0, len(content) - 1, 25).astype(int):
        cut = tmp_path / f"cut{end}.{suffix}"
        cut.write_bytes(content[:end])
        try:
            (waveform,) = load_audio(cut)
        except ValueError as error:
            assert re.search(rf"{cut.name} (is not an audio file|has no samples)", str(error))
            count("bad inputs refused")
        else:
            assert 0 < len(waveform) <= 4000 and np.isfinite(waveform).all()
            count("odd inputs accepted")


# Pictures


PICTURES = {
    "n_fft": ("`n_fft` must be .* got 'a'", lambda: separate(n_fft="a"), TypeError),
    "n_fft 0": ("`n_fft` must be a whole number >= 2; got 0", lambda: separate(n_fft=0)),
    "hop 0": ("`hop_length` must be a whole number >= 1", lambda: separate(hop_length=0)),
    "hop": ("`hop_length` must be .* <= 512; got 1000", lambda: separate(hop_length=1000)),
    "ax": ("`ax` must be matplotlib axes or None; got 3", lambda: separate(ax=3), TypeError),
    "mask": ("Input mask contains NaN", lambda: separate(mask=np.nan * MASK)),
    "mask's shape": (r"mask has shape \(257, 8\) but", lambda: separate(mask=MASK.T)),
    "history's ax": (
        "`ax` must be matplotlib axes or None; got 'a'",
        lambda: plotting.TrainingDisplay({"train_loss": [1.0]}).plot(ax="a"),
        TypeError,
    ),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures(case):
    message, call, *error = PICTURES[case]
    refuses(message, call, *error)


def test_a_refused_picture_leaves_the_axes_empty():
    axes = Figure().subplots(4)
    draw = plotting.SeparationDisplay.from_predictions
    refuses("500", lambda: draw(WAVE, *WAVES, mask=MASK, ax=axes))
    assert not any(each.images for each in axes)


# The command line


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folders of audio, good and bad, and models that are none."""
    root = tmp_path_factory.mktemp("commands")
    contents = {"noisy": WAVES, "clean": TARGETS, "silent": [0 * t for t in TARGETS]}
    contents |= {"hush": contents["silent"], "nan": [np.nan * t for t in TARGETS]}
    for name, waves in contents.items():
        (root / name).mkdir()
        for letter, wave in zip("ab", waves, strict=True):
            soundfile.write(root / name / f"{letter}.wav", wave, 16000, "FLOAT")
    (root / "twins").mkdir()
    for name in ("a.wav", "a.flac", "b.wav"):
        soundfile.write(root / "twins" / name, TARGETS[0], 16000)
    (root / "file").write_text("not a folder")
    stft, separator = STFT(64, 16), SupervisedNMFSeparator(2, max_iter=3, random_state=0)
    unfitted = Pipeline([("stft", stft), ("sep", separator)])
    save_model(unfitted, root / "unfitted")
    save_model(unfitted.fit(WAVES, TARGETS), root / "good")
    save_model(Pipeline([("stft", stft), ("nmf", SparseNMF(2))]), root / "nmf")
    save_model(Pipeline([("stft", stft)]), root / "stft")
    save_model(Pipeline([]), root / "steps")
    joblib.dump(unfitted, root / "pickle")
    (root / "cut").write_bytes((root / "good").read_bytes()[:500])
    (root / "zero").touch()
    return root


NO_PIPELINE = "holds a Pipeline, not a pipeline that begins with STFT and ends with a separator"
NMF = "--estimator nmf --set n_components=2"
PAIRS = "--noisy {0}/noisy --clean {0}/clean"
COMMANDS = {
    f"fit {PAIRS} -o {{0}}/no/m {NMF}": "there is no folder .*no; create it first",
    f"fit {PAIRS} -o {{0}}/noisy {NMF}": "noisy is a folder; name a file",
    f"fit --noisy {{0}}/twins --clean {{0}}/clean -o {{0}}/m {NMF}": "are two recordings of",
    f"fit --noisy {{0}}/noisy --clean {{0}}/nan -o {{0}}/m {NMF}": "a.wav contains NaN at sample 0",
    f"fit --noisy {{0}}/noisy --clean {{0}}/file -o {{0}}/m {NMF}": "files pair up by name",
    f"fit {PAIRS} -o {{0}}/m {NMF} --seed -1": "`random_state` must be",
    f"fit {PAIRS} -o {{0}}/m {NMF} --seed 1.5": "--seed: invalid int value: '1.5'",
    f"fit {PAIRS} -o {{0}}/m {NMF} --sample-rate 0": "`sample_rate` must be",
    f"fit {PAIRS} -o {{0}}/m --set n_components=0": "`n_components` must be .* got 0",
    f"fit {PAIRS} -o {{0}}/m --set n_layers=0": "`n_layers` must be .* got 0",
    f"fit {PAIRS} -o {{0}}/m --max-epochs -1": "`max_epochs` must be .* got -1",
    "separate {0}/noisy/z.wav --model {0}/good -o {0}/out": r"z\.wav does not exist",
    "separate {0}/noisy/a.wav --model {0}/good -o {0}/file": "file is a file; choose a folder",
    "separate {0}/noisy/a.wav --model {0}/good -o {0}/file/in": "file is a file; choose a folder",
    "separate {0}/nan/a.wav --model {0}/good -o {0}/out": r"a\.wav contains NaN or infinity at",
    "separate {0}/noisy/a.wav --model {0}/unfitted -o {0}/out": "not fitted yet",
    "separate {0}/noisy/a.wav --model {0}/nmf -o {0}/out": NO_PIPELINE,
    "separate {0}/noisy/a.wav --model {0}/stft -o {0}/out": NO_PIPELINE,
    "separate {0}/noisy/a.wav --model {0}/steps -o {0}/out": NO_PIPELINE,
    "separate {0}/noisy/a.wav --model {0}/cut -o {0}/out": "cut is not a model that can be",
    "separate {0}/noisy/a.wav --model {0}/zero -o {0}/out": "zero is not a model: neither",
    "separate {0}/noisy/a.wav --model {0}/pickle -o {0}/out": "pickle is .*--trust-pickle",
    "separate {0}/noisy/a.wav --model {0}/noise -o {0}/out": "noise is neither a file nor one of",
    "separate {0}/noisy/a.wav --model {0}/noisy -o {0}/out": "Is a directory",
    f"score --model {{0}}/unfitted {PAIRS}": "not fitted yet",
    "score --model {0}/good --noisy {0}/noisy --clean {0}/nan": r"a\.wav contains NaN at sample 0",
    "demo -o {0}/file": "file is a file; choose a folder for -o",
    "demo --seed x": "--seed: invalid int value: 'x'",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(folder, command, capsys):
    refuses("2", lambda: main(command.format(folder).split()), SystemExit)
    errors = capsys.readouterr().err
    assert re.search(COMMANDS[command], errors), errors
    # What is wrong with the output is said before anything is learned.
    assert "Traceback" not in errors and "SparseNMF" not in errors
    assert not (folder / "m").exists() and not list((folder).glob("out/*"))


def test_silence_can_be_scored_and_separated(folder, capsys):
    for noisy, clean in (("noisy", "silent"), ("silent", "clean"), ("silent", "hush")):
        pairs = ["--noisy", str(folder / noisy), "--clean", str(folder / clean)]
        assert main(["score", "--model", str(folder / "good"), *pairs]) == 0
        numbers = [row.split()[1] for row in capsys.readouterr().out.splitlines()[1:]]
        # Undefined without a reference, and the worst there is without an estimate.
        assert numbers == (["nan", "nan"] if clean != "clean" else ["-100.00", "-100.00"])
    audio, out = folder / "silent" / "a.wav", folder / "silence"
    assert main(["separate", str(audio), "--model", str(folder / "good"), "-o", str(out)]) == 0
    assert not load_audio(out / "a.wav")[0].any()
    count("odd inputs accepted")
