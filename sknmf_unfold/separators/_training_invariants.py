"""Check of the training history and the training state of a loaded model."""

from __future__ import annotations

import numbers
from collections.abc import Mapping

import numpy as np

from sknmf_unfold.validation.fitted import Invariant, refuse
from sknmf_unfold.validation.messages import shown

from ._base import BASICS

# Shapes and ranges of the attributes of every trained separator, beside its weights.
TRAINING_INVARIANTS = (
    *BASICS,
    Invariant("n_parameters_", whole=True, low=1),
    Invariant("best_epoch_", whole=True, low=0),
)


def check_training(owner: str, attributes: Mapping) -> None:
    """Check ``history_`` and, if there is one, the state that ``partial_fit`` resumes from.

    Parameters
    ----------
    owner : str
        The model's class, for messages.
    attributes : mapping
        Of the fitted model.

    Raises
    ------
    ValueError
        If one of them cannot come from training.
    """
    history = attributes.get("history_", "nothing of that name")
    columns = list(history.values()) if isinstance(history, dict) else []
    lists = all(isinstance(column, list) for column in columns)
    if not lists or len({len(column) for column in columns}) != 1 or not _are_numbers(columns):
        wants = "be a dict of equally long lists of numbers"
        refuse(owner, "history_", wants, shown(history))
    for name, array in _arrays(attributes.get("_training_state"), "_training_state"):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            refuse(owner, name, "be finite", "NaN or infinity")


def _are_numbers(columns):
    return all(isinstance(value, numbers.Real) for column in columns for value in column)


def _arrays(tree, name):
    """Iterate over the arrays in nested dicts and lists, with their places."""
    if isinstance(tree, np.ndarray):
        yield name, tree
    elif isinstance(tree, (dict, list)):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, value in items:
            yield from _arrays(value, f"{name}[{key!r}]")
