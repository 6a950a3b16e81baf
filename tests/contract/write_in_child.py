"""Child process of the tests of kills: writes a file and reports when it begins and ends.

python write_in_child.py fit|separate|save FOLDER
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline

import sknmf_unfold.cli.main as command_line
from sknmf_unfold.base import model_files
from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.cli import _separation_jobs, _sound_writer
from sknmf_unfold.cli._separation import RecordingSeparator
from sknmf_unfold.datasets import audio_files, save_audio


def fit(folder):
    def learn(self, X, Y, **further):
        self.padding = np.full(4_000_000, 1.0)
        return self

    # What is written is as large as that of a real fit, which takes longer.
    Pipeline.fit = learn
    Pipeline.predict = lambda self, X: X
    pairs = ["--noisy", str(folder / "noisy"), "--clean", str(folder / "clean")]
    command = ["fit", *pairs, "--estimator", "nmf"]
    command_line.main([*command, "-o", str(folder / "out" / "model.skops")])


def separate(folder):
    RecordingSeparator.process = lambda self, samples: (samples, samples)
    # The summary of the command would be taken for the end.
    _separation_jobs.say = lambda *_: None
    command = ["separate", str(folder / "long" / "a.wav"), "--model", str(folder / "small.skops")]
    command_line.main([*command, "-o", str(folder / "out")])


def save(folder):
    save_audio(folder / "out" / "a.wav", np.load(folder / "long" / "a.npy"))


def say(word):
    sys.stderr.write(f"{word}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def announced(path):
    say("begins")
    with replacing(path) as unfinished:
        yield unfinished
    say("ends")


if __name__ == "__main__":
    command, folder = sys.argv[1], Path(sys.argv[2])
    for module in (_sound_writer, audio_files, model_files):
        module.replacing = announced
    {"fit": fit, "separate": separate, "save": save}[command](folder)
