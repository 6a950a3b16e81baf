"""Axes of pictures that are written to files and never shown."""

from __future__ import annotations

from typing import Any


def new_panels(n_panels: int) -> Any:
    """Make panels, one above the other, that open no window on any machine.

    Parameters
    ----------
    n_panels : int

    Returns
    -------
    axes : ndarray of matplotlib.axes.Axes of shape (n_panels,)

    Examples
    --------
    >>> new_panels(3).shape
    (3,)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 2 * n_panels), layout="constrained")
    return figure.subplots(n_panels, 1, sharex=True, sharey=True)
