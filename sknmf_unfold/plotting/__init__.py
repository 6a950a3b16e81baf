"""Plots of separations, dictionaries and training runs; they need the ``demo`` extra.

Figures are made without `matplotlib.pyplot` and its global state, unless a figure or axes of it are
passed.
"""

from ._components import plot_components
from ._figures import require_matplotlib
from ._history import plot_history
from ._separation import plot_separation

__all__ = ["plot_components", "plot_history", "plot_separation", "require_matplotlib"]
