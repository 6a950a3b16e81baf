"""Averages of trained separators: the SDR of the mean of their waveforms.

    python -m benchmarks.table1 --models drnmf-2x400+ lstm-2x244 --keep models
    python -m benchmarks.averages models/tenth_*.joblib

Each pipeline alone, then each pair of them, on dev and test. The gain of two seeds of one model is
the part of the error that depends on the seed; the further gain of two different models is the part
that depends on the model.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import joblib
import numpy as np

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks.table1 import PARTS
from sknmf_unfold.metrics import sdr


def averages(estimates, Y):
    """Measure each system, and the mean of the waveforms of each pair.

    Parameters
    ----------
    estimates : list of lists of ndarray
        Separated recordings of each system.
    Y : list of ndarray
        Targets.

    Returns
    -------
    results : dict of float
        Mean SDR in dB; keys are tuples of positions in `estimates`.
    """
    results = {}
    for size in (1, 2):
        for which in itertools.combinations(range(len(estimates)), size):
            together = zip(*(estimates[i] for i in which), strict=True)
            results[which] = float(np.mean(sdr(Y, [np.mean(parts, axis=0) for parts in together])))
    return results


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.averages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="+", help="files of fitted pipelines")
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    args = parser.parse_args(arguments)
    print_environment(environment(None))
    pipes = [joblib.load(path) for path in args.models]
    for i, path in enumerate(args.models, 1):
        print(f"{i}  {path.stem}")
    columns = {}
    for condition in ("matched", "unseen"):
        for part in PARTS:
            X, Y = open_speech.load(part, condition, cache=args.cache)
            columns[f"{part} {condition}"] = averages([pipe.predict(X) for pipe in pipes], Y)
    print("SDR, dB " + "".join(f"{name:>14}" for name in columns))
    for which in next(iter(columns.values())):
        name = " + ".join(str(i + 1) for i in which)
        print(f"{name:<8}" + "".join(f"{column[which]:14.2f}" for column in columns.values()))


if __name__ == "__main__":
    main()
