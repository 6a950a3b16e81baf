"""Weights of recordings and rows in `score`."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator
from sknmf_unfold.metrics import sdr


@pytest.fixture(scope="module")
def separator(magnitudes):
    return SupervisedNMFSeparator(4, max_iter=20, n_iter=20, random_state=0).fit(*magnitudes)


def test_of_magnitudes(separator, magnitudes):
    X, Y = magnitudes
    alone = [separator.score([x], [y]) for x, y in zip(X, Y, strict=True)]
    weighted = separator.score(X, Y, sample_weight=[1, 0, 3])
    assert weighted == pytest.approx((alone[0] + 3 * alone[2]) / 4)
    assert separator.score(X, Y, sample_weight=np.full(3, 5)) == pytest.approx(np.mean(alone))


def test_of_a_table_counts_rows_as_often_as_their_weight(separator, magnitudes):
    X, Y = magnitudes[0][0], magnitudes[1][0]
    weights = np.arange(len(X)) % 3
    repeated = separator.score(np.repeat(X, weights, axis=0), np.repeat(Y, weights, axis=0))
    assert separator.score(X, Y, sample_weight=weights) == pytest.approx(repeated)


@pytest.mark.filterwarnings(r"ignore:y\[2\] \(1 of 3 targets\). silent")
def test_of_waveforms(speech, spectrograms):
    X, Y = spectrograms[:3], [*speech[1][:2], np.zeros_like(speech[1][2])]
    separator = SupervisedNMFSeparator(4, max_iter=5, n_iter=5, random_state=0).fit(X, Y)
    values = sdr(Y, separator.predict(X))
    # The third target is silent: its SDR is undefined, and it has no say.
    expected = np.average(values[:2], weights=[1, 3])
    assert separator.score(X, Y, sample_weight=[1, 3, 9]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"one weight for each of the 3 items of X; got shape \(2,\)"),
        (np.ones((3, 1)), r"got shape \(3, 1\)"),
        (2.0, r"got shape \(1,\)"),
        ([1, -1, 1], ">= 0 and not all 0; got a minimum of -1"),
        ([0, 0, 0], "not all 0"),
        ([1, np.nan, 1], "sample_weight contains NaN"),
    ],
)
def test_bad_weights(separator, magnitudes, weights, message):
    with pytest.raises(ValueError, match=message):
        separator.score(*magnitudes, sample_weight=weights)


def test_spectrograms_and_their_pipeline_agree(speech):
    X, Y = speech
    last = SupervisedNMFSeparator(4, max_iter=5, n_iter=5, random_state=0)
    pipe = make_pipeline(STFT(), last).fit(X[:4], Y[:4])
    weights = np.arange(4) + 1
    direct = pipe[-1].score(STFT().transform(X[:4]), Y[:4], sample_weight=weights)
    assert pipe.score(X[:4], Y[:4], sample_weight=weights) == direct
