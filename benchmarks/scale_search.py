"""A grid search on Dask: two workers to one, the same scores, and the bytes that are sent."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from benchmarks._dask import cluster_of, counted_bytes
from benchmarks._threads import limited_to
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import AudioFiles, make_noisy_speech, save_audio

GRID = {"n_layers": [2, 3], "n_components": [40, 60]}
N_FOLDS = 2
# Ways to pass recordings.
WAYS = ("lists", "lists, scatter=[X, Y]", "Spectrograms, scatter=[X, Y]", "AudioFiles")


def table(quick=False):
    """Measure two workers beside one.

    Parameters
    ----------
    quick : bool, default=False
        Whether to search in a tiny grid with workers in this process.

    Returns
    -------
    table : str
    """
    data = make_noisy_speech(4 if quick else 24, duration=0.3 if quick else 3, random_state=0)
    search, tiny = _search(quick), _search(True)
    # Workers of other processes send their messages as these do.
    settings = {"processes": not quick, "protocol": "tcp"}
    with cluster_of(2, **settings) as client:
        first, _ = _timed(_on_workers, tiny, [each[:4] for each in data])
        ratios, found = _ratios(client, search, data, n_rounds=1 if quick else 3)
        sent = _bytes(tiny, data)
    with cluster_of(2, keeps_memory=False, **settings):
        _on_workers(tiny, *(each[:4] for each in data))
        trimmed, _ = _timed(_on_workers, search, data)
    with limited_to(1):
        alone, serial = _timed(_alone, search, data)
    two = ratios.pop("seconds of two")
    rows = ratios | {
        "this process with one thread to two workers, time": alone / two,
        "two workers that trim memory (Dask's default) to these, time": trimmed / two,
        "first tiny search (imports) to the search, two workers": first / two,
        "largest difference of scores to serial, dB": max(abs(s - serial).max() for s in found),
    }
    return "\n".join(_lines(rows, sent))


def _ratios(client, search, data, n_rounds):
    """Search on one worker and on both of them, in turns."""
    times = []
    for _ in range(n_rounds):
        future = client.submit(_timed, _alone, search, data, pure=False)
        one, (two, scores) = future.result(), _timed(_on_workers, search, data)
        times.append((one[0], two))
    ratio = statistics.median(one / two for one, two in times)
    seconds = statistics.median(two for _, two in times)
    return {"one worker to two, time": ratio, "seconds of two": seconds}, [one[1], scores]


def _lines(rows, sent):
    n_tasks = N_FOLDS * np.prod([len(values) for values in GRID.values()])
    yield f"grid search of {n_tasks} fits on Dask, workers of one thread"
    yield from (f"  {name:60s}{value:8.2g}" for name, value in rows.items())
    yield "  bytes sent to those of the recordings, two workers"
    yield from (f"    {name:58s}{ratio:8.2f}" for name, ratio in sent.items())


def _search(quick):
    nmf = {"max_iter": 5, "n_iter": 5} if quick else {"max_iter": 30}
    separator = DRNMFSeparator(max_epochs=1 if quick else 3, random_state=0)
    # An NMF with as many components as the candidate has.
    grid = {
        "drnmfseparator__n_layers": GRID["n_layers"],
        "drnmfseparator__nmf": [SupervisedNMFSeparator(n, **nmf) for n in _sizes(quick)],
    }
    pipe = make_pipeline(STFT(), separator)
    return GridSearchCV(pipe, grid, cv=N_FOLDS, refit=False, error_score="raise")


def _sizes(quick):
    return [3, 4] if quick else GRID["n_components"]


def _alone(search, X, Y):
    return clone(search).fit(X, Y).cv_results_["mean_test_score"]


def _on_workers(search, X, Y, scatter=True):
    """Search on Dask; lists are scattered, so that they are not sent with each task."""
    with joblib.parallel_config("dask", scatter=[X, Y] if scatter else None):
        return _alone(search, X, Y)


def _timed(function, search, data):
    start = time.perf_counter()
    scores = function(search, *data)
    return time.perf_counter() - start, scores


def _bytes(search, data):
    """Compute the bytes sent to those of the recordings, for each way to pass them."""
    size = sum(x.nbytes for each in data for x in each)
    spectrograms = [STFT().fit_transform(each) for each in data]
    sent = []
    with tempfile.TemporaryDirectory() as folder:
        files = [_saved(each, Path(folder) / name) for name, each in zip("XY", data, strict=True)]
        for way, passed in zip(WAYS, (data, data, spectrograms, files), strict=True):
            searched = _without_stft(search) if passed is spectrograms else search
            with counted_bytes() as counted:
                _on_workers(searched, *passed, scatter="scatter" in way)
            sent.append(counted.n_bytes / size)
    return dict(zip(WAYS, sent, strict=True))


def _saved(recordings, folder):
    folder.mkdir()
    for i, recording in enumerate(recordings):
        save_audio(folder / f"{i:03d}.wav", recording, 16000)
    return AudioFiles(sorted(folder.iterdir()))


def _without_stft(search):
    grid = {name.split("__", 1)[1]: values for name, values in search.param_grid.items()}
    return clone(search).set_params(estimator=search.estimator[-1], param_grid=grid)
