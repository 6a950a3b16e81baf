"""The page beside scikit-learn's NMF: its examples run, its tables are whole, its claims hold."""

import ast
import doctest
import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from sknmf_unfold import SparseNMF

PAGE = Path(__file__).parents[2] / "docs" / "migration.rst"


def digits_by_scikit_learn(**settings):
    """Activations, components and the fitted model of five components of the digits."""
    X = load_digits().data
    nmf = NMF(5, init="nndsvda", l1_ratio=1.0, max_iter=3000, tol=1e-7, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        activations = nmf.fit_transform(X)
    return X, activations, nmf


def test_examples_run():
    failures, attempted = doctest.testfile(str(PAGE), module_relative=False)
    assert failures == 0 and attempted > 15


@pytest.mark.parametrize(("cls", "column"), [(NMF, 1), (SparseNMF, 2)])
def test_every_parameter_is_in_the_table_with_its_default(cls, column):
    rows = re.findall(r"   \* -(.*)\n     -(.*)\n", PAGE.read_text())
    cells = " ".join(row[column - 1] for row in rows)
    named = dict(re.findall(r"``(\w+)=([^`]*)``", cells.replace("fit_transform(X, W=W, H=H)", "")))
    parameters = inspect.signature(cls).parameters
    found = {name: ast.literal_eval(named[name]) for name in parameters}
    assert found == {name: parameter.default for name, parameter in parameters.items()}


def test_a_penalty_on_activations_alone_is_bought_off():
    _, activations, nmf = digits_by_scikit_learn(alpha_W=0.1, alpha_H=0.0)
    _, free, without = digits_by_scikit_learn()
    assert nmf.reconstruction_err_ == pytest.approx(without.reconstruction_err_, rel=1e-2)
    assert activations.sum() < 0.2 * free.sum()
    assert np.linalg.norm(nmf.components_, axis=1).min() > 500


def test_two_penalties_are_equal_for_each_component():
    alpha = 0.01
    X, activations, nmf = digits_by_scikit_learn(alpha_W=alpha)
    of_activations = alpha * X.shape[1] * activations.sum(axis=0)
    of_components = alpha * X.shape[0] * nmf.components_.sum(axis=1)
    np.testing.assert_allclose(of_activations, of_components, rtol=1e-2)


def test_a_given_dictionary_needs_no_fit():
    X = load_digits().data
    fitted = SparseNMF(5, sparsity=5.0, max_iter=20, random_state=0).fit(X)
    given = SparseNMF(sparsity=5.0, max_iter=20)
    given.components_, given.n_features_in_ = fitted.components_, X.shape[1]
    np.testing.assert_array_equal(given.transform(X), fitted.transform(X))
