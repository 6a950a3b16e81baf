"""Training of the models that the package carries, on the open speech corpus.

    python -m benchmarks.open_speech                    # builds the corpus
    python -m benchmarks.pretrain speech                # trains a model and stores it
    python -m benchmarks.pretrain speech-low-latency

Mixtures are drawn every epoch from all clean speech and interference of the training part, with
recording conditions: levels, rooms, equalisers, band limits, rumble and hiss. Training stops on the
loss of the part ``dev`` under the condition ``wild``. After a kill the same command resumes from
the last epoch; Ctrl-C stores the best epoch so far. On one machine with one set of versions it
stores the same bytes again. The scores of dev that it prints at the end are those of the stored
file, whose weights are rounded to half precision.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks.denoisers_measures import means, quality
from benchmarks.open_speech_build import ROOM_SHARE
from benchmarks.table1 import parse_setting, split_settings
from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.base.model_files import load_model, store_pretrained
from sknmf_unfold.datasets import MixtureDataset
from sknmf_unfold.datasets.pretrained import write_checksums
from sknmf_unfold.metrics import sdr

FOLDER = Path(__file__).parents[1] / "sknmf_unfold/datasets/pretrained"
SEED = 0
# Cut-off frequency in Hz of the high-pass, which removes offsets. It is so low because the filter
# shifts phases above it too: of clean speech the SI-SDR would be 10 dB at 50 Hz, and is 24 dB.
HIGHPASS_HZ = 10
# Mixtures of an epoch, about four hours, and those that the dictionaries are learned from.
EPOCH_MIXTURES, START_MIXTURES = 2880, 480
SHARED = {
    "n_layers": 2,
    "n_components": 100,
    "n_gru_units": 256,
    "sequence_length": 125,
    "level_frames": 125,
    "loss": "snr_compressed",
    "learning_rate": 1e-2,
    "patience": 12,
}
# Of the separator and the STFT.
MODELS = {
    "speech": {
        "n_fft": 1024,
        "hop_length": 256,
        "max_epochs": 18,
    },
    # The window and hop with which sherpa-onnx can run the exported model.
    "speech-low-latency": {
        "n_fft": 512,
        "hop_length": 256,
        "max_epochs": 22,
    },
}


def training_mixtures(cache=None):
    """Make the dataset that training draws from."""
    clean, interference = open_speech.load_sources(cache)
    rooms = open_speech.rooms(cache)["train"]
    return MixtureDataset(
        clean,
        interference,
        rooms=rooms,
        room_fraction=ROOM_SHARE,
        n_mixtures=EPOCH_MIXTURES,
        random_state=SEED,
        **open_speech.CONDITIONS_OF_TRAINING,
    )


def make_pipeline_of(name, settings, checkpoints):
    """Make the unfitted pipeline of a model.

    Parameters
    ----------
    name : str
        Key of `MODELS`.
    settings : dict
        Replaces parameters of separator and STFT.
    checkpoints : Path

    Returns
    -------
    pipe : Pipeline
    """
    stft, network = split_settings(MODELS[name] | SHARED | settings)
    separator = DRNMFSeparator(**network, checkpoint_dir=checkpoints, random_state=SEED, verbose=1)
    return Pipeline([("stft", STFT(**stft, highpass=HIGHPASS_HZ)), ("sep", separator)])


def train(name, args):
    """Train a model and return its pipeline."""
    dataset = training_mixtures(args.cache)
    start = [list(part) for part in zip(*_first(dataset, START_MIXTURES), strict=True)]
    dev = open_speech.load("dev", "wild", cache=args.cache)
    args.checkpoints.mkdir(parents=True, exist_ok=True)
    pipe = make_pipeline_of(name, dict(args.set), args.checkpoints)
    try:
        pipe.fit(*start, sep__validation_data=dev, sep__training_mixtures=dataset)
    except KeyboardInterrupt:
        # The best weights so far are those of a training of so many epochs, if one is over.
        if not hasattr(pipe["sep"], "history_"):
            raise
    return pipe


def _first(dataset, n_mixtures):
    """Draw the first mixtures of an epoch that training does not have."""
    return list(dataset.mixtures(0, range(min(n_mixtures, len(dataset)))))


def print_scores(pipe, path, cache):
    """Print the quality of the mixtures and of the stored model, by condition of dev."""
    stored = load_model(path)
    for condition in open_speech.CONDITIONS:
        X, Y = open_speech.load("dev", condition, cache=cache)
        estimates = stored.predict(X)
        for name, signals in {"mixtures": X, "results": estimates}.items():
            scores = means(quality(signals, Y), np.full(len(Y), True))
            del scores["recordings"]
            shown = ", ".join(f"{key} {value:.3f}" for key, value in scores.items())
            print(f"dev, {condition}, {name}: {shown}", flush=True)
        loss = float(np.mean(sdr(Y, pipe.predict(X)) - sdr(Y, estimates)))
        print(f"dev, {condition}: rounding costs {loss:.4f} dB of SDR", flush=True)


def main(arguments=None):
    """Parse the command line, train and store."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pretrain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--set", nargs="+", type=parse_setting, default=[], metavar="NAME=VALUE")
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the model")
    args = parser.parse_args(arguments)
    print_environment(environment(SEED))
    pipe = train(args.model, args)
    history = pipe["sep"].history_
    print(f"{args.model}: best epoch {pipe['sep'].best_epoch_} of {history['epoch'][-1]}")
    path = args.output / f"{args.model}.skops"
    digest = store_pretrained(pipe, path)
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 {digest}")
    if args.output == FOLDER:
        write_checksums()
    print_scores(pipe, path, args.cache)


if __name__ == "__main__":
    main()
