"""Restoration of an estimator whose fit fails or is interrupted."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

Method = TypeVar("Method", bound=Callable)

# Fitted attributes that do not end in an underscore.
PRIVATE_FITTED_ATTRIBUTES = ("_training_state", "_interrupted_start", "_statistics")


@contextlib.contextmanager
def all_or_nothing(estimator: BaseEstimator) -> Iterator[Callable[[], None]]:
    """Restore the fitted attributes of an estimator where the block inside raises.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted inside.

    Yields
    ------
    keep : callable
        Once it has been called, the new attributes stay whatever is raised.
    """
    before, kept = _fitted_attributes(estimator), []
    try:
        yield lambda: kept.append(True)
    except BaseException:
        if not kept:
            for name in _fitted_attributes(estimator).keys() - before.keys():
                delattr(estimator, name)
            vars(estimator).update(before)
        raise


def fits_all_or_nothing(method: Method) -> Method:
    """Decorate a method that fits: where it raises, the estimator stays as it was."""

    @functools.wraps(method)
    def fit(self, *args, **kwargs):
        with all_or_nothing(self):
            return method(self, *args, **kwargs)

    return fit  # type: ignore[return-value]


def _fitted_attributes(estimator: BaseEstimator) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(estimator).items()
        if name in PRIVATE_FITTED_ATTRIBUTES or (name.endswith("_") and not name.startswith("_"))
    }
