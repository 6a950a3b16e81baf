"""Fits that leave an estimator as it was where they fail or are interrupted."""

from __future__ import annotations

import contextlib
import functools

# Learned, beside attributes that end in an underscore.
PRIVATE = ("_training_state", "_interrupted_start", "_statistics")


@contextlib.contextmanager
def all_or_nothing(estimator):
    """Give an estimator its fitted attributes back where what happens inside raises.

    Parameters
    ----------
    estimator : estimator
        The one that is fitted.

    Yields
    ------
    keep : callable
        Call it once the new attributes belong together, and they stay whatever is raised.
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


def fits_all_or_nothing(method):
    """Return a method that fits with the estimator left as it was where it raises."""

    @functools.wraps(method)
    def fit(self, *args, **kwargs):
        with all_or_nothing(self):
            return method(self, *args, **kwargs)

    return fit


def _fitted_attributes(estimator):
    return {
        name: value
        for name, value in vars(estimator).items()
        if name in PRIVATE or (name.endswith("_") and not name.startswith("_"))
    }
