"""Searches on Dask: the results of one process, and recordings are sent once."""

import json

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from benchmarks._dask import cluster_of, counted_bytes
from sknmf_unfold import DRNMFSeparator, Spectrograms
from sknmf_unfold.datasets import AudioFiles, make_noisy_speech, save_audio
from sknmf_unfold.datasets._audio_file import AudioFile
from tests._factories import stft
from tests._processes import run_script

# Layers and components for each source: K and N of the paper.
GRID = {"drnmfseparator__n_layers": [1, 2], "drnmfseparator__n_components": [2, 3]}
DRNMF = DRNMFSeparator(n_components=2, max_epochs=1, sparsity=0.1, random_state=0)
PIPE = make_pipeline(stft(), DRNMF)


@pytest.fixture(scope="module")
def recordings():
    return make_noisy_speech(4, duration=(0.4, 0.5), random_state=0)


@pytest.fixture(scope="module")
def client():
    """Two workers in this process, which talk to each other as those of other processes do."""
    with cluster_of(2, processes=False, protocol="tcp") as client:
        yield client


def scores(search, X, Y):
    search = clone(search).set_params(error_score="raise", refit=False)
    return search.fit(X, Y).cv_results_["mean_test_score"]


def dask(**settings):
    return joblib.parallel_config(backend="dask", **settings)


def n_bytes(*lists):
    """Size of lists of waveforms or spectrograms; waveforms are of float32."""
    return sum(4 * getattr(x, "n_times", len(x)) for each in lists for x in each)


def bytes_of_more_candidates(estimator, name, X, Y, scatter=None):
    """Bytes that are sent for three candidates and not for one, to the size of the recordings."""
    sent = []
    for values in ([1], [1, 2, 3]):
        with counted_bytes() as counted, dask(scatter=scatter):
            scores(GridSearchCV(estimator, {name: values}, cv=2), X, Y)
        sent.append(counted.n_bytes)
    return (sent[1] - sent[0]) / n_bytes(X, Y)


def saved(waveforms, folder):
    folder.mkdir()
    for i, waveform in enumerate(waveforms):
        save_audio(folder / f"{i}.wav", waveform, 16000)
    return AudioFiles(sorted(folder.iterdir()))


# Recordings are sent once


@pytest.mark.parametrize("is_scattered", [False, True])
def test_lists_are_sent_once_if_they_are_scattered(client, recordings, is_scattered):
    scatter = recordings if is_scattered else None
    name = "drnmfseparator__n_layers"
    ratio = bytes_of_more_candidates(PIPE, name, *recordings, scatter=scatter)
    # Else each task is sent to the scheduler, and from there to a worker.
    assert ratio < 0.5 if is_scattered else ratio > 7


@pytest.mark.parametrize("is_masked", [False, True])
def test_spectrograms_too(client, recordings, is_masked):
    data = [stft().fit_transform(each) for each in recordings]
    if is_masked:
        data[0] = Spectrograms(item.masked(np.full(item.shape, 0.5)) for item in data[0])
    assert bytes_of_more_candidates(DRNMF, "n_layers", *data, scatter=data) < 0.5


def test_spectrograms_that_are_not_scattered_arrive_whole(client, recordings):
    # So many that joblib would scatter them if it could.
    data = [stft().fit_transform(10 * each) for each in recordings]
    search = GridSearchCV(DRNMF, {"n_layers": [1]}, cv=2)
    expected = scores(search, *data)
    with dask():
        np.testing.assert_array_equal(scores(search, *data), expected)


def test_of_files_only_paths_are_sent(client, recordings, tmp_path):
    files = [saved(each, tmp_path / str(i)) for i, each in enumerate(recordings)]
    expected = scores(GridSearchCV(PIPE, GRID, cv=2), *map(list, files))
    with counted_bytes() as sent, dask():
        found = scores(GridSearchCV(PIPE, GRID, cv=2), *files)
    np.testing.assert_array_equal(found, expected)
    assert sent.n_bytes < 0.9 * n_bytes(*recordings)


def test_tasks_of_a_worker_share_the_cache_of_files(recordings, tmp_path, monkeypatch):
    # Joblib sends a few paths with each task, but not many.
    files = [saved(5 * each, tmp_path / str(i)) for i, each in enumerate(recordings)]
    cached = [AudioFiles(each.paths, cache_bytes=10**8) for each in files]
    read, decode = [], AudioFile._decode
    monkeypatch.setattr(AudioFile, "_decode", lambda self: read.append(self.path) or decode(self))
    search = GridSearchCV(PIPE, {"drnmfseparator__n_layers": [1, 2]}, cv=2)
    with cluster_of(1, processes=False, protocol="tcp"), dask():
        scores(search, *cached)
    assert sorted(read) == sorted(path for each in files for path in each.paths)


