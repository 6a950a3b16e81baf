"""The command `score`: measure a model on pairs of recordings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sknmf_unfold.metrics import mean_over_active, sdr, si_sdr

from . import _recordings
from ._bars import terminal_bar
from ._model_files import resolve_model
from ._pairs import COLUMNS, add_manifest, check_columns, find_pairs
from .separate import add_model_arguments

METRICS = {"SDR": sdr, "SI-SDR": si_sdr}
# Short recordings are separated together, up to this duration: enough for fast matrix products.
CHUNK_SECONDS = 60


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("score", help="measure a model on pairs of recordings")
    places = {"type": Path, "nargs": "+", "action": "extend", "metavar": "PATH", "default": []}
    sub.add_argument("--noisy", **places, help="files or folders, searched with their subfolders")
    sub.add_argument("--clean", **places, help="files or folders of the same names")
    add_manifest(sub, COLUMNS[:2])
    add_model_arguments(sub)
    sub.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print SDR and SI-SDR before and after separation."""
    _check_kinds(args)
    pipe = resolve_model(args.model, args.trust_pickle)
    pairs = find_pairs(args, COLUMNS[:2]).paths
    failures: list[str] = []
    scores = _measure(pipe, pairs, failures)
    n_done = scores.shape[-1]
    if not n_done:
        _recordings.refuse_failures(failures)
    print(f"{n_done} recordings {'noisy':>10} {'separated':>12} {'improvement':>13}")
    for name, values in zip(METRICS, scores, strict=True):
        before, after = map(mean_over_active, values)
        print(f"{name:<8} {before:>12.2f} dB {after:>9.2f} dB {after - before:>10.2f} dB")
    _recordings.finish(failures, n_done)


def _check_kinds(args):
    """Raise unless the options name pairs, in one way."""
    folders = bool(args.noisy), bool(args.clean)
    if any(folders) != all(folders) or any(folders) == (args.manifest is not None):
        raise ValueError("Pass --noisy and --clean, or --manifest, a table of pairs.")
    check_columns(args)


def _measure(pipe: Pipeline, pairs: list[tuple[Path, Path]], failures: list[str]) -> np.ndarray:
    """Measure recordings before and after separation: (metric, before and after, recording)."""
    scores = [np.empty((len(METRICS), 2, 0))]
    with terminal_bar(len(pairs), "score") as bar:
        for X, Y in _chunks(pairs, pipe[0].sample_rate, failures, bar):
            signals = X, pipe.predict(X)
            scores.append(np.array([[of(Y, each) for each in signals] for of in METRICS.values()]))
    return np.concatenate(scores, axis=-1)


def _chunks(
    pairs: list[tuple[Path, Path]], sample_rate: int, failures: list[str], bar: Any
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Read pairs, and yield those of about `CHUNK_SECONDS` at a time."""
    X: list[np.ndarray] = []
    Y: list[np.ndarray] = []
    for paths in pairs:
        pair = _recordings.read_together(paths, sample_rate, failures)
        if pair is not None:
            X.append(pair[0])
            Y.append(pair[1])
        if sum(map(len, X)) >= CHUNK_SECONDS * sample_rate:
            yield X, Y
            X, Y = [], []
        bar.update()
    if X:
        yield X, Y
