"""Time of a fit before training starts, and of an epoch.

    python -m benchmarks.fit_start

DR-NMF from a fitted NMF on generated speech, remixed every epoch as by default. The last number of
a line is the ratio to the time of the STFT of all mixtures and targets.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from sklearn.frozen import FrozenEstimator

from benchmarks._environment import environment, print_environment
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech


def seconds(function):
    """Time of a call, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit_start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--n-recordings", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    X, y = make_noisy_speech(args.n_recordings, duration=3.0, random_state=args.seed)
    stft = STFT()
    spectrograms = stft.fit_transform(X)
    nmf = SupervisedNMFSeparator(20, max_iter=10, random_state=0).fit(spectrograms[:20], y[:20])
    settings = {"nmf": FrozenEstimator(nmf), "random_state": args.seed, "device": "cpu"}
    starts, epochs, transforms = [], [], []
    for _ in range(args.repeats):
        transforms.append(seconds(lambda: [x.magnitude() for x in stft.transform([*X, *y])]))
        start = DRNMFSeparator(max_epochs=0, **settings)
        starts.append(seconds(lambda start=start: start.fit(spectrograms, y)))
        fitted = DRNMFSeparator(max_epochs=1, **settings).fit(spectrograms, y)
        epochs.append(float(np.diff(fitted.history_["seconds"])[-1]))
    base = statistics.median(transforms)
    for name, times in (("fit without an epoch", starts), ("an epoch", epochs)):
        value = statistics.median(times)
        print(f"{name:<24}{value:8.3f} s{value / base:8.2f}")


if __name__ == "__main__":
    main()
