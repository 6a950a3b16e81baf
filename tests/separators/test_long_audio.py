"""Memory of ``predict`` on long recordings, measured in a process of its own."""

import subprocess
import sys

import joblib
import pytest
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator

SAMPLE_RATE = 16_000
NMF = {"max_iter": 10, "random_state": 0}
SEPARATORS = {
    "mu": SupervisedNMFSeparator(20, n_iter=3, **NMF),
    "ista": SupervisedNMFSeparator(20, n_iter=3, inference="ista", **NMF),
    "warm_ista": SupervisedNMFSeparator(20, n_iter=1, inference="warm_ista", **NMF),
    "drnmf": DRNMFSeparator(
        nmf=SupervisedNMFSeparator(20, max_iter=10), max_epochs=1, random_state=0
    ),
}

# Prints what the first prediction after a short one needs beyond what was there: in bytes. The
# peak is read from the system's table, since that of `resource` begins with the parent's memory.
MEASURE = """
import sys, joblib, numpy as np
pipe, n_recordings, n_times, dtype = joblib.load(sys.argv[1])
rng = np.random.default_rng(0)
X = []
for _ in range(n_recordings):
    x = rng.standard_normal(n_times, dtype="float32")
    x *= 3000 if dtype == "int16" else 0.1
    X.append(x.astype(dtype, copy=False))
    del x
pipe.predict([X[0][:32_000]])
def memory(field):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))
before = memory("VmRSS")
Y = pipe.predict(X)
assert [len(y) for y in Y] == [n_times] * n_recordings
print(memory("VmHWM") - before)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def megabytes(separator, speech, tmp_path, n_recordings, seconds, dtype="float32"):
    """Memory above the input that a prediction needs, its output included."""
    X, Y = speech[0][:3], speech[1][:3]
    pipe = Pipeline([("stft", STFT()), ("sep", SEPARATORS[separator])]).fit(X, Y)
    joblib.dump((pipe, n_recordings, seconds * SAMPLE_RATE, dtype), tmp_path / "job")
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "job"],
        check=True,
        capture_output=True,
        text=True,
    )
    used = int(result.stdout) / 1e6
    print(f"{separator}, {n_recordings} x {seconds} s of {dtype}: {used:.0f} MB above the input")
    return used


# Five minutes are 19 MB of output. All their complex frames at once would be 77 MB, and so would
# the masked ones; magnitudes and masks 38 MB each.
@pytest.mark.parametrize(
    ("separator", "n_recordings"),
    [
        *(pytest.param(name, 1, marks=pytest.mark.slow) for name in ("mu", "ista", "warm_ista")),
        ("drnmf", 1),
        pytest.param("drnmf", 75, marks=pytest.mark.slow),
    ],
)
def test_five_minutes(separator, n_recordings, speech, tmp_path):
    assert megabytes(separator, speech, tmp_path, n_recordings, 300 // n_recordings) < 19 + 110


@pytest.mark.slow
@pytest.mark.parametrize("separator", SEPARATORS)
def test_an_hour(separator, speech, tmp_path):
    assert megabytes(separator, speech, tmp_path, 1, 3600) < 500
