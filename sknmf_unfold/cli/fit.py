"""The command `fit`: train on a folder of noisy and one of clean recordings."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.validation.parameters import check_sample_rate

from . import _recordings
from ._model_files import check_model_output, save_model, save_unfinished
from ._recordings import say


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("fit", help="train on a folder of noisy and one of clean recordings")
    sub.add_argument("noisy_dir", type=Path)
    sub.add_argument("clean_dir", type=Path)
    sub.add_argument("-o", "--output", type=Path, default=Path("model.joblib"))
    sub.add_argument("--model", choices=["drnmf", "nmf"], default="drnmf")
    sub.add_argument("--layers", type=int, default=2, help="ISTA iterations per frame (K)")
    sub.add_argument("--components", type=int, default=100, help="for each of the two sources")
    sub.add_argument("--max-epochs", type=int, default=None)
    sub.add_argument("--recipe", choices=["default", "paper"], default="default")
    remix = "remix the recordings every epoch (default: as the recipe says)"
    sub.add_argument("--remix", action=argparse.BooleanOptionalAction, default=None, help=remix)
    gain = "lowest and highest gain in dB of a remixed recording (default: -24 12)"
    bounds = ("LOWEST", "HIGHEST")
    sub.add_argument("--gain-db", type=float, nargs=2, metavar=bounds, default=None, help=gain)
    level = "frames of the running level that normalises each frame; 0 for none (default: 250)"
    sub.add_argument("--level-frames", type=int, default=None, help=level)
    sub.add_argument("--sample-rate", type=int, default=16000, help="Hz; files are resampled to it")
    sub.add_argument("--device", default="auto")
    sub.add_argument("--seed", type=int, default=0)
    sub.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Fit a pipeline on two folders and save it."""
    check_model_output(args.output)
    check_sample_rate(args.sample_rate)
    pairs = _recordings.pair_recordings(args.noisy_dir, args.clean_dir)
    X, Y, failures = _recordings.read_pairs(pairs, args.sample_rate)
    _recordings.refuse_failures(failures)
    _recordings.refuse_equal(X, Y, pairs)
    stft = STFT(sample_rate=args.sample_rate)
    pipe = Pipeline([("stft", stft), ("sep", _make_separator(args))])
    try:
        pipe.fit(X, Y)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(save_unfinished(pipe, args.output)) from error
    save_model(pipe, args.output)
    say(f"Fitted on {len(X)} recordings; the model is in {args.output}")


def _make_separator(args: argparse.Namespace) -> SupervisedNMFSeparator | DRNMFSeparator:
    settings = {"n_components": args.components, "random_state": args.seed, "verbose": 1}
    if args.model == "nmf":
        if args.level_frames is not None:
            settings["level_frames"] = args.level_frames
        return SupervisedNMFSeparator(**settings)
    names = ("max_epochs", "recipe", "remix", "gain_db", "level_frames", "device")
    training: dict = {name: getattr(args, name) for name in names}
    if args.gain_db is not None:
        training["gain_db"] = decibels_between(*args.gain_db)
    return DRNMFSeparator(args.layers, **settings, **training)


def decibels_between(lowest: float, highest: float) -> list[float]:
    """List gains from `lowest` to `highest`, at most one decibel apart.

    Examples
    --------
    >>> decibels_between(-1, 1)
    [-1.0, 0.0, 1.0]
    """
    return np.linspace(lowest, highest, math.ceil(abs(highest - lowest)) + 1).tolist()
