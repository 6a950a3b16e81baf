"""Stored models remember the version that made them, and are checked when they are loaded."""

from __future__ import annotations

import inspect
import os
import warnings
from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold._version import __version__
from sknmf_unfold.validation.fitted import WAY_OUT, Invariant, check_invariants

from .digest import digest_of

VERSION_KEY = "_sknmf_unfold_version"
# Parameters that stored models may have and no class has any more.
FORMER_PARAMETERS = frozenset({"matmul_precision"})
DIGEST_KEY = "_sknmf_unfold_digest"


class VersionedEstimator(BaseEstimator, ABC):
    """Stores version and checksum with a model, and checks what is loaded.

    Another version warns, as `BaseEstimator` does for scikit-learn's own classes only. Fitted
    attributes that cannot be those of such a model, and a state that is not what was stored, raise
    ``ValueError``. All ways to load or copy a model go through ``__setstate__``.

    A subclass has its table of fitted attributes in `_fitted_attributes`; a model that has the
    attribute `_fitted_mark` has to have all of them.
    """

    _fitted_attributes: tuple[Invariant, ...] = ()
    _fitted_mark = ""

    @abstractmethod
    def fit(self, X, y):
        """Learn."""

    def _invariants(self):
        """Table of the fitted attributes of this model, where it depends on them."""
        return self._fitted_attributes

    def _fitted_items(self):
        """Values that the table names."""
        return vars(self)

    def _add_missing_attributes(self):
        """Complete a model that an earlier version stored."""

    def _check_fitted_attributes(self):
        """Raise ``ValueError`` if what this model has learned cannot be."""
        if self._fitted_mark in vars(self):
            check_invariants(type(self).__name__, self._fitted_items(), self._invariants())

    def __getstate__(self):
        # As text a path loads on any system, and by skops.
        state = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else value
            for name, value in super().__getstate__().items()
        }
        return {**state, DIGEST_KEY: digest_of(state), VERSION_KEY: __version__}

    def __setstate__(self, state):
        owner = type(self).__name__
        if not isinstance(state, dict):
            raise ValueError(
                f"The state of a {owner} must be a dict; got {type(state).__name__}. {WAY_OUT}"
            )
        state = dict(state)
        version, digest = state.pop(VERSION_KEY, "unknown"), state.pop(DIGEST_KEY, None)
        is_whole = digest is None or digest == digest_of(state)
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=owner,
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        # Parameters that the version which stored it did not have.
        defaults = {key: p.default for key, p in inspect.signature(type(self)).parameters.items()}
        for parameter in FORMER_PARAMETERS - defaults.keys():
            state.pop(parameter, None)
        super().__setstate__(defaults | state)
        self._add_missing_attributes()
        # First, because it names what is wrong.
        self._check_fitted_attributes()
        if not is_whole:
            raise ValueError(
                f"The contents of the loaded {owner} do not match their checksum. {WAY_OUT} (A "
                f"state that was edited on purpose loads without its {DIGEST_KEY!r}.)"
            )


def is_fitted(estimator: BaseEstimator) -> bool:
    """Tell whether an estimator has been fitted.

    Parameters
    ----------
    estimator : BaseEstimator

    Returns
    -------
    is_fitted : bool
    """
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
