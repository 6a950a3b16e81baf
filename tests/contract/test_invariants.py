"""Invariants of every separator for recordings drawn by Hypothesis."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator, metrics
from sknmf_unfold.datasets import make_noisy_speech

N_FFT, HOP = 64, 16
LEVELS = [1e-8, 1.0, 1e4]


def supervised(inference="mu"):
    quick = {"sparsity": 0.1, "max_iter": 5, "n_iter": 5, "random_state": 0}
    return SupervisedNMFSeparator(4, inference=inference, **quick)


def drnmf(**quick):
    quick = {"sparsity": 0.1, "max_epochs": 2, "random_state": 0, "nmf": supervised()} | quick
    return DRNMFSeparator(n_components=4, **quick)


SEPARATORS = {
    "supervised, cd": lambda: supervised("cd"),
    "supervised, mu": supervised,
    "supervised, ista": lambda: supervised("ista"),
    "supervised, warm ista": lambda: supervised("warm_ista"),
    "DR-NMF": drnmf,
    "DR-NMF, paper": lambda: drnmf(recipe="paper", n_layers=3),
}


@functools.cache
def fitted(name, dtype="float64"):
    X, Y = make_noisy_speech(4, duration=0.3, random_state=0)
    X, Y = ([wave.astype(dtype) for wave in waves] for waves in (X, Y))
    return make_pipeline(STFT(N_FFT, HOP), SEPARATORS[name]()).fit(X, Y)


def recordings(level=None):
    """Lists of noise, each of its own length and level, some of it silent."""
    levels = st.sampled_from(LEVELS) if level is None else st.just(level)
    one = st.tuples(st.integers(1, 900), levels, st.integers(0, 2**16))
    return st.lists(one, min_size=1, max_size=5).map(lambda drawn: [noise(*d) for d in drawn])


def noise(n_times, level, seed):
    rng = np.random.RandomState(seed)
    return level * rng.randn(n_times) * (rng.uniform(size=n_times) > 0.2 * (seed % 2))


def hypothesis(max_examples=15):
    return settings(deadline=None, derandomize=True, max_examples=max_examples)


@pytest.mark.parametrize("name", SEPARATORS)
def test_lengths_masks_batches_and_order(name):
    pipe = fitted(name)
    stft, separator = pipe[0], pipe[1]

    @hypothesis()
    @given(recordings(), st.randoms(use_true_random=False))
    def check(X, random):
        copies = [x.copy() for x in X]
        parts, masks = pipe.predict(X), separator.predict_mask(stft.transform(X))
        order = random.sample(range(len(X)), len(X))
        permuted = pipe.predict([X[i] for i in order])
        for i, (x, part, mask) in enumerate(zip(X, parts, masks, strict=True)):
            assert part.shape == x.shape and np.isfinite(part).all()
            assert mask.min() >= 0 and mask.max() <= 1
            atol = 1e-9 * np.abs(x).max()
            (alone,) = pipe.predict([x])
            np.testing.assert_allclose(alone, part, rtol=1e-9, atol=atol)
            np.testing.assert_allclose(permuted[order.index(i)], part, rtol=1e-9, atol=atol)
            np.testing.assert_array_equal(x, copies[i])

    check()


@pytest.mark.parametrize("name", SEPARATORS)
def test_masks_of_both_sources_sum_to_one(name):
    separator = fitted(name)[1]
    X = STFT(N_FFT, HOP).transform([noise(700, 1.0, 0), noise(300, 1e-3, 1), np.zeros(200)])
    masks = separator.predict_mask(X)
    # The interference's share, computed from the activations and the other half of the dictionary.
    exponent = getattr(separator, "mask_exponent_", 1.0)
    components = getattr(separator, "output_components_", separator.components_)
    evidence = getattr(separator, "evidence_", np.zeros((0, N_FFT // 2 + 1)))
    for activations, mask in zip(separator.transform(X), masks, strict=True):
        estimates = [
            (h @ w) ** exponent
            for h, w in zip(np.split(activations, 2, axis=1), np.split(components, 2), strict=True)
        ]
        if len(evidence):
            norms = np.linalg.norm(activations, axis=1, keepdims=True)
            estimates[0] *= np.exp(activations / (norms + 1) @ evidence)
        total = sum(estimates)
        other = np.divide(estimates[1], total, out=np.full(total.shape, 0.5), where=total > 1e-6)
        heard = total > 1e-6
        np.testing.assert_allclose((mask + other)[heard], 1, atol=1e-6)


@pytest.mark.parametrize("window", ["sqrt_hann", "hann", "boxcar"])
def test_reconstruction(window):
    stft = STFT(N_FFT, HOP, window=window)

    @hypothesis(40)
    @given(recordings())
    def check(X):
        for x, back in zip(X, stft.inverse_transform(stft.transform(X)), strict=True):
            assert np.linalg.norm(back - x) <= 1e-12 * np.linalg.norm(x)

    check()


# One of the levels is far below the sparsity weight.
@pytest.mark.filterwarnings("ignore:.*all activations are 0")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SEPARATORS)
def test_inputs_are_left_alone(name, level, dtype):
    X, Y = make_noisy_speech(3, duration=0.2, random_state=0)
    X, Y = ([(level * wave).astype(dtype) for wave in waves] for waves in (X, Y))
    copies = [wave.copy() for wave in X + Y]
    pipe = make_pipeline(STFT(N_FFT, HOP), SEPARATORS[name]()).fit(X, Y)
    assert all(part.dtype == dtype for part in pipe.predict(X))
    pipe.score(X, Y)
    for wave, copy in zip(X + Y, copies, strict=True):
        np.testing.assert_array_equal(wave, copy)
    magnitudes = [np.asarray(item) for item in pipe[0].transform(X)]
    copies = [m.copy() for m in magnitudes]
    pipe[1].predict(magnitudes)
    SparseNMF(3, max_iter=3, random_state=0).fit(magnitudes).transform(magnitudes)
    for magnitude, copy in zip(magnitudes, copies, strict=True):
        np.testing.assert_array_equal(magnitude, copy)


# Silence


@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.filterwarnings(r"ignore:(y\[2\] \(1 of 3 targets\).|All of y is) silent")
def test_silence_gives_silence(name):
    silence = [np.zeros(500), np.zeros(1)]
    for part in fitted(name).predict(silence):
        assert not part.any()
    X = [noise(500, 0.1, 0), noise(400, 0.1, 2)]
    for mixtures, targets in (
        ([*X, np.zeros(300)], [0.5 * X[0], 0.5 * X[1], np.zeros(300)]),
        (X, [np.zeros(500), np.zeros(400)]),
        ([np.zeros(500), np.zeros(400)], [np.zeros(500), np.zeros(400)]),
    ):
        pipe = make_pipeline(STFT(N_FFT, HOP), SEPARATORS[name]()).fit(mixtures, targets)
        assert np.isfinite(pipe[1].components_).all()
        for mixture, part in zip(mixtures, pipe.predict(mixtures), strict=True):
            assert np.isfinite(part).all()
            assert part.any() <= mixture.any()


@pytest.mark.parametrize("beta", [3, 2, 1.5, 1, 0.5, 0, -1])
def test_silence_has_no_activations(beta):
    rng = np.random.RandomState(0)
    X = np.vstack([rng.gamma(0.5, 1.0, (20, 9)), np.zeros((5, 9))])
    nmf = SparseNMF(3, beta_loss=beta, sparsity=0.1, max_iter=20, random_state=0).fit(X)
    activations = nmf.transform(X)
    assert np.isfinite(nmf.components_).all() and np.isfinite(activations).all()
    assert activations[20:].max() < 1e-9 < activations[:20].max()
    silent = SparseNMF(3, beta_loss=beta, sparsity=0.1, max_iter=20, random_state=0)
    silent.fit(np.zeros((6, 9)))
    assert np.isfinite(silent.components_).all() and np.isfinite(silent.reconstruction_err_)
    assert silent.transform(np.zeros((2, 9))).max() < 1e-9


def test_metrics_never_raise_on_silence():
    sound, silence = noise(600, 0.1, 0), np.zeros(600)
    for metric in (metrics.sdr, metrics.si_sdr):
        assert metric(sound, silence) == -np.inf
        assert np.isnan(metric(silence, sound)) and np.isnan(metric(silence, silence))
    for improvement in (metrics.sdr_improvement, metrics.si_sdr_improvement):
        assert np.isnan(improvement(silence, sound, sound))
    pipe = fitted("supervised, mu")
    assert np.isfinite(pipe.score([sound, silence], [sound, silence]))
    assert np.isnan(pipe.score([sound], [silence]))
