"""Figures, axes and images in dB: the parts that all plots share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Beyond these rates matplotlib cannot place distinct ticks.
MIN_PLOT_RATE_HZ, MAX_PLOT_RATE_HZ = 1e-6, 1e12


def require_matplotlib() -> None:
    """Raise an ``ImportError`` that names the extra unless matplotlib is installed.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError('Plots need matplotlib: pip install "sknmf_unfold[demo]".') from error


def new_figure(figsize: tuple[float, float]) -> Figure:
    """Make a figure outside the global state of `matplotlib.pyplot`."""
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=figsize, layout="constrained")


def check_canvas(name: str, canvas: object, method: str, what: str) -> None:
    """Raise unless a figure or axes to draw into has a method, or is None."""
    if canvas is not None and not hasattr(canvas, method):
        raise TypeError(f"`{name}` must be {what} or None; got {shown(canvas)}.")


def check_plot_rate(sample_rate: float) -> float:
    """Return `sample_rate` as a float if it is a number of Hz > 0 that axes can show."""
    check_number("sample_rate", sample_rate, low=0, open_low=True)
    return check_number("sample_rate", sample_rate, low=MIN_PLOT_RATE_HZ, high=MAX_PLOT_RATE_HZ)


def relative_decibels(magnitudes: np.ndarray, range_db: float) -> np.ndarray:
    """Convert magnitudes to dB relative to their maximum, limited to [-range_db, 0]."""
    relative = magnitudes / (magnitudes.max() or 1.0)
    return 20 * np.log10(np.maximum(relative, 10 ** (-range_db / 20)))


def draw_image(
    ax: Axes, values: np.ndarray, extent: tuple[float, float, float, float], style: dict[str, Any]
) -> AxesImage:
    """Draw values of shape (n_columns, n_freqs) with frequency on the y-axis."""
    options: dict[str, Any] = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    return ax.imshow(values.T, extent=extent, **options, **style)
