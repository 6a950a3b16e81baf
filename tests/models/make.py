"""Stores small models of this version: ``python tests/models/make.py [NAME ...]``.

Every model is kept twice, by joblib and by skops, as ``[STFT, model]``: what a pipeline stores is
scikit-learn's affair. ``VERSION.npz`` has an input and what each model made of it. File names
begin with the version, so that files of earlier versions stay: `tests/test_stored_models.py` loads
all that are here. Run this for a new version, or before its release when what a model consists of
has changed on purpose, for all models or for some; never to make that test pass.
"""

import sys
from pathlib import Path

import joblib
import numpy as np
import skops.io
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator, __version__
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator

FOLDER = Path(__file__).parent


def fitted_models(stft, X, Y):
    """Name and model; float64 data, so that processors differ by less than the test allows."""
    spectrograms = stft.transform(X)
    settings = {"n_components": 4, "random_state": 0, "max_iter": 30}
    nmf = SupervisedNMFSeparator(**settings).fit(spectrograms, Y)
    drnmf = DRNMFSeparator(nmf=FrozenEstimator(nmf), max_epochs=3, device="cpu", random_state=0)
    models = {
        "sparse_nmf": SparseNMF(**settings).fit(stft.transform(Y)),
        "online": SparseNMF(**settings).partial_fit(stft.transform(Y)),
        "cd": nmf,
        "mu": SupervisedNMFSeparator(inference="mu", **settings),
        "ista": SupervisedNMFSeparator(inference="ista", n_iter=50, **settings),
        "warm_ista": SupervisedNMFSeparator(inference="warm_ista", n_iter=2, **settings),
        # Watched on what it is trained on, so that some training is kept.
        "drnmf": drnmf.fit(spectrograms, Y, validation_data=(spectrograms, Y)),
    }
    settings = {"max_epochs": 3, "device": "cpu", "random_state": 0}
    models["lstm"] = LSTMSeparator(1, 6, **settings)
    models["rnn"] = RNNSeparator(1, 6, **settings)
    models["deep_nmf"] = DeepNMFSeparator(5, 4, **settings)
    for name in ("mu", "ista", "warm_ista", "lstm", "rnn", "deep_nmf"):
        models[name].fit(spectrograms, Y)
    with_units = clone(drnmf).set_params(n_gru_units=3)
    models["gru"] = with_units.fit(spectrograms, Y, validation_data=(spectrograms, Y))
    assert drnmf.best_epoch_ > 0 and with_units.best_epoch_ > 0
    return models


def answer(stft, model, waveform):
    """What a model makes of a waveform: another one, or activations."""
    spectrograms = stft.transform([waveform])
    return (model.predict if hasattr(model, "predict") else model.transform)(spectrograms)[0]


def main(names):
    """Fit all; store those of these names, or all, and record their answers."""
    stft = STFT(64, 16)
    X, Y = (
        [x.astype(np.float64) for x in part]
        for part in make_noisy_speech(4, duration=0.3, random_state=0)
    )
    arrays, answers = {"input": X[0][1000:3000]}, FOLDER / f"{__version__}.npz"
    if names:
        arrays |= dict(np.load(answers))
    for name, model in fitted_models(stft, X, Y).items():
        if names and name not in names:
            continue
        path = FOLDER / f"{__version__}-{name}"
        joblib.dump([stft, model], f"{path}.joblib", compress=3)
        skops.io.dump([stft, model], f"{path}.skops")
        arrays[name] = answer(stft, model, arrays["input"])
    np.savez_compressed(answers, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
