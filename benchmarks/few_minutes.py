"""Three minutes of one's own recordings: a shipped model as it is, trained on, and from nothing.

    python -m benchmarks.few_minutes

Three cases, each in one room. ``voice``: a voice, and music that plays beside it. ``effects``: the
same voice beside effects of games. ``music``: the music is the target, and the voice is in the way,
for which no pretrained denoiser is made. Everything is from the test part of the corpus, which the
shipped models never heard. Up to three minutes of target and of interference are for training (the
last fifth to choose the epoch), as much is mixed for the test. SNRs are from -5 to 10 dB.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.stats import uniform
from sklearn.base import clone

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks._results import FOLDER, add_row
from sknmf_unfold import SupervisedNMFSeparator
from sknmf_unfold.datasets import MixtureDataset, load_pretrained
from sknmf_unfold.metrics import sdr

RATE, SECONDS, PIECE_SECONDS = 16000, 180, 5
VALIDATION_SHARE, SNR_DB, ROOM = 0.2, uniform(-5, 15), 0
# Case: target and interference.
CASES = {
    "voice": ("speech-stamps-el", "music-test-unseen"),
    "effects": ("speech-stamps-el", "effects-test-unseen"),
    "music": ("music-test-unseen", "speech-stamps-el"),
}
# Of the training from nothing, and of the one from a shipped model: an epoch has five minutes.
EPOCH_MIXTURES, SPEEDS = 60, uniform(0.8, 0.45)
FROM_NOTHING = {"max_epochs": 30, "patience": 10}
FROM_SHIPPED = {"max_epochs": 15, "patience": 5, "learning_rate": 5e-4}
KEY = ("case", "system", "seed")


def read(name, cache):
    """Read a track of the corpus and divide it into two parts: training and test."""
    track = np.load(open_speech.cache_folder(cache) / f"{name}.npy", mmap_mode="r")
    half = min(SECONDS * RATE, len(track) // 2)
    parts = np.split(np.array(track[: 2 * half], np.float32) / 32767, 2)
    return [np.array_split(part, len(part) // (PIECE_SECONDS * RATE)) for part in parts]


def make_data(case, cache, seed):
    """Make the mixtures of a case.

    Parameters
    ----------
    case : str
        Key of `CASES`.
    cache : Path or None
        Folder of the corpus.
    seed : int
        Draws the mixtures.

    Returns
    -------
    dataset : MixtureDataset
        Of training.
    validation, test : tuple of list
        X and Y.
    """
    room = [open_speech.rooms(cache)["test"][ROOM]]
    (targets, new_targets), (noise, new_noise) = (read(name, cache) for name in CASES[case])

    def mixtures(own, other, **settings):
        conditions = {"snr_db": SNR_DB, "rooms": room, "room_fraction": 1.0, "random_state": seed}
        return MixtureDataset(own, other, **conditions, **settings)

    n, m = (round((1 - VALIDATION_SHARE) * len(pieces)) for pieces in (targets, noise))
    varied = {"speed_factors": SPEEDS, "n_mixtures": EPOCH_MIXTURES}
    training = mixtures(targets[:n], noise[:m], **varied)
    return (
        training,
        mixtures(targets[n:], noise[m:]).draw(),
        mixtures(new_targets, new_noise).draw(),
    )


def fit_network(pipe, data, settings):
    """Train a pipeline on mixtures drawn anew in every epoch."""
    dataset, validation, _ = data
    pipe.set_params(**{f"{pipe.steps[-1][0]}__{name}": x for name, x in settings.items()})
    further = {"validation_data": validation, "training_mixtures": dataset}
    return pipe.fit(*dataset.draw(), **{f"{pipe.steps[-1][0]}__{k}": v for k, v in further.items()})


def fit_nmf(shipped, data, seed):
    """Fit supervised sparse NMF."""
    pipe = clone(shipped).set_params(sep=SupervisedNMFSeparator(100, random_state=seed))
    return pipe.fit(*data[0].draw())


def systems(name, data, seed):
    """Yield the name of each system and its pipeline, fitted."""
    shipped = load_pretrained(name)
    yield "sparse NMF", fit_nmf(shipped, data, seed)
    yield "as shipped", shipped
    again = load_pretrained(name)
    settings = {"warm_start": True, "random_state": seed, "verbose": 0, "checkpoint_dir": None}
    yield "shipped, trained on", fit_network(again, data, settings | FROM_SHIPPED)
    settings["warm_start"] = False
    yield "from nothing", fit_network(clone(shipped), data, settings | FROM_NOTHING)


def main(arguments=None):
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.few_minutes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--model", default="speech", help="shipped model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    parser.add_argument("--results", type=Path, default=FOLDER / "few_minutes.jsonl")
    args = parser.parse_args(arguments)
    facts = environment(args.seed)
    print_environment(facts)
    for case in args.cases:
        data = make_data(case, args.cache, args.seed)
        X, Y = data[-1]
        noisy = float(np.mean(sdr(Y, X)))
        print(f"{case}: noisy SDR {noisy:.2f} dB")
        start = time.perf_counter()
        for name, pipe in systems(args.model, data, args.seed):
            seconds, value = time.perf_counter() - start, float(np.mean(sdr(Y, pipe.predict(X))))
            print(f"{case}: {name} SDR {value:.2f} dB after {seconds:.0f} s", flush=True)
            row = {"case": case, "system": name, "seed": args.seed, "SDR": value}
            row |= {"noisy": noisy, "seconds": seconds, "environment": facts}
            add_row(args.results, row, KEY)
            start = time.perf_counter()


if __name__ == "__main__":
    main()
