"""First dictionaries: the parameters of `nmf` are kept or refused, by every separator."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator
from tests._refusals import refuses

CLASSES = [DRNMFSeparator, DeepNMFSeparator]
each_class = pytest.mark.parametrize("separator_class", CLASSES, ids=lambda c: c.__name__)
UNTRAINED = {"max_epochs": 0, "validation_fraction": 0.3, "random_state": 0}
OWN = {"sparsity": 0.3, "beta_loss": 1.5, "inference": "mu", "max_iter": 7, "random_state": 5}


@each_class
def test_an_unfitted_nmf_has_its_own_parameters(magnitudes, separator_class):
    X, Y = magnitudes
    nmf = SupervisedNMFSeparator(3, **OWN)
    separator = separator_class(nmf=nmf, sparsity=2.0, **UNTRAINED)
    separator.fit(X, Y, validation_data=(X, Y))
    expected = clone(nmf).fit(X, Y).components_
    np.testing.assert_allclose(separator.initial_components_, expected, rtol=1e-12)
    assert not hasattr(nmf, "components_")


@each_class
def test_an_unfitted_sparse_nmf_has_its_own_parameters(magnitudes, separator_class):
    X, Y = magnitudes
    nmf = SparseNMF(3, sparsity=0.3, beta_loss=1.5, max_iter=7, random_state=5)
    separator = separator_class(nmf=nmf, **UNTRAINED).fit(X, Y, validation_data=(X, Y))
    expected = clone(nmf).fit(Y).components_
    np.testing.assert_allclose(separator.initial_components_[:3], expected, rtol=1e-12)


@each_class
def test_no_nmf_takes_the_parameters_of_the_separator(magnitudes, separator_class):
    X, Y = magnitudes
    found = {}
    for settings in ({}, {"n_components": 3}, {"n_components": 3, "sparsity": 0.01}):
        fitted = separator_class(**settings, **UNTRAINED).fit(X, Y)
        found[len(settings)] = fitted.initial_components_
    assert [len(components) for components in found.values()] == [200, 6, 6]
    assert np.abs(found[2] - found[1]).max() > 1e-3


def test_deep_nmf_starts_from_its_own_divergence_without_an_nmf(magnitudes):
    X, Y = magnitudes
    starts = [
        DeepNMFSeparator(n_components=3, beta_loss=beta, **UNTRAINED).fit(X, Y).initial_components_
        for beta in (1, 2)
    ]
    assert np.abs(starts[1] - starts[0]).max() > 1e-3


@each_class
def test_only_a_seed_that_nmf_lacks_is_drawn_from_the_separators(magnitudes, separator_class):
    def start(nmf_seed, seed):
        nmf = SupervisedNMFSeparator(3, max_iter=5, random_state=nmf_seed)
        separator = separator_class(nmf=nmf, **(UNTRAINED | {"random_state": seed}))
        return separator.fit(*magnitudes, validation_data=magnitudes).initial_components_

    np.testing.assert_array_equal(start(None, 0), start(None, 0))
    assert np.abs(start(None, 0) - start(None, 1)).max() > 1e-3
    np.testing.assert_array_equal(start(4, 0), start(4, 1))


# One of the weights that are searched silences the data.
@pytest.mark.filterwarnings("ignore:.*all activations are 0")
@each_class
def test_a_search_reaches_the_parameters_of_nmf(speech, separator_class):
    nmf = SupervisedNMFSeparator(4, max_iter=10, random_state=0)
    pipe = Pipeline([("stft", STFT()), ("sep", separator_class(nmf=nmf, **UNTRAINED))])
    for name, values in (("sparsity", [0.1, 100.0]), ("n_components", [2, 6])):
        grid = {f"sep__nmf__{name}": values}
        search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(*speech)
        scores = search.cv_results_["mean_test_score"]
        assert abs(scores[1] - scores[0]) > 0.01, name


@each_class
def test_parameters_of_no_nmf_are_refused(separator_class):
    pipe = Pipeline([("stft", STFT()), ("sep", separator_class())])
    message = r"`nmf__max_iter` is a parameter of `nmf`, but nmf is None; give it nmf=Sup"
    refuses(message, lambda: pipe.set_params(sep__nmf__max_iter=5))
    X = [np.ones(2000, np.float32)] * 4
    search = GridSearchCV(pipe, {"sep__nmf__max_iter": [5, 10]}, cv=2)
    refuses(message, lambda: search.fit(X, X))
    pipe.set_params(sep__nmf=SupervisedNMFSeparator(), sep__nmf__max_iter=5)
    assert pipe["sep"].nmf.max_iter == 5
    refuses("Invalid parameter 'nonsense'", lambda: pipe.set_params(sep__nmf__nonsense=5))


@each_class
def test_two_numbers_of_components_are_refused(magnitudes, separator_class):
    X, Y = magnitudes
    message = "`n_components` is 3 but `nmf` has 4 components for each source; leave n_comp"
    fitted = SupervisedNMFSeparator(4, max_iter=5).fit(X, Y)
    dictionary = SparseNMF(4, max_iter=5)
    starts = (
        clone(fitted),
        fitted,
        FrozenEstimator(fitted),
        dictionary,
        FrozenEstimator(clone(dictionary).fit(Y)),
    )
    for nmf in starts:
        separator = separator_class(n_components=3, nmf=nmf, **UNTRAINED)
        refuses(message, lambda separator=separator: separator.fit(X, Y))
        separator.set_params(n_components=4).fit(X, Y)
        assert separator.set_params(n_components=None).fit(X, Y).components_.shape[-2] == 8


@each_class
def test_unequal_numbers_of_components_are_refused(magnitudes, separator_class):
    X, Y = magnitudes
    nmf = SupervisedNMFSeparator(3, max_iter=5)
    nmf.fit_interference(X, SparseNMF(2, max_iter=5).fit(Y).components_)
    separator = separator_class(nmf=nmf, **UNTRAINED)
    message = "`nmf` has 2 components of the target and 3 of the interference; fit it with equally"
    refuses(message, lambda: separator.fit(X, Y))
