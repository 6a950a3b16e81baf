"""Files of processes killed at random moments of writing: the old or the new one, whole."""

import contextlib
import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator, load_model, save_model
from sknmf_unfold.cli._folders import find_recordings
from sknmf_unfold.datasets import load_audio, save_audio
from tests._counts import count

N_KILLS = 30
CHILD = Path(__file__).with_name("write_in_child.py")
HALF_AN_HOUR = 30 * 60 * 16000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("kills")
    waves = [0.1 * np.random.RandomState(i).randn(4000).astype("float32") for i in (0, 1)]
    for name in ("noisy", "clean", "long", "out"):
        (root / name).mkdir()
    for i, wave in enumerate(waves):
        save_audio(root / "noisy" / f"{i}.wav", wave)
        save_audio(root / "clean" / f"{i}.wav", wave / 2)
    separator = SupervisedNMFSeparator(2, max_iter=3, random_state=0)
    pipe = Pipeline([("stft", STFT(64, 16)), ("sep", separator)]).fit(
        waves, [wave / 2 for wave in waves]
    )
    save_model(pipe, root / "small.skops")
    save_audio(root / "long" / "a.wav", np.resize(waves[0], HALF_AN_HOUR))
    np.save(root / "long" / "a.npy", np.resize(waves[0], HALF_AN_HOUR))
    return root


@contextlib.contextmanager
def writing(command, folder):
    """Run the child, from the moment in which it begins to write."""
    arguments = [sys.executable, str(CHILD), command, str(folder)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, text=True, **pipes) as child:
        assert child.stderr.readline() == "begins\n"
        yield child


def kills(command, folder):
    """Kill the child at random moments of its writing, once for every iteration."""
    rng = random.Random(0)
    with writing(command, folder) as child:
        start = time.perf_counter()
        assert child.stderr.readline() == "ends\n"
        seconds = time.perf_counter() - start
    n_before = len(unfinished(folder))
    for _ in range(N_KILLS):
        yield
        with writing(command, folder) as child:
            time.sleep(rng.uniform(0, seconds))
            child.kill()
        count(f"kills of {command}")
    n_midway = len(unfinished(folder)) - n_before
    for _ in range(n_midway):
        count(f"kills of {command} while it wrote")
    assert n_midway > 3
    yield


def unfinished(folder):
    return list((folder / "out").glob(".*"))


def digest(path):
    return hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("command", ["save", "separate"])
def test_killed_audio_is_the_old_or_the_new_whole(command, folder):
    path, new = folder / "out" / "a.wav", load_audio(folder / "long" / "a.wav")[0]
    old = new[: HALF_AN_HOUR // 3]
    whole = {}
    for waveform in (new, old):
        save_audio(path, waveform)
        whole[digest(path)] = len(waveform)
    for _ in kills(command, folder):
        assert soundfile.info(path).frames == whole[digest(path)]
        assert [each.path for each in find_recordings([path.parent])] == [path]
        save_audio(path, old)


def test_a_killed_fit_leaves_the_old_or_the_new_model_whole(folder):
    path = folder / "out" / "model.skops"
    old = Pipeline([("stft", STFT())])
    for _ in kills("fit", folder):
        padding = getattr(load_model(path), "padding", None)
        assert padding is None or (len(padding) == 4_000_000 and (padding == 1).all())
        save_model(old, path)
