"""The command `separate`: files and folders in, the same files and folders out."""

import importlib.util
import re
import signal
import subprocess
import sys

import joblib
import matplotlib.image
import numpy as np
import pytest
import soundfile
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT
from sknmf_unfold.cli import _separation_jobs, _sound_writer
from sknmf_unfold.cli._separation import RecordingSeparator
from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import example_path
from tests._factories import supervised
from tests._sound_files import write_cut

RNG = np.random.RandomState(0)
WAVES = [0.1 * RNG.randn(n).astype("float32") for n in (4000, 3000)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.joblib"
    separator = supervised(inference="warm_ista", n_iter=2)
    pipe = Pipeline([("stft", STFT(64, 16)), ("sep", separator)])
    joblib.dump(pipe.fit(WAVES, [wave / 2 for wave in WAVES]), path)
    return path


@pytest.fixture
def separate(model, tmp_path, monkeypatch):
    """Run the command in an empty folder; return its exit status."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        options = ["--model", model, "--trust-pickle"]
        try:
            return main(["separate", *map(str, [*arguments, *options])])
        except SystemExit as error:
            return error.code

    return run


def noise(n_times, *n_channels):
    return 0.1 * np.random.RandomState(1).randn(n_times, *n_channels)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Formats


FORMATS = [
    ("wav", "WAV", "PCM_16", 16000, 1),
    ("wav", "WAV", "PCM_U8", 8000, 2),
    ("wav", "WAV", "PCM_24", 48000, 6),
    ("wav", "WAVEX", "PCM_32", 22050, 2),
    ("wav", "WAV", "FLOAT", 44100, 1),
    ("wav", "WAV", "DOUBLE", 44100, 2),
    ("wav", "WAV", "ULAW", 8000, 1),
    ("flac", "FLAC", "PCM_24", 44100, 2),
    ("flac", "FLAC", "PCM_16", 96000, 1),
    ("ogg", "OGG", "VORBIS", 44100, 2),
    ("opus", "OGG", "OPUS", 48000, 2),
    ("mp3", "MP3", "MPEG_LAYER_III", 44100, 2),
    ("aiff", "AIFF", "PCM_24", 44100, 2),
    ("caf", "CAF", "PCM_16", 32000, 2),
    ("w64", "W64", "PCM_16", 44100, 1),
    ("rf64", "RF64", "PCM_24", 44100, 2),
    ("dat", "WAV", "PCM_16", 16000, 1),
]


@pytest.mark.parametrize(("suffix", "container", "subtype", "rate", "n_channels"), FORMATS)
def test_the_output_has_the_format_of_the_input(
    suffix, container, subtype, rate, n_channels, separate, tmp_path, capsys
):
    name = f"a.{suffix}"
    soundfile.write(name, noise(30011, n_channels), rate, subtype, format=container)
    assert separate(name) == 0
    before, after = soundfile.info(name), soundfile.info(f"separated/{name}")
    for field in ("format", "subtype", "samplerate", "channels", "frames"):
        assert getattr(after, field) == getattr(before, field), field
    assert capsys.readouterr().out.split() == [f"separated/{name}"]


@pytest.mark.parametrize(("subtype", "steps"), [("PCM_U8", 0), ("PCM_16", 0), ("PCM_24", 2)])
def test_bits_survive_where_nothing_is_taken_away(subtype, steps, separate):
    soundfile.write("a.wav", noise(5000, 2), 16000, subtype)
    assert separate("a.wav", "--max-attenuation", 0) == 0
    before, after = (soundfile.read(name)[0] for name in ("a.wav", "separated/a.wav"))
    bits = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24}[subtype]
    assert np.abs(after - before).max() <= steps / 2 ** (bits - 1)


def test_more_is_taken_away_without_a_bound(separate):
    soundfile.write("a.wav", noise(5000), 16000, "FLOAT")
    energies = [np.square(soundfile.read("a.wav")[0]).sum()]
    for options in (["--max-attenuation", 2], []):
        assert separate("a.wav", *options) == 0
        energies.append(np.square(soundfile.read("separated/a.wav")[0]).sum())
    assert energies[0] > 1.1 * energies[1] > 1.1 * energies[2]
    # Windows that overlap may exceed the bound of the masks by little.
    assert energies[1] > 10 ** (-2.1 / 10) * energies[0]


@pytest.mark.parametrize("rate", [16000, 44100])
def test_target_and_residual_add_up_to_the_input(rate, separate, capsys):
    soundfile.write("a.flac", noise(9000, 2), rate, "PCM_24")
    assert separate("a.flac", "--residual", "-o", "out") == 0
    assert capsys.readouterr().out.split() == ["out/a.flac", "out/a.residual.flac"]
    names = ("a.flac", "out/a.flac", "out/a.residual.flac")
    mixture, target, residual = (soundfile.read(name)[0] for name in names)
    assert min(np.abs(target).max(), np.abs(residual).max()) > 0.01
    assert np.abs(target + residual - mixture).max() <= 2 / 2**23


def test_a_wav_that_would_clip_becomes_one_of_floats(separate, tmp_path):
    loud = np.concatenate([noise(90000), 0.999 * np.sign(noise(90000))])
    soundfile.write("a.wav", loud, 16000, "PCM_16")
    soundfile.write("b.wav", loud, 16000, "FLOAT")
    assert separate("a.wav", "b.wav") == 0
    assert soundfile.info("separated/a.wav").subtype == "FLOAT"
    first, second = (soundfile.read(f"separated/{name}.wav")[0] for name in "ab")
    assert len(first) == len(second) == 180000 and np.abs(first).max() > 1
    assert np.abs(first - second).max() < 2 / 2**15
    assert sorted(path.name for path in (tmp_path / "separated").iterdir()) == ["a.wav", "b.wav"]


def test_a_flac_that_clips_says_so(separate, capsys):
    soundfile.write("a.flac", 0.999 * np.sign(noise(5000)), 16000)
    assert separate("a.flac") == 0
    assert re.search(
        r"a\.flac: \d+ samples beyond full scale were clipped", capsys.readouterr().err
    )
    assert np.abs(soundfile.read("separated/a.flac")[0]).max() <= 1


def test_a_very_long_wav_of_floats_gets_the_longer_header(separate, monkeypatch):
    monkeypatch.setattr(_sound_writer, "MAX_WAV_BYTES", 4 * 4999)
    for name, n_times in (("short", 4999), ("long", 5000)):
        soundfile.write(f"{name}.wav", 0.999 * np.sign(noise(n_times)), 16000)
    assert separate("short.wav", "long.wav") == 0
    kinds = [soundfile.info(f"separated/{name}.wav").format for name in ("short", "long")]
    assert kinds == ["WAV", "RF64"]


@pytest.mark.parametrize(
    ("name", "subtype", "expected"),
    [("a.mp3", None, "a.mp3.wav"), ("a.wav", "ULAW", "a.wav")],
)
def test_formats_that_cannot_be_written_become_wav(
    name, subtype, expected, separate, monkeypatch, capsys
):
    soundfile.write(name, noise(5000, 2), 44100, subtype)
    unwritable = property(lambda form: form.container == "WAV" and form.n_channels == 3)
    monkeypatch.setattr(_sound_writer.SoundFormat, "is_writable", unwritable)
    assert separate(name) == 0
    info = soundfile.info(f"separated/{expected}")
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 2)
    captured = capsys.readouterr()
    assert captured.out.split() == [f"separated/{expected}"]
    assert "cannot write this format; written as separated" in captured.err


@pytest.mark.parametrize("n_times", [1, 2, 63, 64, 65])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_short_recordings_keep_their_length(n_times, rate, separate):
    soundfile.write("a.wav", noise(n_times, 2), rate)
    assert separate("a.wav") == 0
    assert soundfile.info("separated/a.wav").frames == n_times


# Files and folders


def test_folders_are_searched_and_repeated(separate, tmp_path, capsys):
    names = ["in/a.wav", "in/b/a.wav", "in/b/c/d.flac", "in/.hidden/a.wav", "in/.a.wav", "e.wav"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(name, noise(900), 16000)
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    written = ["out/a.wav", "out/b/a.wav", "out/b/c/d.flac", "out/e.wav"]
    assert separate("in", "e.wav", "-o", "out") == 0
    captured = capsys.readouterr()
    assert captured.out.split() == written
    assert "left out: notes.txt" in captured.err
    assert sorted(p.relative_to(tmp_path).as_posix() for p in contents(tmp_path / "out")) == written


def test_earlier_results_are_no_recordings(separate, tmp_path, capsys):
    soundfile.write("a.wav", noise(900), 16000)
    for _ in range(2):
        assert separate(".") == 0
        assert capsys.readouterr().out.split() == ["separated/a.wav"]
    assert separate("separated") == 2
    assert "would get results among its recordings" in capsys.readouterr().err


def test_two_recordings_of_one_name(separate, tmp_path, capsys):
    for name in ("a.wav", "in/a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(name, noise(900), 16000)
    assert separate("a.wav", "in") == 2
    assert "have the same name; separate them into different" in capsys.readouterr().err
    assert not (tmp_path / "separated").exists()


@pytest.mark.parametrize("options", [["-o", "."], ["--residual", "-o", "out"], ["-o", "links"]])
def test_inputs_are_not_replaced(options, separate, tmp_path, capsys):
    for folder in ("out", "links"):
        (tmp_path / folder).mkdir()
    for name in ("a.wav", "out/a.residual.wav"):
        soundfile.write(name, noise(900), 16000)
    (tmp_path / "links" / "a.wav").symlink_to(tmp_path / "a.wav")
    before = contents(tmp_path)
    assert separate("a.wav", "out/a.residual.wav", *options) == 2
    assert "would overwrite an input" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_model_among_the_inputs_is_told_from_a_recording(separate, model, tmp_path, capsys):
    soundfile.write("a.wav", noise(900), 16000)
    (tmp_path / "m.skops").write_bytes(b"PK\3\4 and more")
    for path in (model, "m.skops"):
        assert separate(path, "a.wav") == 2
        assert f"is a model, not a recording; pass it as --model {path}" in capsys.readouterr().err
    assert not (tmp_path / "separated").exists()


@pytest.mark.parametrize("bound", ["-1", "nan", "inf"])
def test_bounds_that_are_none(bound, separate, tmp_path, capsys):
    soundfile.write("a.wav", noise(900), 16000)
    assert separate("a.wav", "--max-attenuation", bound) == 2
    assert "`max_attenuation` must be a finite number >= 0" in capsys.readouterr().err
    assert not (tmp_path / "separated").exists()


# The recording that the package carries


def test_without_files_the_example_is_separated(separate, tmp_path, capsys, monkeypatch):
    assert separate("-o", "out") == 0
    names = ["out/separated.flac", "out/noisy.flac", "out/separation.png"]
    assert capsys.readouterr().out.split() == names
    noisy, separated = (soundfile.read(f"out/{name}.flac") for name in ("noisy", "separated"))
    np.testing.assert_array_equal(noisy[0], soundfile.read(example_path())[0])
    assert noisy[1] == separated[1] and noisy[0].shape == separated[0].shape
    assert np.abs(noisy[0] - separated[0]).max() > 0.01
    height, width = matplotlib.image.imread("out/separation.png").shape[:2]
    assert min(height, width) > 500


def test_without_matplotlib_a_line_tells_how_to_get_the_picture(separate, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert separate() == 0
    captured = capsys.readouterr()
    assert captured.out.split() == ["separated/separated.flac", "separated/noisy.flac"]
    assert 'pip install "sknmf_unfold[demo]"' in captured.err


# Files that cannot be read, interrupts, reports


def test_a_broken_file_stops_no_other(separate, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in "abc":
        soundfile.write(f"in/{name}.wav", noise(900), 16000)
    (tmp_path / "in" / "b.wav").write_text("no sound")
    soundfile.write("in/empty.wav", np.empty(0), 16000)
    soundfile.write("in/nan.wav", np.append(noise(200000), np.nan), 44100, "FLOAT")
    soundfile.write("in/slow.wav", noise(900), 500)
    assert separate("in", "no.wav") == 1
    captured = capsys.readouterr()
    assert captured.out.split() == ["separated/a.wav", "separated/c.wav"]
    first, *errors = captured.err.splitlines()
    assert re.match(r"2 files, 0\.1 s of sound in .* times real time\), level reduced by", first)
    reasons = (
        r"b\.wav is not an audio file that can be read",
        r"empty\.wav has no samples",
        r"nan\.wav contains NaN or infinity at sample 200000",
        r"slow\.wav has a sampling rate of 500 Hz",
        r"no\.wav does not exist",
    )
    for line, reason in zip(errors, reasons, strict=True):
        assert re.match(f"error: .*{reason}", line)
    assert len(contents(tmp_path / "separated")) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="cut files are read differently")
def test_a_cut_wav_is_separated_up_to_its_end(separate, tmp_path):
    write_cut(tmp_path / "a.wav", noise(9000))
    assert separate("a.wav") == 0
    assert soundfile.info("separated/a.wav").frames == len(soundfile.read("a.wav")[0])


def test_an_interrupt_keeps_what_is_finished(separate, tmp_path, monkeypatch, capsys):
    process, n_calls = RecordingSeparator.process, []

    def interrupted(self, samples):
        n_calls.append(1)
        if len(n_calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return process(self, samples)

    monkeypatch.setattr(RecordingSeparator, "process", interrupted)
    monkeypatch.setattr(_separation_jobs, "BLOCK_VALUES", 1000)
    for name, n_times in (("a", 1000), ("b", 9000), ("c", 1000)):
        soundfile.write(f"{name}.wav", noise(n_times), 16000)
    assert separate("a.wav", "b.wav", "c.wav", "--residual") == 130
    captured = capsys.readouterr()
    assert captured.err == "Interrupted after 1 of 3 files\n"
    names = sorted(path.name for path in (tmp_path / "separated").iterdir())
    assert names == ["a.residual.wav", "a.wav"] and len(n_calls) == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_progress_is_shown_on_a_terminal_only(separate, monkeypatch, capsys):
    for name in "ab":
        soundfile.write(f"{name}.wav", noise(9000), 16000)
    assert separate("a.wav", "b.wav") == 0
    assert "%" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert separate("a.wav", "b.wav") == 0
    captured = capsys.readouterr()
    assert "separate: 100%|" in captured.err
    assert captured.out.split() == ["separated/a.wav", "separated/b.wav"]


def test_the_summary_has_the_mean_reduction_of_the_level(separate, capsys):
    for name, gain in (("a", 1.0), ("b", 0.1), ("silent", 0.0)):
        soundfile.write(f"{name}.wav", gain * noise(16000), 16000, "FLOAT")
    assert separate("a.wav", "b.wav", "silent.wav") == 0
    reductions = []
    for name in "ab":
        before, after = (soundfile.read(f"{folder}{name}.wav")[0] for folder in ("", "separated/"))
        reductions.append(10 * np.log10(np.mean(before**2) / np.mean(after**2)))
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("3 files, 3.0 s of sound in ")
    assert line.endswith(f"level reduced by {np.mean(reductions):.1f} dB on average")


# Memory


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no measurement of memory")
def test_long_recordings_take_no_more_memory(model, tmp_path):
    peaks = []
    for seconds in (30, 240):
        path = tmp_path / f"{seconds}.flac"
        with soundfile.SoundFile(path, "w", 44100, 2, "PCM_16") as file:
            for _ in range(seconds):
                file.write(noise(44100, 2))
        arguments = [path, "--model", model, "--trust-pickle", "--residual", "-o", tmp_path / "out"]
        child = [sys.executable, "-c", MEASURED, "separate", *map(str, arguments)]
        done = subprocess.run(child, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.splitlines()[-1]))
        assert soundfile.info(tmp_path / "out" / path.name).frames == seconds * 44100
    # 210 s of stereo are 74 MB of float32.
    assert peaks[1] - peaks[0] < 20_000, peaks


MEASURED = """
import resource, sys
from sknmf_unfold.cli.main import main
main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
