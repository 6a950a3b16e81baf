"""scikit-learn's own checks, on every public estimator, found and not listed."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

import sknmf_unfold

# Small settings, not other behaviour: the checks fit each estimator about a hundred times.
QUICK = {"n_components": 5, "max_iter": 30, "n_iter": 30, "max_epochs": 2, "random_state": 0}


def public_estimators():
    found = []
    for name in sknmf_unfold.__all__:
        value = getattr(sknmf_unfold, name)
        if inspect.isclass(value) and issubclass(value, BaseEstimator):
            accepted = inspect.signature(value).parameters
            found.append(value(**{key: QUICK[key] for key in QUICK if key in accepted}))
    return found


def test_all_four_are_found():
    names = {type(estimator).__name__ for estimator in public_estimators()}
    assert names >= {"STFT", "SparseNMF", "SupervisedNMFSeparator", "DRNMFSeparator"}


@parametrize_with_checks(public_estimators())
@pytest.mark.filterwarnings("ignore:X has one recording")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_check(estimator, check):
    check(estimator)
