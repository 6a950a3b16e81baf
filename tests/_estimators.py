"""Discovery of the public estimators of the package."""

import importlib
import inspect
import pkgutil

from sklearn.base import BaseEstimator

import sknmf_unfold

# Small settings, not other behaviour: the checks fit each estimator about a hundred times.
QUICK = {"n_components": 4, "max_iter": 10, "n_iter": 10, "max_epochs": 1, "random_state": 0}


# Folders that users do not import from.
INTERNAL = {"base", "cli", "runtime", "validation"}


def public_modules():
    yield sknmf_unfold
    for module in pkgutil.walk_packages(sknmf_unfold.__path__, "sknmf_unfold."):
        _, folder, *rest = module.name.split(".")
        if folder not in INTERNAL and not any(part.startswith("_") for part in (folder, *rest)):
            yield importlib.import_module(module.name)


def public_estimator_classes():
    """Classes that a public module holds, derived from `BaseEstimator`, not abstract, by name."""
    found = {
        value
        for module in public_modules()
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__.startswith("sknmf_unfold")
        if value.__module__.split(".")[1] not in INTERNAL
    }
    public = (c for c in found if issubclass(c, BaseEstimator) and not c.__name__.startswith("_"))
    return sorted((c for c in public if not inspect.isabstract(c)), key=lambda c: c.__name__)


def quick(cls, **settings):
    """An estimator with those of the small settings that it has, and with others of the test."""
    accepted = inspect.signature(cls).parameters
    return cls(**({name: QUICK[name] for name in QUICK.keys() & accepted} | settings))


def public_estimators():
    return [quick(cls) for cls in public_estimator_classes()]
