import os
import sys

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores, and threads of one would only wait for those of another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# scikit-learn skips its array API checks without it; scipy reads it on import.
os.environ["SCIPY_ARRAY_API"] = "1"
# No windows on machines that have a screen.
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest

from sknmf_unfold import STFT
from sknmf_unfold.datasets import make_noisy_speech
from tests._counts import COUNTS


def pytest_terminal_summary(terminalreporter):
    for name, number in sorted(COUNTS.items()):
        terminalreporter.write_line(f"{name}: {number}")


@pytest.fixture(scope="module", autouse=True)
def no_idle_workers():
    """End joblib's worker processes after each module.

    They end themselves after five idle minutes, and a search that begins at that moment waits for
    them forever.
    """
    yield
    pool = sys.modules.get("joblib.externals.loky.reusable_executor")
    if pool is not None and pool._executor is not None:
        pool._executor.shutdown(wait=True)


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close the figures of displays, which stay open until somebody does."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


@pytest.fixture(scope="session")
def speech():
    """Eight short mixtures and their targets, of different lengths."""
    X, Y = make_noisy_speech(8, duration=(0.6, 1.2), random_state=0)
    return X, Y


@pytest.fixture(scope="session")
def spectrograms(speech):
    X, _ = speech
    return STFT().fit_transform(X)


@pytest.fixture(scope="session")
def magnitudes():
    """Three planted sequences: a target of low bins, interference of high bins."""
    rng = np.random.RandomState(0)
    dictionary = np.vstack([np.eye(4, 12), np.eye(4, 12, 8)]) + 0.05
    X, Y = [], []
    for n_frames in (40, 25, 33):
        activations = rng.gamma(0.5, 4.0, size=(n_frames, 8))
        Y.append(activations[:, :4] @ dictionary[:4])
        X.append(Y[-1] + activations[:, 4:] @ dictionary[4:])
    return X, Y
