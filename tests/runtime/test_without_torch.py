"""Stored models of every kind stream, and are exported, where torch cannot be imported."""

import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from tests.models.make import FOLDER

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
KINDS = ["drnmf", "gru", "lstm", "rnn", "deep_nmf", "warm_ista", "cd", "mu", "ista"]

CHILD = """
import sys, warnings
warnings.simplefilter("ignore")

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError("torch is blocked")

sys.meta_path.insert(0, NoTorch())
import joblib, numpy as np
from sknmf_unfold.streaming import StreamingSeparator
folder, out, *kinds = sys.argv[1:]
waveform = np.load(f"{folder}/0.1.0.npz")["input"]
for kind in kinds:
    stft, model = joblib.load(f"{folder}/0.1.0-{kind}.joblib")
    stream = StreamingSeparator(model)
    parts = [stream.process(waveform[i : i + 100]) for i in range(0, len(waveform), 100)]
    np.save(f"{out}/{kind}.npy", np.concatenate([*parts, stream.flush()]))
    if hasattr(model, "export_onnx"):
        model.export_onnx(f"{out}/{kind}.onnx")
"""


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """Folder with what a process without torch made of each model."""
    out = tmp_path_factory.mktemp("streamed")
    command = [sys.executable, "-c", CHILD, str(FOLDER), str(out), *KINDS]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_what_predict_gives(streamed, kind):
    stft, model = joblib.load(FOLDER / f"0.1.0-{kind}.joblib")
    waveform = np.load(FOLDER / "0.1.0.npz")["input"]
    [expected] = model.predict(stft.transform([waveform]))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(np.load(streamed / f"{kind}.npy"), expected, rtol=0, atol=1e-5)


def test_models_are_exported(streamed):
    assert sorted(path.stem for path in Path(streamed).glob("*.onnx")) == ["drnmf", "gru"]