# Results


def test_a_grid_of_layers_and_components_is_that_of_one_process(client, recordings):
    X, Y = (stft().fit_transform(each) for each in recordings)
    expected = scores(GridSearchCV(PIPE, GRID, cv=2), *recordings)
    with dask(scatter=recordings):
        found = scores(GridSearchCV(PIPE, GRID, cv=2), *recordings)
    np.testing.assert_array_equal(found, expected)
    grid = {name.split("__")[1]: values for name, values in GRID.items()}
    with dask(scatter=[X, Y]):
        found = scores(GridSearchCV(DRNMF, grid, cv=2), X, Y)
    np.testing.assert_array_equal(found, expected)
    assert len(set(expected)) == 4


def test_other_tools(client, recordings):
    X, Y = recordings
    search = RandomizedSearchCV(PIPE, GRID, n_iter=2, cv=2, random_state=0)
    expected = scores(search, X, Y), cross_val_score(PIPE, X, Y, cv=2)
    with dask(scatter=[X, Y]):
        np.testing.assert_array_equal(scores(search, X, Y), expected[0])
        np.testing.assert_array_equal(cross_val_score(PIPE, X, Y, cv=2), expected[1])
        np.testing.assert_array_equal(cross_val_score(PIPE, X, Y, cv=2, n_jobs=2), expected[1])


def test_the_best_candidate_is_fitted_here(client, recordings):
    X, Y = recordings
    search = GridSearchCV(PIPE, GRID, cv=2)
    with dask(scatter=[X, Y]):
        found = clone(search).fit(X, Y)
    expected = search.fit(X, Y)
    for one, other in zip(found.predict(X), expected.predict(X), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bars_and_callbacks(client, recordings, capfd):
    callback = pytest.importorskip("sklearn.callback")
    X, Y = recordings
    pipe = clone(PIPE).set_params(drnmfseparator__verbose=1)
    search = GridSearchCV(pipe, {"drnmfseparator__n_layers": [1, 2]}, cv=2, verbose=1)
    with dask():
        scores(search, X, Y)
        search.set_callbacks(callback.ProgressBar(max_propagation_depth=None))
        search.fit(X, Y)
    printed = capfd.readouterr()
    assert "totalling 4 fits" in printed.out and "GridSearchCV" in printed.out
    assert "DRNMFSeparator" in printed.err


def test_errors_of_a_task_are_those_of_the_package(client, recordings):
    X, Y = recordings
    search = GridSearchCV(PIPE, {"drnmfseparator__n_layers": [0]}, cv=2)
    with dask(), pytest.raises(ValueError, match="`n_layers`"):
        scores(search, X, Y)


# Processes

SCRIPT = """
import json, sys, warnings
import joblib
from sklearn.model_selection import GridSearchCV
from benchmarks._dask import cluster_of, counted_bytes
from tests._thread_counts import count_threads

def n_threads(estimator, X, y):
    return max(count_threads())

if __name__ == "__main__":
    warnings.simplefilter("error")
    pipe, grid, X, y = joblib.load(sys.argv[1])
    scoring = {"score": type(pipe).score, "n_threads": n_threads}
    search = GridSearchCV(pipe, grid, cv=2, scoring=scoring, refit=False, error_score="raise")
    backend = {"backend": "dask", "scatter": [X, y]}
    with cluster_of(2), counted_bytes() as sent, joblib.parallel_config(**backend):
        found = search.fit(X, y).cv_results_
    names = "mean_test_score", "mean_test_n_threads"
    print(json.dumps([sent.n_bytes, *(found[name].tolist() for name in names)]))
"""


@pytest.mark.slow
def test_workers_in_processes(recordings, tmp_path):
    path = tmp_path / "data.joblib"
    joblib.dump((PIPE, GRID, *recordings), path)
    printed = run_script(SCRIPT, tmp_path / "search.py", path, OMP_NUM_THREADS=None)
    sent, found, n_threads = json.loads(printed)
    expected = scores(GridSearchCV(PIPE, GRID, cv=2), *recordings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert n_threads == [1] * 4
    # Eight tasks; the recordings go to the scheduler and to two workers, the rest is small.
    assert sent < 5 * n_bytes(*recordings)
