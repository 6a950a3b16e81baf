"""The command `fit`: train on pairs of noisy and clean recordings, or on voices and noise."""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.pipeline import Pipeline

from sknmf_unfold.metrics import mean_over_active, sdr
from sknmf_unfold.validation.parameters import check_number, check_sample_rate

from ._model_files import check_model_output, save_model, save_unfinished
from ._pairs import COLUMNS, add_manifest, check_columns, find_pairs
from ._pipelines import ESTIMATORS, new_pipeline, started_pipeline
from ._recordings import say
from ._settings import merge_options, parse_settings
from ._training_data import (
    Split,
    TrainingData,
    condition_names,
    read_clean_and_noise,
    read_pairs,
)

ABOUT = """\
Train a model. The recordings are either pairs (--noisy and --clean), where files of one name below
the folders belong together, or clean recordings and noise (--clean and --noise), which are mixed
at random in every epoch. Folders are searched with their subfolders. A table of pairs (--manifest)
has a row for each pair. At least a tenth of the recordings is held out to choose the best epoch:
whole groups of the table, or else whole subfolders (speakers) if they suit.

Pairs, clean recordings or noise of more than 1 GiB of samples (4.7 hours at 16 kHz) are not kept in
memory, but read from their files whenever training needs them.
"""
EPILOG = """\
examples:
  sknmf-unfold fit --clean voices/ --noise noises/ -o model.skops
  sknmf-unfold fit --noisy noisy/ --clean clean/ --set n_gru_units=128 n_fft=1024
  sknmf-unfold fit --manifest pairs.csv --columns noisy clean speaker
  sknmf-unfold fit --clean mine/ --noise room.wav --start-from speech --max-epochs 10
"""


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser(
        "fit",
        help="train on your own recordings",
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_recordings(sub)
    _add_model(sub)
    sub.set_defaults(run=run)


def _add_recordings(sub):
    places = {"type": Path, "nargs": "+", "action": "extend", "metavar": "PATH", "default": []}
    sub.add_argument("--clean", **places, help="files or folders of clean recordings")
    sub.add_argument("--noisy", **places, help="files or folders of the same, noisy")
    sub.add_argument("--noise", **places, help="files or folders of noise alone")
    rooms = "impulse responses of rooms, for --noise (default: none)"
    sub.add_argument("--rooms", **places, help=rooms)
    add_manifest(sub, COLUMNS)
    skip = "leave out recordings that cannot be read, and list them (default: end with an error)"
    sub.add_argument("--skip-unreadable", action="store_true", help=skip)
    rate = "files are resampled to it (default: 16000, or that of --start-from)"
    sub.add_argument("--sample-rate", type=int, metavar="HZ", default=None, help=rate)


def _add_model(sub):
    sub.add_argument("-o", "--output", type=Path, default=Path("model.skops"), help="model file")
    kinds = "deep recurrent NMF (the default) or supervised sparse NMF"
    sub.add_argument("--estimator", choices=list(ESTIMATORS), default=None, help=kinds)
    start = "train on from a shipped model or a model file"
    sub.add_argument("--start-from", metavar="NAME_OR_FILE", default=None, help=start)
    trust = "let --start-from read a pickle, which can run any code"
    sub.add_argument("--trust-pickle", action="store_true", help=trust)
    sub.add_argument("--max-epochs", type=int, metavar="N", default=None)
    sub.add_argument("--seed", type=int, default=0, help="of all random choices (default: 0)")
    checkpoints = "folder for checkpoints: the same command resumes a training that was ended"
    sub.add_argument("--checkpoints", type=Path, metavar="DIR", default=None, help=checkpoints)
    settings = (
        "any parameter of DRNMFSeparator (or SupervisedNMFSeparator), STFT and, with --noise, "
        "MixtureDataset, such as n_gru_units=128 n_fft=1024 'snr_db=[0, 5, 10]'"
    )
    sub.add_argument(
        "--set", nargs="+", action="extend", metavar="NAME=VALUE", default=[], help=settings
    )


def run(args: argparse.Namespace) -> None:
    """Train a pipeline on recordings and save it."""
    check_model_output(args.output)
    _check_kinds(args)
    pipe, conditions = _make_pipeline(args)
    rate = check_sample_rate(pipe[0].sample_rate)
    split = Split(_validation_fraction(pipe), _seed(pipe), rate, args.skip_unreadable)
    if args.noise:
        data = read_clean_and_noise(args.clean, args.noise, args.rooms, conditions, split)
    else:
        data = read_pairs(find_pairs(args, COLUMNS), split)
    _train(pipe, data, args.output)
    save_model(pipe, args.output)
    say(f"Trained on {data.description}; the model is in {args.output}")
    if data.validation is not None:
        _report(pipe, *data.validation)


def _check_kinds(args):
    """Raise unless the options say which recordings belong together."""
    given = {name for name in ("noisy", "clean", "noise", "manifest") if getattr(args, name)}
    if given not in ({"noisy", "clean"}, {"clean", "noise"}, {"manifest"}):
        raise ValueError(
            "Pass --noisy and --clean for pairs of recordings, --manifest for a table of them, or "
            "--clean and --noise for clean recordings and noise to mix."
        )
    check_columns(args)
    if args.rooms and not args.noise:
        raise ValueError("--rooms is for clean recordings that are mixed with --noise.")
    if args.start_from and args.estimator:
        raise ValueError("--start-from has its own estimator; leave --estimator out.")


def _make_pipeline(args):
    """Make the pipeline of the options; return it and the conditions of mixtures."""
    options = {
        "max_epochs": ("--max-epochs", args.max_epochs),
        "sample_rate": ("--sample-rate", args.sample_rate),
        "checkpoint_dir": ("--checkpoints", args.checkpoints),
    }
    settings = {"random_state": args.seed} | parse_settings(args.set)
    settings = merge_options(settings, options)
    names = condition_names() if args.noise else ()
    if args.start_from:
        return started_pipeline(args.start_from, args.trust_pickle, settings, names)
    return new_pipeline(args.estimator or "drnmf", settings, names)


def _validation_fraction(pipe):
    fraction = pipe[-1].get_params(deep=False).get("validation_fraction", 0.1)
    return check_number("validation_fraction", fraction, low=0, high=0.9, open_low=True)


def _seed(pipe):
    seed = pipe[-1].random_state
    return check_number("random_state", seed, low=0, high=2**32 - 1, integer=True)


def _train(pipe: Pipeline, data: TrainingData, path: Path) -> None:
    """Fit a pipeline; save the best model so far if that is interrupted."""
    name, separator = pipe.steps[-1]
    # Only these are trained epoch by epoch.
    is_trained = "warm_start" in separator.get_params(deep=False)
    given = {"validation_data": data.validation, "training_mixtures": data.mixtures}
    further = {k: v for k, v in given.items() if is_trained and v is not None}
    before = getattr(separator, "history_", None)
    try:
        pipe.fit(*data.training, **{f"{name}__{k}": v for k, v in further.items()})
    except KeyboardInterrupt as error:
        if before is not None and separator.history_ is before:
            message = f"Interrupted before the first epoch; nothing was written to {path}"
        else:
            message = save_unfinished(pipe, path)
        raise KeyboardInterrupt(message) from error


def _report(pipe, X, y):
    """Print the SDR of the recordings that were held out, before and after."""
    before, after = (mean_over_active(sdr(y, signals)) for signals in (X, pipe.predict(X)))
    say(
        f"SDR of {len(X)} recordings held out: {before:.2f} dB before, {after:.2f} dB after "
        f"separation"
    )
