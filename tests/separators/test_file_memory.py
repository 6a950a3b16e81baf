"""Memory of ``fit`` and ``score`` on files does not grow with their number."""

import tracemalloc

import numpy as np
import pytest

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.datasets import AudioFiles
from sknmf_unfold.nmf import checked_frames, file_frames
from sknmf_unfold.separators import _blocks, _drawn_pairs, _file_pairs
from tests.datasets._files import noise, write

SECONDS = 2
NMF = {"n_components": 4, "max_iter": 2, "random_state": 0}
TRAINING = {"max_epochs": 1, "batch_size": 4, "sequence_length": 60, "random_state": 0}
ESTIMATORS = {
    "SparseNMF": lambda: SparseNMF(batch_size=256, **NMF),
    "SupervisedNMFSeparator": lambda: SupervisedNMFSeparator(max_frames=500, **NMF),
    "DRNMFSeparator": lambda: DRNMFSeparator(
        nmf=SupervisedNMFSeparator(max_frames=500, **NMF), n_layers=1, **TRAINING
    ),
    "DRNMFSeparator, not remixed": lambda: DRNMFSeparator(
        nmf=SupervisedNMFSeparator(max_frames=500, **NMF), n_layers=1, remix=False, **TRAINING
    ),
}


@pytest.fixture
def small_bounds(monkeypatch):
    """Bounds of an eighth of the files in the smaller number of them."""
    monkeypatch.setattr(checked_frames, "MAX_STACKED_BYTES", 2**20)
    monkeypatch.setattr(file_frames, "POOL_FRAMES", 1000)
    for module in (_file_pairs, _drawn_pairs):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 2**20)
    monkeypatch.setattr(_blocks, "MAX_PART_FRAMES", 1000)
    monkeypatch.setattr(_blocks, "MAX_BATCH_FRAMES", 1000)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    pairs = []
    for i in range(8):
        y = noise(SECONDS * 16000, i)
        x = y + noise(SECONDS * 16000, 100 + i)
        pairs.append([write(folder / f"{kind}{i}.wav", z) for kind, z in (("x", x), ("y", y))])
    return [list(paths) for paths in zip(*pairs, strict=True)]


def peaks(call, files, repeats):
    """Peak memory of a call on files that are repeated so many times, in bytes."""
    X, Y = (AudioFiles(paths * repeats) for paths in files)
    spectrograms = STFT().fit_transform(X)
    tracemalloc.start()
    try:
        call(spectrograms, Y)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fit(name, files, small_bounds):
    """32 and 128 files: the waveforms of the others alone are 24 MB, their frames 100 MB."""

    def fit(X, Y):
        estimator = ESTIMATORS[name]()
        estimator.fit(X) if name == "SparseNMF" else estimator.fit(X, Y)

    # What is loaded or compiled once does not count.
    fit(STFT().fit_transform(AudioFiles(files[0])), AudioFiles(files[1]))
    few, many = (peaks(fit, files, repeats) for repeats in (4, 16))
    print(f"{name}: {few / 1e6:.1f} MB for 32 files, {many / 1e6:.1f} MB for 128")
    assert many - few < 2.5e6


def test_score(files, small_bounds):
    X, Y = (AudioFiles(paths) for paths in files)
    separator = ESTIMATORS["SupervisedNMFSeparator"]().fit(STFT().fit_transform(X), Y)
    separator.score(STFT().fit_transform(X), Y)
    few, many = (peaks(separator.score, files, repeats) for repeats in (4, 16))
    assert many - few < 1e6


def test_frames_of_recordings_in_memory_are_stacked_once():
    """Beside the stack there is one recording."""
    X = STFT().fit_transform([noise(40_000, i).astype("float32") for i in range(30)])
    size = sum(np.asarray(x).nbytes for x in X)
    nmf = SparseNMF(4, batch_size=256, max_iter=1, random_state=0).fit(X[:2])
    tracemalloc.start()
    nmf.fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * size + 2e6
