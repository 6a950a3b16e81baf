"""Plot of a dictionary: its components by spectral centroid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sknmf_unfold.validation.recordings import as_array

from ._figures import check_canvas, check_plot_rate, draw_image, new_figure, relative_decibels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DICTIONARY_RANGE_DB = 60.0
COMPONENT_STYLE = {"cmap": "magma", "vmin": -DICTIONARY_RANGE_DB, "vmax": 0.0}


def plot_components(
    components: ArrayLike, *, sample_rate: float = 16000, ax: Axes | None = None
) -> Axes:
    """Draw a dictionary of spectra, one column each, from low to high spectral centroid.

    Parameters
    ----------
    components : array-like of shape (n_components, n_freqs)
        Non-negative spectra, for example ``SparseNMF().fit(X).components_``.
    sample_rate : float, default=16000
        Sampling rate in Hz; the last bin is at half of it.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; those of a new figure by default.

    Returns
    -------
    ax : matplotlib.axes.Axes
        ``ax.figure`` is the figure.

    Raises
    ------
    ValueError, TypeError
        If `components` is not a finite, non-negative 2-D array.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = plot_components(np.eye(257)[[200, 3, 90]])
    >>> ax.get_ylabel()
    'Frequency (Hz)'
    """
    sample_rate = check_plot_rate(sample_rate)
    check_canvas("ax", ax, "imshow", "matplotlib axes")
    if as_array(components, "`components`").dtype.kind not in "fiu":
        raise TypeError(
            f"`components` must be an array of numbers, as `components_` is; got "
            f"{type(components).__name__}."
        )
    spectra = check_array(components, ensure_non_negative=True, input_name="components")
    n_components, n_freqs = spectra.shape
    ordered = spectra[np.argsort(_centroids(spectra), kind="stable")]
    ax = new_figure(figsize=(8, 4)).subplots() if ax is None else ax
    half_bin = sample_rate / 4 / max(n_freqs - 1, 1)
    extent = (-0.5, n_components - 0.5, -half_bin, sample_rate / 2 + half_bin)
    image = draw_image(ax, relative_decibels(ordered, DICTIONARY_RANGE_DB), extent, COMPONENT_STYLE)
    ax.set(xlabel="Component, by spectral centroid", ylabel="Frequency (Hz)")
    ax.set_ylim(0, sample_rate / 2)
    ax.figure.colorbar(image, ax=ax, label="Level (dB re maximum)")
    return ax


def _centroids(components: np.ndarray) -> np.ndarray:
    """Compute the spectral centroid of each row, in bins; 0 for a row of zeros."""
    totals = components.sum(axis=1)
    return components @ np.arange(components.shape[1]) / np.where(totals > 0, totals, 1.0)
