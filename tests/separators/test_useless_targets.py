"""Warnings of targets that are silent or equal to their mixtures."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator

RNG = np.random.RandomState(0)
WAVES = [0.1 * RNG.randn(n) for n in (400, 500, 450, 420, 380, 390, 410, 430)]
TARGETS = [0.5 * wave + 0.01 * RNG.randn(len(wave)) for wave in WAVES]
ITEMS = STFT(64, 16).transform(WAVES)
SILENCE = [np.zeros_like(wave) for wave in WAVES]

ESTIMATORS = {
    cls.__name__: cls(**settings, random_state=0)
    for cls, settings in [
        (SupervisedNMFSeparator, {"n_components": 2, "max_iter": 5}),
        (DRNMFSeparator, {"n_components": 2, "max_epochs": 1}),
        (DeepNMFSeparator, {"n_layers": 2, "n_components": 2, "max_epochs": 1}),
        (LSTMSeparator, {"n_units": 2, "max_epochs": 1}),
        (RNNSeparator, {"n_units": 2, "max_epochs": 1}),
    ]
}
each_estimator = pytest.mark.parametrize("name", ESTIMATORS)
TRAINED = [name for name in ESTIMATORS if name != "SupervisedNMFSeparator"]


def swapped(others, *which):
    return [others[i] if i in which else y for i, y in enumerate(TARGETS)]


def texts_of(call):
    """Warnings of ours, each as often as it came."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    texts = [str(each.message) for each in caught if each.category is UserWarning]
    return [text for text in texts if "right recordings" in text]


CASES = {
    "silent": (swapped(SILENCE, 1, 3), r"y[1], y[3] (2 of 8 targets): silent"),
    "equal": (swapped(WAVES, 0), r"y[0] (1 of 8 targets): equal to the mixture"),
    "all silent": (SILENCE, "All of y is silent"),
    "all equal": (WAVES, "All of y is equal to the mixture"),
    "many": (
        swapped(SILENCE, 0, 1, 2, 3, 4, 5, 6),
        "y[0], y[1], y[2], y[3], y[4] and 2 more (7 of 8 targets): silent",
    ),
}


@each_estimator
@pytest.mark.parametrize("case", CASES)
def test_they_are_named_once(name, case):
    Y, message = CASES[case]
    (text,) = texts_of(lambda: clone(ESTIMATORS[name]).fit(ITEMS, Y))
    assert text.startswith(message)


@each_estimator
def test_nobody_is_warned_of_good_ones(name):
    assert texts_of(lambda: clone(ESTIMATORS[name]).fit(ITEMS, TARGETS)) == []


@each_estimator
def test_silent_and_equal_ones_of_magnitudes(name):
    X = [item.magnitude() for item in ITEMS[:3]]
    Y = [0 * X[0], X[1], 0.5 * X[2]]
    silent, equal = texts_of(lambda: clone(ESTIMATORS[name]).fit(X, Y))
    assert "y[0] (1 of 3 targets): silent" in silent and "y[1] (1 of 3 targets): equal" in equal


def test_a_mask_that_leaves_nothing():
    Y = [item.masked(np.zeros(item.shape)) for item in ITEMS]
    (text,) = texts_of(lambda: clone(ESTIMATORS["SupervisedNMFSeparator"]).fit(ITEMS, Y))
    assert text.startswith("All of y is silent")


def test_single_precision_of_double_targets():
    items = STFT(64, 16).transform([wave.astype("float32") for wave in WAVES])
    (text,) = texts_of(lambda: clone(ESTIMATORS["SupervisedNMFSeparator"]).fit(items, WAVES))
    assert text.startswith("All of y is equal")


@pytest.mark.parametrize("name", TRAINED)
def test_partial_fit_and_validation_data(name):
    estimator = clone(ESTIMATORS[name])
    (text,) = texts_of(lambda: estimator.partial_fit(ITEMS, swapped(SILENCE, 2)))
    assert text.startswith("y[2] (1 of 8")
    validation = WAVES[:2], SILENCE[:2]
    (text,) = texts_of(lambda: estimator.fit(ITEMS, TARGETS, validation_data=validation))
    assert text.startswith("All of validation_data[1] is silent")


def test_rows_of_a_table_count_together():
    X = np.abs(RNG.randn(20, 6))
    some = np.where(np.arange(20)[:, np.newaxis] < 15, 0.0, 0.5 * X)
    estimator = ESTIMATORS["SupervisedNMFSeparator"]
    assert texts_of(lambda: clone(estimator).fit(X, some)) == []
    for Y, message in [(0 * X, "All of y is silent"), (X, "All of y is equal")]:
        (text,) = texts_of(lambda Y=Y: clone(estimator).fit(X, Y))
        assert text.startswith(message)


def test_the_warning_points_at_the_caller():
    # Its decorator of `fit` is between the caller and us.
    pytest.importorskip("sklearn.callback")
    for estimator in (ESTIMATORS["SupervisedNMFSeparator"], ESTIMATORS["LSTMSeparator"]):
        with pytest.warns(UserWarning, match="All of y is silent") as caught:
            clone(estimator).fit(ITEMS, SILENCE)
        assert caught[0].filename == __file__


def test_scores_do_not_warn():
    pipe = make_pipeline(STFT(64, 16), ESTIMATORS["SupervisedNMFSeparator"]).fit(WAVES, TARGETS)
    assert texts_of(lambda: pipe.score(WAVES, SILENCE)) == []
