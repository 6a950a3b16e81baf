"""The command `score`: measure a saved model on pairs of recordings."""

from __future__ import annotations

import argparse
from pathlib import Path

from sknmf_unfold.metrics import mean_over_active, sdr, si_sdr

from . import _recordings
from ._model_files import load_model


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("score", help="measure a saved model on pairs of recordings")
    sub.add_argument("model", type=Path)
    sub.add_argument("noisy_dir", type=Path)
    sub.add_argument("clean_dir", type=Path)
    sub.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print SDR and SI-SDR before and after separation."""
    pipe = load_model(args.model)
    pairs = _recordings.pair_recordings(args.noisy_dir, args.clean_dir)
    X, Y, failures = _recordings.read_pairs(pairs, pipe[0].sample_rate)
    if not X:
        _recordings.refuse_failures(failures)
    estimates = pipe.predict(X)
    print(f"{len(X)} recordings {'noisy':>10} {'separated':>12} {'improvement':>13}")
    for name, metric in (("SDR", sdr), ("SI-SDR", si_sdr)):
        before, after = (mean_over_active(metric(Y, signals)) for signals in (X, estimates))
        print(f"{name:<8} {before:>12.2f} dB {after:>9.2f} dB {after - before:>10.2f} dB")
    _recordings.finish(failures, len(X))
