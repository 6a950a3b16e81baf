"""Masked spectrograms as input of separators, metrics and plots: the masked sound counts."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, SparseNMF, metrics
from sknmf_unfold.plotting import SeparationDisplay
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.targets import check_targets
from tests._factories import drnmf, supervised
from tests._refusals import refuses

RNG = np.random.RandomState(0)
WAVES = [0.1 * RNG.randn(n) for n in (700, 600, 500)]
TARGETS = [0.5 * wave + 0.01 * RNG.randn(len(wave)) for wave in WAVES]
HALVES = [0.5 * wave for wave in WAVES]
STFT_64 = STFT(64, 16)
ITEMS = STFT_64.transform(WAVES)
# The same sound twice: a mask of one half everywhere, and half the waveform.
MASKED = [item.masked(np.full(item.shape, 0.5)) for item in ITEMS]
PLAIN = STFT_64.transform(HALVES)
# Of the sound that is left, no frame is the product of mask and frame: windows overlap.
ROUGH = [item.masked(np.random.RandomState(1).uniform(size=item.shape)) for item in ITEMS]
ROUGH_WAVES = [item.inverse() for item in ROUGH]


ESTIMATORS = {
    "supervised": supervised(),
    "remixed": drnmf(remix=True),
    "as they are": drnmf(remix=False, loss="signal_approximation"),
    "waveforms": drnmf(remix=False, loss="snr"),
}
each_estimator = pytest.mark.parametrize("name", ESTIMATORS)


def assert_same_model(first, second):
    for part, other in zip(first.predict(ITEMS), second.predict(ITEMS), strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-6, atol=1e-9)


@each_estimator
def test_masked_mixtures_are_learned_from(name):
    Y = [0.5 * y for y in TARGETS]
    fitted = clone(ESTIMATORS[name]).fit(MASKED, Y)
    assert_same_model(fitted, clone(ESTIMATORS[name]).fit(PLAIN, Y))
    unmasked = clone(ESTIMATORS[name]).fit(ITEMS, Y)
    assert np.abs(fitted.predict(ITEMS)[0] - unmasked.predict(ITEMS)[0]).max() > 1e-5


@each_estimator
@pytest.mark.parametrize(("masked", "waves"), [(MASKED, HALVES), (ROUGH, ROUGH_WAVES)])
def test_masked_targets_are_what_they_sound_like(name, masked, waves):
    fitted = clone(ESTIMATORS[name]).fit(ITEMS, masked)
    assert_same_model(fitted, clone(ESTIMATORS[name]).fit(ITEMS, waves))
    assert fitted.score(ITEMS, masked) == pytest.approx(fitted.score(ITEMS, waves), rel=1e-9)


def test_partial_fit():
    first, second = drnmf(), drnmf()
    for _ in range(2):
        first.partial_fit(MASKED, ROUGH)
        second.partial_fit(PLAIN, ROUGH_WAVES)
    assert_same_model(first, second)


def test_validation_data():
    histories = [
        drnmf().fit(ITEMS, TARGETS, validation_data=pair).history_["validation_loss"]
        for pair in [(MASKED, ROUGH), (PLAIN, ROUGH_WAVES), (ITEMS, ROUGH_WAVES)]
    ]
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-6)
    assert not np.allclose(histories[0], histories[2], rtol=1e-3)


def test_dictionaries():
    settings = {"max_iter": 5, "random_state": 0, "sparsity": 0.01}
    masked, plain = (SparseNMF(2, **settings).fit(X) for X in (MASKED, PLAIN))
    np.testing.assert_allclose(masked.components_, plain.components_, rtol=1e-6)


def test_what_a_fitted_separator_makes_of_them():
    fitted = supervised().fit(ITEMS, TARGETS)
    for method in ("predict", "predict_mask", "transform"):
        results = getattr(fitted, method)(MASKED), getattr(fitted, method)(PLAIN)
        for one, other in zip(*results, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
    for one, other in zip(STFT_64.inverse_transform(MASKED), HALVES, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("metric", ["sdr", "si_sdr", "sdr_improvement", "si_sdr_improvement"])
def test_scorers(metric):
    fitted, scorer = supervised().fit(ITEMS, TARGETS), getattr(metrics, f"{metric}_scorer")
    value = scorer(fitted, ROUGH, MASKED)
    signals = [HALVES, fitted.predict(ROUGH), ROUGH_WAVES]
    expected = getattr(metrics, metric)(*signals[: 3 if "improvement" in metric else 2])
    assert value == pytest.approx(metrics.mean_over_active(expected), rel=1e-9)


def test_metrics_take_items_and_lists_of_them():
    expected = metrics.si_sdr(ROUGH_WAVES, TARGETS)
    np.testing.assert_allclose(metrics.si_sdr(ROUGH, TARGETS), expected)
    assert metrics.si_sdr(ROUGH[0], TARGETS[0]) == pytest.approx(expected[0])


def test_plots():
    mask = np.full(ITEMS[0].shape, 0.5)
    settings = {"n_fft": 64, "hop_length": 16}
    draw = SeparationDisplay.from_predictions
    displays = [
        draw(WAVES[0], estimate, TARGETS[0], mask=mask, **settings)
        for estimate in (ROUGH[0], ROUGH_WAVES[0])
    ]
    images = [display.images_[2].get_array() for display in displays]
    np.testing.assert_allclose(images[0], images[1], atol=1e-6)


def test_what_a_checkpoint_is_told():
    def content(X, Y):
        sequences = check_sequences(supervised(), X, reset=True)
        return joblib.hash((sequences.content, check_targets(Y, sequences).content))

    pairs = [(X, Y) for X in (ITEMS, MASKED, ROUGH) for Y in (ITEMS, MASKED, ROUGH)]
    hashes = [content(*pair) for pair in pairs]
    assert len(set(hashes)) == len(pairs)
    assert hashes == [content(*pair) for pair in pairs]


def test_a_pipeline_scores_masked_targets():
    pipe = make_pipeline(STFT_64, supervised()).fit(WAVES, ROUGH)
    plain = make_pipeline(STFT_64, supervised()).fit(WAVES, ROUGH_WAVES)
    assert pipe.score(WAVES, ROUGH) == plain.score(WAVES, ROUGH_WAVES)


# Masks


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "float64"])
def test_a_mask_leaves_the_dtype_as_it_is(dtype):
    (item,) = STFT_64.transform([WAVES[0].astype("float32")])
    keep = np.arange(33) % 2 == np.zeros((item.shape[0], 1))
    for mask in (keep.astype(dtype), keep.astype(dtype).tolist()):
        masked = item.masked(mask)
        assert masked.magnitude().dtype == masked.inverse().dtype == np.float32
        np.testing.assert_array_equal(masked.magnitude(), item.magnitude() * keep)


def test_a_complex_mask_turns_phases():
    turned = ITEMS[0].masked(np.full(ITEMS[0].shape, -1 + 0j))
    np.testing.assert_allclose(turned.inverse(), -WAVES[0], atol=1e-12)


def test_masks_that_are_none():
    item, shape = ITEMS[0], ITEMS[0].shape
    hole = np.ones(shape)
    hole[3, 2] = np.nan
    refuses("`mask` contains NaN at frame 3, bin 2", lambda: item.masked(hole))
    refuses("`mask` must have the shape", lambda: item.masked(0.5))
    refuses("`mask` has dtype <U1; wanted", lambda: item.masked(np.full(shape, "a")), TypeError)
    by_hand = STFT_64.transform(WAVES)
    by_hand[1].mask = np.ones((2, 2))
    message = r"the mask of X\[1\] must have the shape of the spectrogram, \(41, 33\); got \(2, 2\)"
    refuses(message, lambda: supervised().fit(by_hand, TARGETS))
    by_hand[1].mask = np.full(by_hand[1].shape, np.inf)
    refuses(r"the mask of X\[1\] contains infinity", lambda: supervised().fit(by_hand, TARGETS))
