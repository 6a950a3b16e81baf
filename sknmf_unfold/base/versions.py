"""Persistence: version and checksum of a stored model, and its checks when it is loaded."""

from __future__ import annotations

import inspect
import os
import warnings
from abc import ABC, abstractmethod
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold._version import __version__
from sknmf_unfold.validation.fitted import WAY_OUT, Invariant, check_invariants

from .digest import digest_of

VERSION_KEY = "_sknmf_unfold_version"
DIGEST_KEY = "_sknmf_unfold_digest"


class VersionedEstimator(BaseEstimator, ABC):
    """An estimator that is stored with version and checksum, and checked when it is loaded.

    Another version warns, as `BaseEstimator` does for scikit-learn's own classes only. Fitted
    attributes that violate their invariants, and a state that does not match its checksum, raise
    ``ValueError``. All ways to load or copy a model go through ``__setstate__``.

    A subclass lists its fitted attributes in `_fitted_attributes`; a model that has the attribute
    `_fitted_mark` must have all of them.
    """

    _fitted_attributes: tuple[Invariant, ...] = ()
    _fitted_mark = ""

    @abstractmethod
    def fit(self, X: Any, y: Any) -> VersionedEstimator:
        """Fit the estimator."""

    def _invariants(self):
        """Return the invariants of the fitted attributes, which may depend on each other."""
        return self._fitted_attributes

    def _fitted_items(self):
        """Return the values that the invariants name."""
        return vars(self)

    def _check_fitted_attributes(self):
        """Raise ``ValueError`` if a fitted attribute violates its invariant."""
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
        # Defaults of parameters that the storing version did not have.
        defaults = {key: p.default for key, p in inspect.signature(type(self)).parameters.items()}
        super().__setstate__(defaults | state)
        # Before the checksum, because it names the attribute.
        self._check_fitted_attributes()
        if not is_whole:
            raise ValueError(
                f"The contents of the loaded {owner} do not match their checksum. {WAY_OUT} (A "
                f"state that was edited on purpose loads without its {DIGEST_KEY!r}.)"
            )


def is_fitted(estimator: BaseEstimator) -> bool:
    """Tell whether an estimator is fitted.

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
