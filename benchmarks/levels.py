"""SDR of recordings louder or quieter than those of training, with and without a running level.

    python -m benchmarks.levels

Generated speech in noise; the test recordings have other speakers than those of training. All
training targets have the same level, as in most corpora. ``level_frames=0`` uses no running level.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.pipeline import make_pipeline

from benchmarks._environment import environment, print_environment
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

GAINS = (-40, -30, -20, -10, -5, 0, 5, 10, 20, 40)


def models(frames, max_epochs, seed):
    """Yield name and separator: sparse NMF and DR-NMF, without and with running levels."""
    for level_frames in (0, *frames):
        settings = {"level_frames": level_frames, "random_state": seed}
        name = f"level_frames={level_frames}"
        yield f"sparse NMF, {name}", SupervisedNMFSeparator(50, **settings)
        settings |= {"max_epochs": max_epochs} | ({} if level_frames else {"gain_db": [0]})
        yield f"DR-NMF, {name}", DRNMFSeparator(2, 50, **settings)


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.levels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--frames", nargs="+", type=int, default=[60, 250, 1000])
    parser.add_argument("--max-epochs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    level = {"level_db": -26}
    X, Y = make_noisy_speech(60, n_speakers=12, random_state=args.seed, **level)
    X_test, Y_test = make_noisy_speech(12, n_speakers=6, random_state=args.seed + 1, **level)
    print(f"{'SDR in dB; gain of the test recordings in dB':<46}", *(f"{g:6d}" for g in GAINS))
    for name, separator in models(args.frames, args.max_epochs, args.seed):
        pipe = make_pipeline(STFT(), separator).fit(X, Y)
        values = []
        for gain in 10 ** (np.array(GAINS) / 20):
            louder = [[gain * x for x in waveforms] for waveforms in (X_test, Y_test)]
            values.append(pipe.score(*louder))
        print(f"{name:<46}", *(f"{value:6.2f}" for value in values), flush=True)


if __name__ == "__main__":
    main()
