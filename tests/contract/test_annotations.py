"""Annotations of the public functions, classes and methods."""

import functools
import inspect

import sknmf_unfold
from sknmf_unfold import datasets, metrics, plotting, separators, signal
from sknmf_unfold.streaming import StreamingSeparator


def is_ours(value):
    return (getattr(value, "__module__", None) or "").startswith("sknmf_unfold")


def public_objects():
    """All public functions and classes, by name."""
    for module in (sknmf_unfold, separators, datasets, metrics, signal):
        yield from ((name, getattr(module, name)) for name in module.__all__)
    yield "StreamingSeparator", StreamingSeparator
    for name, value in vars(plotting).items():
        own = getattr(value, "__module__", "").startswith(plotting.__name__)
        if own and not name.startswith("_"):
            yield f"plotting.{name}", value


def function_of(value):
    """The function behind a method, a property or what a decorator made of one; None of others."""
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    elif isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    # scikit-learn's `available_if`.
    value = inspect.unwrap(getattr(value, "fn", value))
    return value if inspect.isfunction(value) else None


def public_functions():
    """Public functions, constructors and public methods that the package defines, by name."""
    found = {}
    for name, value in public_objects():
        if not inspect.isclass(value):
            found[name] = function_of(value)
            continue
        for cls in filter(is_ours, value.__mro__):
            for method, member in vars(cls).items():
                if method == "__init__" or not method.startswith("_"):
                    found.setdefault(f"{name}.{method}", function_of(member))
    return {name: function for name, function in found.items() if function and is_ours(function)}


SELF = ("self", "cls")


def not_annotated(function):
    """Names of the parameters without a type, and "return" where there is none."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    missing = [p.name for p in parameters if p.annotation is p.empty and p.name not in SELF]
    # As for mypy, a constructor returns None without saying so.
    if signature.return_annotation is signature.empty and function.__name__ != "__init__":
        missing.append("return")
    return missing


def test_the_walk_finds_functions_constructors_methods_and_properties():
    assert public_functions().keys() >= {
        "DRNMFSeparator.__init__",
        "DRNMFSeparator.explain_mask",
        "DRNMFSeparator.partial_fit",
        "DRNMFSeparator.predict",
        "STFT.transform",
        "SparseNMF.fit",
        "Spectrogram.magnitude",
        "StreamingSeparator.process",
        "make_noisy_speech",
        "plotting.TrainingDisplay.from_estimator",
        "sdr",
    }


def test_public_signatures_are_annotated():
    missing = {name: not_annotated(f) for name, f in public_functions().items()}
    lines = [f"{name}: {', '.join(names)}" for name, names in missing.items() if names]
    assert not lines, "\n".join(lines)
