"""The command line: its entry points, and the commands `fit`, `separate`, `score` and `demo`."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import make_noisy_speech


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of noisy and clean WAV files, and a model fitted on them by the command line."""
    root = tmp_path_factory.mktemp("cli")
    X, Y = make_noisy_speech(6, duration=1.0, random_state=0)
    for kind, waveforms in (("noisy", X), ("clean", Y)):
        (root / kind).mkdir()
        for i, x in enumerate(waveforms):
            soundfile.write(root / kind / f"{i}.wav", x, 16000, subtype="FLOAT")
    fit = ["fit", *pair(root), "-o", str(root / "model.skops")]
    assert main([*fit, "--set", "n_components=10", "--max-epochs", "2"]) == 0
    return root


def pair(root):
    """Options of folders of pairs."""
    return ["--noisy", str(root / "noisy"), "--clean", str(root / "clean")]


def fails(capsys, *arguments):
    """The message of a command that must exit with status 2 and without a traceback."""
    with pytest.raises(SystemExit) as info:
        main([str(a) for a in arguments])
    assert info.value.code == 2
    return capsys.readouterr().err


def test_the_console_script_runs_the_command_line(monkeypatch, capsys):
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    [(name, value)] = project["scripts"].items()
    assert name == "sknmf-unfold"
    script = EntryPoint(name, value, "console_scripts").load()
    for arguments, usage in ((["--help"], "usage: sknmf-unfold [-h]"), (["fit", "-h"], "fit [-h]")):
        monkeypatch.setattr(sys, "argv", ["anything", *arguments])
        with pytest.raises(SystemExit) as info:
            script()
        output = capsys.readouterr().out
        assert info.value.code == 0 and usage in output and "usage: sknmf-unfold" in output


def test_the_module_names_itself_in_its_help():
    command = [sys.executable, "-m", "sknmf_unfold", "--help"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.startswith("usage: python -m sknmf_unfold [-h]")


def test_score_prints_an_improvement(folders, capsys):
    model = ["--model", str(folders / "model.skops")]
    assert main(["score", *pair(folders), *model]) == 0
    rows = {row.split()[0]: row.split() for row in capsys.readouterr().out.splitlines()}
    for metric in ("SDR", "SI-SDR"):
        before, after, gain = (float(cell) for cell in rows[metric][1::2])
        assert gain > 1 and after - before == pytest.approx(gain, abs=0.011)


def test_fit_of_nmf(folders, capsys):
    options = ["-o", str(folders / "nmf.skops"), "--estimator", "nmf", "--set", "n_components=5"]
    assert main(["fit", *pair(folders), *options]) == 0
    assert (folders / "nmf.skops").stat().st_size > 1000


def test_folders_that_do_not_pair_up(folders, tmp_path, capsys):
    soundfile.write(tmp_path / "other.wav", np.zeros(100), 16000)
    message = fails(
        capsys, "fit", "--noisy", folders / "noisy", "--clean", tmp_path, "-o", tmp_path / "m.skops"
    )
    assert "files pair up by name" in message and "Traceback" not in message


def test_missing_and_foreign_files(folders, tmp_path, capsys):
    text = tmp_path / "text.wav"
    text.write_text("not audio")
    model = folders / "model.skops"
    for path in (tmp_path / "no-such.wav", text):
        message = fails(capsys, "separate", path, "--model", model, "-o", tmp_path / "out")
        assert path.name in message
    assert "text.wav" in fails(capsys, "score", "--model", text, *pair(folders))
    clean = ["--clean", folders / "clean"]
    assert "does not exist" in fails(capsys, "fit", "--noisy", tmp_path / "none", *clean)


def test_demo_on_a_small_scale(tmp_path, capsys):
    from sknmf_unfold.cli.demo import run_demo

    means = run_demo(tmp_path, n_train=12, max_epochs=4)
    assert means["sparse NMF"] > means["noisy mixture"] + 2
    assert means["DR-NMF"] > means["noisy mixture"] + 2
    assert (tmp_path / "separation.png").stat().st_size > 10_000
    lengths = {soundfile.info(path).frames for path in tmp_path.glob("*.wav")}
    assert lengths == {48000} and len(list(tmp_path.glob("*.wav"))) == 12
