"""Discovery of the public estimators of the package."""

import importlib
import inspect
import pkgutil

from sklearn.base import BaseEstimator

import sknmf_unfold

# Small settings, not other behaviour: the checks fit each estimator about a hundred times.
QUICK = {"n_components": 4, "max_iter": 10, "n_iter": 10, "max_epochs": 1, "random_state": 0}


def public_modules():
    """The package and those of its folders that list their public names."""
    yield sknmf_unfold
    for module in pkgutil.iter_modules(sknmf_unfold.__path__, "sknmf_unfold."):
        found = importlib.import_module(module.name) if module.ispkg else None
        if hasattr(found, "__all__"):
            yield found


def public_estimator_classes():
    """Classes among the public names that are derived from `BaseEstimator`, sorted by name."""
    public = {getattr(module, name) for module in public_modules() for name in module.__all__}
    found = (value for value in public if inspect.isclass(value))
    return sorted((c for c in found if issubclass(c, BaseEstimator)), key=lambda c: c.__name__)


def quick(cls, **settings):
    """An estimator with those of the small settings that it has, and with others of the test."""
    accepted = inspect.signature(cls).parameters
    return cls(**({name: QUICK[name] for name in QUICK.keys() & accepted} | settings))


def public_estimators():
    return [quick(cls) for cls in public_estimator_classes()]
