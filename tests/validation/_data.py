"""Recordings, a table and the estimator that the tests of validation share."""

import numpy as np
from sklearn.base import BaseEstimator

from sknmf_unfold import STFT
from sknmf_unfold.validation.sequences import check_sequences

WAVES = [np.linspace(-1, 1, n) for n in (700, 300, 500)]
ITEMS = STFT().transform(WAVES)
MAGNITUDES = [np.random.default_rng(n).random((n, 6)) for n in (4, 1, 7)]
TABLE = np.random.default_rng(0).random((10, 6))


class Model(BaseEstimator):
    """An estimator that is nothing but its input checks."""


def sequences_of(X, **settings_):
    return check_sequences(Model(), X, reset=True, **settings_)


def with_value(shape, index, value, dtype=float):
    array = np.ones(shape, dtype)
    array[index] = value
    return array
