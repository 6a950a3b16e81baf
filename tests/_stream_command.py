"""The command `stream`, called by its tests with a model that is stored once."""

from types import SimpleNamespace

import pytest
import soundfile
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator, save_model
from sknmf_unfold.cli.main import main


def store_model(folder, speech):
    """A fitted pipeline and a recording, and where they are stored."""
    X, Y = speech
    settings = {"inference": "warm_ista", "n_iter": 2, "max_iter": 10, "random_state": 0}
    separator = SupervisedNMFSeparator(5, **settings)
    pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    path = folder / "model.skops"
    save_model(pipe, path)
    soundfile.write(folder / "in.wav", X[0], 16000, subtype="FLOAT")
    return SimpleNamespace(pipe=pipe, path=path, folder=folder, x=X[0])


def run(model, *arguments):
    return main(["stream", *map(str, arguments), "--model", str(model.path)])


def fails(capsys, model, *arguments):
    with pytest.raises(SystemExit) as info:
        run(model, *arguments)
    assert info.value.code == 2
    return capsys.readouterr().err
