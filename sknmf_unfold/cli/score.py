"""The command `score`: measure a model on pairs of recordings."""

from __future__ import annotations

import argparse
from pathlib import Path

from sknmf_unfold.metrics import mean_over_active, sdr, si_sdr

from . import _recordings
from ._folders import pair_recordings
from ._model_files import resolve_model
from .separate import add_model_arguments


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("score", help="measure a model on pairs of recordings")
    places = {"type": Path, "nargs": "+", "action": "extend", "metavar": "PATH", "required": True}
    sub.add_argument("--noisy", **places, help="files or folders, searched with their subfolders")
    sub.add_argument("--clean", **places, help="files or folders of the same names")
    add_model_arguments(sub)
    sub.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print SDR and SI-SDR before and after separation."""
    pipe = resolve_model(args.model, args.trust_pickle)
    pairs = pair_recordings(args.noisy, args.clean)
    X, Y, failures = _recordings.read_pairs(list(pairs.values()), pipe[0].sample_rate)
    if not X:
        _recordings.refuse_failures(failures)
    estimates = pipe.predict(X)
    print(f"{len(X)} recordings {'noisy':>10} {'separated':>12} {'improvement':>13}")
    for name, metric in (("SDR", sdr), ("SI-SDR", si_sdr)):
        before, after = (mean_over_active(metric(Y, signals)) for signals in (X, estimates))
        print(f"{name:<8} {before:>12.2f} dB {after:>9.2f} dB {after - before:>10.2f} dB")
    _recordings.finish(failures, len(X))
