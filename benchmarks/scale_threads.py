"""Threads in workers: one, two and four workers on the cores of this machine."""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from unittest import mock

import joblib
import numpy as np
from sklearn.base import clone

from benchmarks._dask import cluster_of
from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.base import thread_shares
from sknmf_unfold.datasets import make_noisy_speech

WORKS = ("training", "predict", "NMF")


def table(quick=False):
    """Measure the work that several workers do in the time that one takes for its own.

    Parameters
    ----------
    quick : bool, default=False
        Whether to do little work, with workers in this process.

    Returns
    -------
    table : str
    """
    engines = {
        "loky": _loky,
        "Dask, processes": functools.partial(_dask, True),
        "Dask, in one process": functools.partial(_dask, False),
        "  each task with all threads": _dask_with_all_threads,
    }
    if quick:
        engines = dict(list(engines.items())[2:])
    numbers = [2] if quick else [2, 4]
    ideal = [min(n, joblib.cpu_count()) for n in numbers]
    lines = [
        f"work done by n workers at once to that of one alone, {joblib.cpu_count()} cores",
        f"  {'n':48s}" + "".join(f"{n:8d}" for n in numbers),
        f"  {'at best':48s}" + "".join(f"{n:8.2f}" for n in ideal),
    ]
    for name, engine in engines.items():
        for work in WORKS:
            gains = [_gain(engine, work, n, quick) for n in numbers]
            lines.append(f"  {name + ', ' + work:48s}" + "".join(f"{x:8.2f}" for x in gains))
    return "\n".join(lines)


def _gain(engine, work, n_workers, quick):
    with engine(n_workers) as run:
        task = functools.partial(seconds_of, work, quick)
        # Workers load what they need, and their data.
        run([task] * n_workers)
        gains = []
        for _ in range(1 if quick else 2):
            alone = run([task])[0]
            gains.append(n_workers * alone / max(run([task] * n_workers)))
    return statistics.median(gains)


@contextlib.contextmanager
def _loky(n_workers):
    with joblib.Parallel(n_workers, backend="loky") as parallel:
        yield lambda tasks: parallel(joblib.delayed(task)() for task in tasks)


@contextlib.contextmanager
def _dask(processes, n_workers):
    """Workers in processes of one slot each, or one worker with all slots in this process."""
    slots = (n_workers, 1) if processes else (1, n_workers)
    with cluster_of(*slots, processes=processes) as client:
        addresses = list(client.ncores())

        def run(tasks):
            futures = [
                client.submit(task, workers=addresses[i % len(addresses)], pure=False)
                for i, task in enumerate(tasks)
            ]
            return client.gather(futures)

        yield run


@contextlib.contextmanager
def _dask_with_all_threads(n_workers):
    with (
        mock.patch.object(thread_shares, "_n_slots", lambda: 0),
        mock.patch.object(thread_shares, "n_callers", lambda: 1),
        _dask(False, n_workers) as run,
    ):
        yield run


def seconds_of(work, quick):
    """Time a piece of work.

    Parameters
    ----------
    work : {"training", "predict", "NMF"}
    quick : bool

    Returns
    -------
    seconds : float
    """
    function = _prepared(work, quick)
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@functools.cache
def _prepared(work, quick):
    """Make the function to time, once in each process."""
    X, Y = make_noisy_speech(4 if quick else 16, duration=0.3 if quick else 3, random_state=0)
    S = STFT().fit_transform(X)
    n_components, n_epochs = (3, 1) if quick else (50, 2)
    start = SupervisedNMFSeparator(n_components, max_iter=5, random_state=0)
    separator = DRNMFSeparator(nmf=start, max_epochs=n_epochs, random_state=0)
    if work == "training":
        # Tasks in one process do not share an estimator.
        return lambda: clone(separator).fit(S, Y)
    if work == "predict":
        fitted = separator.set_params(max_epochs=0).fit(S, Y)
        return lambda: [fitted.predict(S) for _ in range(1 if quick else 4)]
    nmf = SparseNMF(n_components, max_iter=5 if quick else 30, tol=0, random_state=0)
    magnitude = np.concatenate([each.magnitude() for each in S])
    return lambda: clone(nmf).fit(magnitude)
