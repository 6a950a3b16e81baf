"""librosa takes any scikit-learn-like decomposition; its matrices are (bins, frames)."""

import librosa
import numpy as np
import pytest

from sknmf_unfold import SparseNMF


@pytest.fixture
def spectrogram():
    rng = np.random.RandomState(0)
    dictionary = np.vstack([np.eye(3, 12), np.eye(3, 12, 8)]) + 0.05
    return (rng.gamma(0.5, 4.0, size=(60, 6)) @ dictionary).T


def nmf(**settings):
    return SparseNMF(6, sparsity=0.01, max_iter=300, random_state=0, **settings)


def test_fit(spectrogram):
    components, activations = librosa.decompose.decompose(spectrogram, transformer=nmf())
    assert components.shape == (12, 6) and activations.shape == (6, 60)
    model = nmf().fit(spectrogram.T)
    np.testing.assert_array_equal(components, model.components_.T)
    np.testing.assert_array_equal(activations, model.transform(spectrogram.T).T)
    error = np.linalg.norm(components @ activations - spectrogram)
    assert error < 0.05 * np.linalg.norm(spectrogram)


def test_without_fit(spectrogram):
    model = nmf().fit(spectrogram[:, :40].T)
    before = model.components_.copy()
    rest = spectrogram[:, 40:]
    components, activations = librosa.decompose.decompose(rest, transformer=model, fit=False)
    np.testing.assert_array_equal(components, before.T)
    np.testing.assert_array_equal(model.components_, before)
    np.testing.assert_array_equal(activations, model.transform(rest.T).T)


def test_sorted_by_frequency(spectrogram):
    components, activations = librosa.decompose.decompose(spectrogram, transformer=nmf(), sort=True)
    peaks = components.argmax(axis=0)
    assert (np.diff(peaks) >= 0).all() and peaks[0] < peaks[-1]
    plain, plain_activations = librosa.decompose.decompose(spectrogram, transformer=nmf())
    np.testing.assert_allclose(components @ activations, plain @ plain_activations)
