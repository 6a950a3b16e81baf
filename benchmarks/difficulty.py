"""Errors of a trained separator by the kind of interference and by the part of the model.

    python -m benchmarks.table1 --models drnmf-2x200+ --keep models
    python -m benchmarks.difficulty models/tenth_drnmf-2x200+_default_seed0.joblib

The first table has the gain in SDR by the kinds of interference in a mixture, beside that of the
ideal Wiener filter. The second one has the gain with perfect inference: the output dictionaries of
the network are fitted to the magnitudes of the known target and of the known interference, and the
mask is computed from both fits. The gap between it and the ideal filter is the error of the
dictionaries, the gap between it and the model that of the inference. The third table, with
``--nmf``, has random pairs of targets and interference from the training and the development set;
the gain over a sparse NMF shows how well the model generalises to other voices and other sounds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import joblib
import numpy as np

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks.table1 import by_known_sources
from sknmf_unfold.datasets import mix_at_snr
from sknmf_unfold.metrics import sdr
from sknmf_unfold.nmf.mu_inference import infer_activations

KINDS = ("ambience", "effects", "music", "people")
UPDATES = 60


def explain(magnitude, components):
    """Fit activations by multiplicative updates for the KL divergence; return their product."""
    settings = {"beta": 1, "sparsity": 0, "n_iter": UPDATES}
    return infer_activations(magnitude, components, **settings) @ components


def with_known_sources(stft, X, Y, estimate):
    """Separate by the Wiener filter of ``estimate(magnitude, source)`` for each source."""
    return by_known_sources(stft, X, Y, lambda magnitude, i: estimate(magnitude, i) ** 2)


def gains(estimates, X, Y):
    """Compute the SDR improvement of every recording in dB."""
    return np.asarray(sdr(Y, estimates)) - np.asarray(sdr(Y, X))


def print_kinds(gain, ideal, entries):
    """Print gains by the kinds of interference in a mixture, alone and among others."""
    kinds = [{kind for kind, _, _ in entry["segments"]} for entry in entries]
    print(f"{'interference':<24}{'mixtures':>9}{'gain':>8}{'ideal':>8}  dB")
    for name, is_in in (
        *((f"{kind} alone", lambda k, kind=kind: k == {kind}) for kind in KINDS),
        *(
            (f"{kind} among others", lambda k, kind=kind: kind in k and len(k) > 1)
            for kind in KINDS
        ),
    ):
        chosen = np.array([is_in(k) for k in kinds])
        if chosen.any():
            means = gain[chosen].mean(), ideal[chosen].mean()
            print(f"{name:<24}{chosen.sum():>9}" + "".join(f"{mean:8.2f}" for mean in means))


def random_pairs(targets, mixtures, n_pairs, seed):
    """Mix targets with the interference of other mixtures; return lists X and Y."""
    rng = np.random.RandomState(seed)
    X, Y = [], []
    for i in range(n_pairs):
        clean = targets[1][rng.randint(len(targets[1]))]
        j = rng.randint(len(mixtures[0]))
        rest = np.resize(mixtures[0][j] - mixtures[1][j], len(clean))
        X.append(mix_at_snr(clean, rest, (-6, -3, 0, 3, 6, 9)[i % 6]))
        Y.append(clean)
    return X, Y


def print_transfer(pipe, nmf, train, dev, n_pairs, seed):
    """Print gains for voices and interference of the training and the development set."""
    print(f"{'voices':<8}{'interference':<14}{'gain':>8}{'sparse NMF':>12}{'beyond it':>11}  dB")
    for voices, targets in (("train", train), ("dev", dev)):
        for sounds, mixtures in (("train", train), ("dev", dev)):
            X, Y = random_pairs(targets, mixtures, n_pairs, seed)
            one, other = (gains(model.predict(X), X, Y).mean() for model in (pipe, nmf))
            print(f"{voices:<8}{sounds:<14}{one:8.2f}{other:12.2f}{one - other:11.2f}", flush=True)


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.difficulty",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="pipeline of an STFT and a DRNMFSeparator")
    parser.add_argument("--nmf", type=Path, default=None, help="pipeline with a sparse NMF")
    parser.add_argument("--every", type=int, default=6, help="explain one of so many recordings")
    parser.add_argument("--pairs", type=int, default=200, help="pairs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="seed of the pairs")
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    X, Y, entries = open_speech.load("dev", cache=args.cache, return_entries=True)
    pipe = joblib.load(args.model)
    stft, dictionaries = pipe[0], np.split(pipe[-1].output_components_, 2)

    gain = gains(pipe.predict(X), X, Y)
    ideal = gains(with_known_sources(stft, X, Y, lambda magnitude, _: magnitude), X, Y)
    print_kinds(gain, ideal, entries)
    few = X[:: args.every], Y[:: args.every]
    explained = with_known_sources(stft, *few, lambda x, i: explain(x, dictionaries[i]))
    print(f"gain on {len(few[0])} recordings, dB")
    for name, values in (
        ("the model", gain[:: args.every]),
        ("its dictionaries, inference perfect", gains(explained, *few)),
        ("Wiener filter, sources known", ideal[:: args.every]),
    ):
        print(f"{name:<40}{values.mean():8.2f}")
    if args.nmf is not None:
        train = open_speech.load("tenth", cache=args.cache)
        print_transfer(pipe, joblib.load(args.nmf), train, (X, Y), args.pairs, args.seed)


if __name__ == "__main__":
    main()
