"""Methods of a class for its page of the API: those of this package with their documentation.

What classes inherit from scikit-learn is named only: scikit-learn's own pages document it, and its
docstrings refer to labels that this site does not have.
"""

from __future__ import annotations

import importlib
import inspect
import re

PACKAGE = "sknmf_unfold"


def split_methods(module, name):
    """Split the public methods and properties of a class into its own and the inherited ones.

    Parameters
    ----------
    module, name : str

    Returns
    -------
    methods : list of str
        Defined in this package.
    attributes : list of str
        Properties that are defined in this package.
    inherited : list of str
        Defined elsewhere.
    """
    cls = getattr(importlib.import_module(module), name)
    methods, attributes, inherited = [], [], []
    for key, value in inspect.getmembers(cls):
        if key.startswith("_") or re.fullmatch(r"set_\w+_request", key) or inspect.isclass(value):
            continue
        home = next(base for base in cls.__mro__ if key in vars(base))
        # A method that its class replaces without a word is documented where it comes from.
        own = home.__module__.split(".")[0] == PACKAGE and inspect.getdoc(value)
        kind = methods if callable(value) else attributes
        (kind if own else inherited).append(key)
    return methods, attributes, inherited


def setup(app):
    """Give the templates of autosummary the function."""
    app.config.autosummary_context["split_methods"] = split_methods
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
