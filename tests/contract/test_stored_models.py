"""Models stored by earlier versions load and keep their output."""

from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import clone

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator
from tests.models.make import FOLDER, answer

FILES = sorted(p for p in FOLDER.iterdir() if p.suffix in (".joblib", ".skops"))
TRUSTED = [STFT, SparseNMF, SupervisedNMFSeparator, DRNMFSeparator]
TRUSTED += [DeepNMFSeparator, LSTMSeparator, RNNSeparator]


def load(path: Path):
    if path.suffix == ".skops":
        return skops.io.load(path, trusted=TRUSTED)
    return joblib.load(path)


def test_every_model_is_stored_both_ways():
    names = {path.stem.split("-", 1)[1] for path in FILES}
    assert names >= {"sparse_nmf", "mu", "ista", "warm_ista", "drnmf", "lstm", "rnn", "deep_nmf"}
    assert "gru" in names
    assert {path.with_suffix(".joblib") for path in FILES} | {
        path.with_suffix(".skops") for path in FILES
    } == set(FILES)
    assert max(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 200_000


# The package's version and scikit-learn's, inside FrozenEstimator, move on.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_stored_model(path):
    version, name = path.stem.split("-", 1)
    with np.load(FOLDER / f"{version}.npz") as arrays:
        waveform, expected = arrays["input"], arrays[name]
    stft, model = load(path)
    # Also of parameters that came later, and none of those that went.
    clone(model)
    parameters = {name for name in vars(model) if not name.startswith("_") and name[-1] != "_"}
    assert parameters == set(model.get_params(deep=False))
    result = answer(stft, model, waveform)
    assert result.dtype == expected.dtype
    assert np.abs(expected).max() > 0.01, "silence would prove nothing"
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)
