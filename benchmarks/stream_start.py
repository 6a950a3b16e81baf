"""Start of a stream: seconds from the start of a process to the first samples, and its memory.

    python -m benchmarks.stream_start

Untrained models of the default size on generated speech. The last number of a line is its ratio to
a process that only imports what streams need.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
from sklearn.pipeline import make_pipeline

from benchmarks._environment import environment, print_environment
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.separators import LSTMSeparator

IMPORT = "import sys, joblib, numpy, sknmf_unfold.streaming"
STREAM = f"""
{IMPORT}
stream = sknmf_unfold.streaming.StreamingSeparator(joblib.load(sys.argv[1]))
stream.process(numpy.zeros(1000, numpy.float32))
"""
MEMORY = """
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(peak / 1024, "torch" in sys.modules)
"""


def models(seed):
    """Pipelines by name; a few iterations are enough for their sizes."""
    nmf = {"max_iter": 5, "random_state": seed}
    training = {"max_epochs": 0, "random_state": seed, "device": "cpu"}
    start = {"nmf": SupervisedNMFSeparator(**nmf)}
    return {
        "DR-NMF": DRNMFSeparator(**start, **training),
        "DR-NMF, 128 GRU units": DRNMFSeparator(**start, n_gru_units=128, **training),
        "LSTM": LSTMSeparator(**training),
        "warm-start ISTA": SupervisedNMFSeparator(inference="warm_ista", n_iter=2, **nmf),
    }


def measure(code, *arguments, repeats):
    """Return the median seconds and MiB of processes that run some code, and what they loaded."""
    seconds, memory, loaded = [], [], ""
    for _ in range(repeats):
        start = time.perf_counter()
        command = [sys.executable, "-W", "ignore", "-c", code + MEMORY, *arguments]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds.append(time.perf_counter() - start)
        peak, loaded = out.split()
        memory.append(float(peak))
    return statistics.median(seconds), statistics.median(memory), loaded == "True"


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stream_start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    base, *_ = measure(IMPORT, repeats=args.repeats)
    X, y = make_noisy_speech(20, duration=3.0, random_state=args.seed)
    for name, separator in models(args.seed).items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.joblib"
            joblib.dump(make_pipeline(STFT(), separator).fit(X, y), path)
            seconds, memory, torch = measure(STREAM, str(path), repeats=args.repeats)
        loaded = "with torch" if torch else "without torch"
        print(f"{name:<24}{seconds:7.2f} s{memory:8.0f} MiB  {loaded:<14}{seconds / base:6.2f}")


if __name__ == "__main__":
    main()
