"""Refusal of Dask collections where arrays in memory are wanted."""

from __future__ import annotations

from typing import Any


def is_dask(value: Any) -> bool:
    """Tell whether an object is a Dask collection with a graph, without importing dask.

    Examples
    --------
    >>> is_dask([1.0, 2.0])
    False
    """
    # A `Delayed` object has any attribute; its class has not.
    graph = getattr(type(value), "__dask_graph__", None)
    # An xarray object in memory has none.
    return callable(graph) and graph(value) is not None


def refuse_dask(value: Any, label: str) -> None:
    """Raise ``TypeError`` for a Dask collection, which numpy would gather into memory.

    Parameters
    ----------
    value : object
    label : str
        Its name in messages.

    Examples
    --------
    >>> import dask.array
    >>> refuse_dask(dask.array.zeros(3), "X")
    Traceback (most recent call last):
    ...
    TypeError: X is a Dask Array, which would be gathered into memory here: pass X.compute() ...
    """
    if not is_dask(value):
        return
    name = label.strip("`")
    table = f", or of {name}.to_dask_array(lengths=True)" * hasattr(type(value), "to_dask_array")
    raise TypeError(
        f"{label} is a Dask {type(value).__name__}, which would be gathered into memory here: pass "
        f"{name}.compute() if it fits. Only SparseNMF takes Dask arrays, tables of frames of shape "
        f"(n_frames, n_freqs){table}."
    )
