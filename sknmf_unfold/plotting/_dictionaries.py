"""Dictionaries of fitted estimators: one a source, each in one fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.separators import DeepNMFSeparator, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.separators._component_measures import centroids
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number

from ._recordings import last_step

# A dictionary (n_components, n_freqs) by the name of its source.
Dictionaries = dict[str, np.ndarray]

ESTIMATORS = (SparseNMF, SupervisedNMFSeparator, DRNMFSeparator, DeepNMFSeparator)


def check_dictionary_estimator(estimator: Any, name: str = "estimator") -> Any:
    """Return the fitted estimator with dictionaries, out of its pipeline.

    Raises
    ------
    TypeError
        If it has none.
    NotFittedError
        If it is not fitted.
    """
    last = last_step(estimator)
    if not isinstance(last, ESTIMATORS):
        names = ", ".join(each.__name__ for each in ESTIMATORS)
        raise TypeError(
            f"`{name}` must be one of {names}, or a Pipeline that ends in one; got "
            f"{shown(estimator)}."
        )
    check_is_fitted(last)
    return last


def n_layers_of(estimator: Any) -> int:
    """Count the dictionaries that an estimator has, one above the other."""
    components = estimator.components_
    # The dictionaries of a Deep NMF whose updates are not trained are those it started from.
    return max(len(components), 1) if components.ndim == 3 else 1


def check_layer(layer: Any, n_layers: int) -> int:
    """Return the index of a layer, counted from 0.

    Raises
    ------
    TypeError, ValueError
        If there is no such layer.
    """
    return check_number("layer", layer, low=-n_layers, high=n_layers - 1, integer=True) % n_layers


def dictionaries_of(estimator: Any, layer: int = -1) -> Dictionaries:
    """Return the dictionaries of a layer.

    Parameters
    ----------
    estimator : fitted estimator
        One of `ESTIMATORS`.
    layer : int, default=-1
        Checked.

    Returns
    -------
    dictionaries : dict of ndarray of shape (n_components, n_freqs)
        ``"target"`` and ``"interference"``, or ``"components"`` of a `SparseNMF`.
    """
    components = estimator.components_
    if components.ndim == 3:
        components = components[layer] if len(components) else estimator.initial_components_
    if isinstance(estimator, SparseNMF):
        return {"components": components}
    n_target = len(getattr(estimator, "target_components_", components[::2]))
    return {"target": components[:n_target], "interference": components[n_target:]}


def starting_dictionaries(estimator: Any) -> Dictionaries:
    """Return the NMF dictionaries that a trained separator started from.

    Raises
    ------
    ValueError
        If it does not have them.
    """
    start = getattr(estimator, "initial_components_", np.empty((0, 0)))
    if not len(start):
        raise ValueError(
            f"compare_to='start' needs the NMF that training started from, which this "
            f"{type(estimator).__name__} does not have; pass a fitted estimator as `compare_to`."
        )
    target, interference = np.split(start, 2)
    return {"target": target, "interference": interference}


def indices_of(dictionaries: Dictionaries, order: Dictionaries) -> Dictionaries:
    """Convert indices in the dictionary of each source to those in all components.

    Parameters
    ----------
    dictionaries : dict of ndarray of shape (n_components, n_freqs)
    order : dict of ndarray of shape (n_components,), int
        Indices in the dictionary of the source.

    Returns
    -------
    indices : dict of ndarray of shape (n_components,), int
        Indices in ``components_``, where the target's components are before the others.
    """
    ends = np.cumsum([len(components) for components in dictionaries.values()])
    starts = dict(zip(dictionaries, [0, *ends], strict=False))
    return {source: start + np.asarray(order[source]) for source, start in starts.items()}


def order_of(dictionaries: Dictionaries) -> Dictionaries:
    """Sort the components of each source by spectral centroid.

    Parameters
    ----------
    dictionaries : dict of ndarray of shape (n_components, n_freqs)

    Returns
    -------
    order : dict of ndarray of shape (n_components,), int
        Indices in the dictionary of the source, from low to high.
    """
    return {
        source: np.argsort(centroids(components), kind="stable")
        for source, components in dictionaries.items()
    }
