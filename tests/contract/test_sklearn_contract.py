"""scikit-learn's own checks, on every public estimator, found and not listed."""

from unittest import SkipTest

import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import NMF
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknmf_unfold import STFT, SparseNMF
from tests._counts import count
from tests._estimators import public_estimator_classes, public_estimators, quick

# What scikit-learn runs on its own transformers only.
TRANSFORMER_CHECKS = [
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]


def pairs(estimators):
    """Estimators and checks; a list, because pytest warns about scikit-learn's generator."""
    return list(parametrize_with_checks(estimators).args[1])


def check_names(estimator):
    return {check.func.__name__ for _, check in pairs([estimator])}


def name_of(value):
    return type(value).__name__ if isinstance(value, BaseEstimator) else value.func.__name__


def run(check, *arguments):
    """Run a check; one that skips itself has not passed."""
    try:
        check(*arguments)
    except SkipTest as skipped:
        pytest.fail(f"skipped: {skipped}")


def test_all_four_are_found():
    names = {cls.__name__ for cls in public_estimator_classes()}
    assert names >= {"STFT", "SparseNMF", "SupervisedNMFSeparator", "DRNMFSeparator"}
    assert "BaseSeparator" not in names


# It shares all but the cell with LSTMSeparator.
ALIKE = {"RNNSeparator"}


def marked(cls, *arguments):
    return pytest.param(*arguments, marks=[pytest.mark.slow] * (cls.__name__ in ALIKE))


@pytest.mark.parametrize(
    ("estimator", "check"),
    [marked(type(estimator), estimator, check) for estimator, check in pairs(public_estimators())],
    ids=name_of,
)
# The checks' data are small beside the default sparsity weight.
@pytest.mark.filterwarnings("ignore:X has one recording", "ignore:.*all activations are 0")
def test_scikit_learn_check(estimator, check):
    run(check, estimator)
    count(f"scikit-learn checks passed, {type(estimator).__name__}")


@pytest.mark.parametrize(("stft", "check"), pairs([STFT(highpass=50.0)]), ids=name_of)
def test_scikit_learn_check_of_a_high_pass(stft, check):
    run(check, stft)


@pytest.mark.parametrize("estimator", public_estimators(), ids=name_of)
def test_no_tag_turns_checks_off(estimator):
    tags = get_tags(estimator)
    assert tags.input_tags.two_d_array and not tags.no_validation and not tags._skip_test
    assert not tags.non_deterministic and not tags.input_tags.allow_nan
    bare = type("Bare", (TransformerMixin, BaseEstimator), {"fit": lambda self, X, y=None: self})()
    assert check_names(estimator) >= check_names(bare) - {"check_estimators_unfitted"}


def test_sparse_nmf_gets_the_checks_of_scikit_learns_nmf():
    assert check_names(SparseNMF()) >= check_names(NMF())


# The result of STFT is no table.
@pytest.mark.parametrize("cls", [marked(c, c) for c in public_estimator_classes() if c is not STFT])
@pytest.mark.parametrize("check", TRANSFORMER_CHECKS)
# They fit on DataFrames and transform arrays, and the other way round.
@pytest.mark.filterwarnings("ignore:X has feature names", "ignore:X does not have valid feature")
@pytest.mark.filterwarnings("ignore:X has one recording", "ignore:.*all activations are 0")
def test_scikit_learn_check_of_transformers(cls, check):
    run(getattr(estimator_checks, check), cls.__name__, quick(cls))
    count(f"scikit-learn checks passed, {cls.__name__}")
