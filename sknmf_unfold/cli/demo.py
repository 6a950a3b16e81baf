"""The command `demo`: train on synthetic speech in noise, separate held-out speakers."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.datasets import make_noisy_speech, save_audio
from sknmf_unfold.metrics import sdr
from sknmf_unfold.plotting import SeparationDisplay
from sknmf_unfold.plotting._figures import require_matplotlib

from ._outputs import check_output_folder
from ._pictures import new_panels

N_COMPONENTS = 50


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("demo", help="train on synthetic speech, separate held-out speakers")
    results = Path("sknmf_unfold_demo")
    sub.add_argument("-o", "--output", type=Path, default=results, help="folder for the results")
    sub.add_argument("--seed", type=int, default=0)
    sub.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the demonstration."""
    check_output_folder(args.output)
    run_demo(args.output, args.seed)


def run_demo(
    folder: str | Path, seed: int = 0, n_train: int = 60, max_epochs: int = 25
) -> dict[str, float]:
    """Train both separators, print a table of SDR, write WAV files and a figure.

    Parameters
    ----------
    folder : str or Path
        Folder for the files, created if needed.
    seed : int, default=0
        Seed of the corpus and of training.
    n_train : int, default=60
        Number of training mixtures of 3 s.
    max_epochs : int, default=25
        Training epochs of DR-NMF.

    Returns
    -------
    means : dict of float
        Mean SDR in dB on held-out speakers: ``"noisy mixture"``, ``"sparse NMF"``, ``"DR-NMF"``.
    """
    require_matplotlib()
    # Another seed generates other speakers: no speaker of the test is in the training data.
    X, Y = make_noisy_speech(n_train, n_speakers=12, random_state=seed)
    X_test, Y_test = make_noisy_speech(12, n_speakers=6, random_state=seed + 1)
    models = _fit_models(X, Y, seed, max_epochs)
    results: dict[str, tuple[Any, float]] = {"noisy mixture": (X_test, 0.0)}
    for name, (pipe, seconds) in models.items():
        results[name] = (pipe.predict(X_test), seconds)
    values = {name: sdr(Y_test, estimates) for name, (estimates, _) in results.items()}
    _print_table(values, {name: seconds for name, (_, seconds) in results.items()})
    _write_files(Path(folder), X_test, Y_test, {name: models[name][0] for name in models})
    return {name: float(np.mean(value)) for name, value in values.items()}


def _fit_models(X, Y, seed, max_epochs):
    """Return fitted pipelines by name, each with the seconds of its fit."""
    nmf = SupervisedNMFSeparator(N_COMPONENTS, max_iter=100, random_state=seed, verbose=1)
    nmf_pipe, nmf_seconds = _timed_fit(make_pipeline(STFT(), nmf), X, Y)
    drnmf = DRNMFSeparator(
        n_components=N_COMPONENTS,
        nmf=FrozenEstimator(nmf),
        max_epochs=max_epochs,
        random_state=seed,
        verbose=1,
    )
    drnmf_pipe, seconds = _timed_fit(Pipeline([("stft", STFT()), ("sep", drnmf)]), X, Y)
    return {"sparse NMF": (nmf_pipe, nmf_seconds), "DR-NMF": (drnmf_pipe, nmf_seconds + seconds)}


def _timed_fit(pipe: BaseEstimator, X: list, Y: list) -> tuple[Any, float]:
    start = time.perf_counter()
    return pipe.fit(X, Y), time.perf_counter() - start


def _print_table(values, seconds):
    print(f"\n{'held-out speakers':<18} {'SDR':>8} {'improvement':>13} {'training':>10}")
    for name, value in values.items():
        gain = np.mean(value - values["noisy mixture"])
        row = f"{name:<18} {np.mean(value):>5.2f} dB"
        if name != "noisy mixture":
            row += f" {gain:>10.2f} dB {seconds[name]:>8.1f} s"
        print(row)


def _write_files(folder, X, Y, pipes, n_files=3):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n_files):
        save_audio(folder / f"{i}_noisy.wav", X[i])
        save_audio(folder / f"{i}_clean.wav", Y[i])
        for name, pipe in pipes.items():
            kind = name.lower().replace(" ", "_").replace("-", "")
            save_audio(folder / f"{i}_{kind}.wav", pipe.predict([X[i]])[0])
    display = SeparationDisplay.from_estimator(pipes["DR-NMF"], X[0], Y[0], ax=new_panels(4))
    with replacing(folder / "separation.png") as unfinished:
        display.figure_.savefig(unfinished, dpi=120)
    print(f"\nAudio and separation.png are in {folder.resolve()}")
