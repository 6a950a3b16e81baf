"""Figures, axes and images: the parts that all displays share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Beyond these rates matplotlib cannot place distinct ticks.
MIN_PLOT_RATE_HZ, MAX_PLOT_RATE_HZ = 1e-6, 1e12

# Line styles tell curves apart where colours do not print.
LINE_STYLES = ("-", "--", "-.", ":")

# Blue below 0, grey at 0, yellow above. The lightness rises from end to end, so that signs can be
# told apart in greyscale and by the colour-blind.
DIVERGING = ("#08224f", "#2f63b3", "#9a9a9a", "#eda63a", "#fff6b8")

# More labels than these of components, one each, cannot be read.
MAX_INDEX_LABELS, MAX_HORIZONTAL_LABELS, MAX_LABEL_POINTS = 40, 12, 8.0

Extent = tuple[float, float, float, float]


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
        message = 'Displays need matplotlib: pip install "sknmf_unfold[inspect]".'
        raise ImportError(message) from error


def new_figure(figsize: tuple[float, float]) -> Figure:
    """Make a figure of `matplotlib.pyplot`, which notebooks and ``plt.show()`` display."""
    require_matplotlib()
    import matplotlib.pyplot as plt

    return plt.figure(figsize=figsize, layout="constrained")


def check_axes(ax: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return given axes as an array, if they are as many as the panels.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, or array-like of them
    shape : tuple of int
        Rows and columns of panels, or their number.

    Returns
    -------
    axes : ndarray of Axes of this shape

    Raises
    ------
    TypeError, ValueError
        If they are something else, or of another number.
    """
    axes, n_panels = np.ravel(np.asarray(ax, dtype=object)), int(np.prod(shape))
    for each in axes:
        if not hasattr(each, "imshow"):
            raise TypeError(f"`ax` must be matplotlib axes or None; got {shown(ax)}.")
    if len(axes) != n_panels:
        raise ValueError(f"`ax` must be {n_panels} axes, one a panel; got {len(axes)}.")
    return axes.reshape(shape)


def check_plot_rate(sample_rate: float) -> float:
    """Return `sample_rate` as a float if it is a number of Hz > 0 that axes can show."""
    check_number("sample_rate", sample_rate, low=0, open_low=True)
    return check_number("sample_rate", sample_rate, low=MIN_PLOT_RATE_HZ, high=MAX_PLOT_RATE_HZ)


def relative_decibels(
    magnitudes: np.ndarray, range_db: float, reference: float | None = None
) -> np.ndarray:
    """Convert magnitudes to dB relative to their maximum, limited to [-range_db, 0].

    With a `reference` they are relative to that, and may be above 0.
    """
    reference = magnitudes.max() if reference is None else reference
    return 20 * np.log10(np.maximum(magnitudes / (reference or 1.0), 10 ** (-range_db / 20)))


def draw_image(
    ax: Axes, values: np.ndarray, extent: tuple[float, float, float, float], style: dict[str, Any]
) -> AxesImage:
    """Draw values of shape (n_columns, n_rows), the first row at the bottom."""
    options: dict[str, Any] = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    return ax.imshow(values.T, extent=extent, **options, **style)


def diverging_colours() -> Colormap:
    """Make the colour map of signed values, centred at 0."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("sknmf_unfold_diverging", DIVERGING)


def count_from_whole_numbers(axis: Any) -> None:
    """Place the ticks of an axis at whole numbers only."""
    axis.get_major_locator().set_params(integer=True)


def label_components(axis: Any, indices: np.ndarray) -> str:
    """Label the ticks with the indices of components or, if they are many, with their ranks.

    Returns
    -------
    label : str
        The beginning of the axis label, which says which of both the ticks are.
    """
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    if len(indices) > MAX_INDEX_LABELS:
        # Axes that were drawn on before may have the indices of others.
        axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        axis.set_major_formatter(ScalarFormatter())
        return "Component rank by"
    axis.set_ticks(range(len(indices)), labels=[str(i) for i in indices])
    is_narrow = axis.axis_name == "x" and len(indices) > MAX_HORIZONTAL_LABELS
    size = min(MAX_LABEL_POINTS, 0.85 * _length_in_points(axis) / len(indices))
    axis.set_tick_params(labelsize=size, labelrotation=90.0 if is_narrow else 0.0)
    return "Component index, by"


def _length_in_points(axis):
    box = axis.axes.get_window_extent()
    return 72 / axis.axes.figure.dpi * (box.width if axis.axis_name == "x" else box.height)


def single_axes(ax: Any) -> tuple[Any, Any]:
    """Return figure and axes of a display of one panel."""
    if ax is None:
        figure = new_figure(figsize=(6, 4))
        return figure, figure.subplots()
    [axes] = check_axes(ax, (1,))
    return axes.figure, axes
