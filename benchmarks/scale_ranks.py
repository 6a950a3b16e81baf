"""Weak scaling of training over the processes of torchrun, and its agreement with one process.

One process fits some recordings, and two processes fit twice as many: each takes batches of the
same size on one thread, so that an epoch takes the same number of steps. They do so in turns; the
ratio of their times is the median of all turns. Then one process fits the same recordings as the
two with batches of the double size. Adam moves a weight whose gradient is zero but for rounding as
far as any other, so that single weights differ more than the models do.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
CHILD = "from benchmarks.scale_ranks_child import main; main()"
SETTINGS = {"n_recordings": 48, "duration": 4.0, "n_components": 100, "max_epochs": 4}
QUICK = {"n_recordings": 4, "duration": 0.5, "n_components": 4, "max_epochs": 1}
MAX_SECONDS = 1800
N_TURNS = 3


def fit(folder, n_ranks, settings):
    """Fit in some processes; return what they measured.

    Parameters
    ----------
    folder : Path
        For the result.
    n_ranks : int
    settings : dict
        Arguments of `scale_ranks_child.fit`.

    Returns
    -------
    facts : dict
        ``epoch`` (seconds), ``loss`` (last one of validation), ``together`` and ``all_reduce``
        (shares of a step), and ``bytes``.
    arrays : dict of ndarray
        Gradients of the first step, and fitted weights.
    """
    path = folder / f"{n_ranks}.npz"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python"]
    launcher = [*launcher, "--nproc-per-node", str(n_ranks)] if n_ranks > 1 else []
    command = [*launcher, sys.executable, "-c", CHILD, str(path), json.dumps(settings)]
    folders = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": folders}
    subprocess.run(command, check=True, env=environment, timeout=MAX_SECONDS)
    with np.load(path) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("facts"))), arrays


def difference(arrays, others, kind, measure=lambda x: np.abs(x).max()):
    """Measure the difference of all arrays of a kind, relative to the arrays themselves."""
    names = [name for name in arrays if name.startswith(kind)]
    x, y = (np.concatenate([each[name].ravel() for name in names]) for each in (arrays, others))
    return f"{measure(x - y) / measure(y):.1e}"


def table(quick=False):
    """Measure and print.

    Parameters
    ----------
    quick : bool, default=False
        Whether to fit a tiny model on tiny data, in seconds.

    Returns
    -------
    table : str
    """
    settings = dict(QUICK if quick else SETTINGS) | {"batch_size": 4 if quick else 16}
    twice = settings | {"n_recordings": 2 * settings["n_recordings"]}
    with tempfile.TemporaryDirectory() as folder:
        ratios = []
        for _ in range(1 if quick else N_TURNS):
            one, _ = fit(Path(folder), 1, settings)
            two, arrays = fit(Path(folder), 2, twice)
            ratios.append(two["epoch"] / one["epoch"])
        double = twice | {"batch_size": 2 * settings["batch_size"]}
        as_two, others = fit(Path(folder), 1, double)
    rows = {
        "time of an epoch, 2 processes with twice the data to 1": statistics.median(ratios),
        "megabytes of gradients": two["bytes"] / 1e6,
        "percent of a step for their all-reduce": 100 * two["all_reduce"],
        "percent with the wait for the slower process": 100 * two["together"],
    }
    rows = {name: f"{value:.2f}" for name, value in rows.items()} | {
        "gradients, 2 processes less 1 with the double batch": difference(arrays, others, "grad"),
        "final weights, the same": difference(arrays, others, "weight"),
        "final weights, root mean square": difference(arrays, others, "weight", np.linalg.norm),
        "final validation loss": f"{abs(two['loss'] / as_two['loss'] - 1):.1e}",
    }
    width = max(map(len, rows))
    head = "Training by torchrun (gloo, one thread each; differences are relative to the largest)"
    return "\n".join([head, *(f"  {name:<{width}}  {value:>8}" for name, value in rows.items())])
