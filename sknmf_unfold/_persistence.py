"""Stored models remember the version of the package that made them."""

from __future__ import annotations

import inspect
import os
import warnings
from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from ._version import __version__

VERSION_KEY = "_sknmf_unfold_version"
# Parameters that stored models may have and no class has any more.
FORMER_PARAMETERS = frozenset({"matmul_precision"})


class VersionedEstimator(BaseEstimator, ABC):
    """Stores the package's version with a model, and warns where another version loads it.

    `BaseEstimator` itself does so for scikit-learn's own classes only.
    """

    @abstractmethod
    def fit(self, X, Y):
        """Learn."""

    def __getstate__(self):
        # As text a path loads on any system, and by skops.
        state = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else value
            for name, value in super().__getstate__().items()
        }
        return {**state, VERSION_KEY: __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop(VERSION_KEY, "unknown")
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        # Parameters that the version which stored it did not have.
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        for name in FORMER_PARAMETERS - defaults.keys():
            state.pop(name, None)
        super().__setstate__(defaults | state)
