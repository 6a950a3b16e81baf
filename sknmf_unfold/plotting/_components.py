"""`ComponentsDisplay`: the dictionaries of a model, before and after training."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.separators._component_measures import change_db
from sknmf_unfold.validation.messages import shown

from ._dictionaries import (
    Dictionaries,
    check_dictionary_estimator,
    check_layer,
    dictionaries_of,
    indices_of,
    n_layers_of,
    order_of,
    starting_dictionaries,
)
from ._figures import (
    check_axes,
    check_plot_rate,
    diverging_colours,
    draw_image,
    label_components,
    new_figure,
    relative_decibels,
)
from ._recordings import check_same_rate

DICTIONARY_RANGE_DB = 60.0
LEVEL_STYLE = {"cmap": "magma", "vmin": -DICTIONARY_RANGE_DB, "vmax": 0.0}
# Of the absolute changes, the end of their scale, which is at least so many dB.
CHANGE_QUANTILE, MIN_CHANGE_LIMIT_DB = 0.995, 1.0
TITLES = {"target": "Target", "interference": "Interference", "components": "Components"}


class ComponentsDisplay:
    """Dictionaries of spectra, one column a component, target and interference apart.

    The order of the components is the same in all rows, so that columns can be compared: from low
    to high spectral centroid of the dictionary before training or, without one, of the last layer.
    Ticks are labelled by the components' indices in ``components_`` or, where a panel has more than
    40 components, by their ranks in this order. Make one by `from_estimator`.

    Parameters
    ----------
    layers : list of dict of ndarray of shape (n_components, n_freqs)
        Dictionaries of each layer, by source: ``"target"`` and ``"interference"``, or
        ``"components"``.
    before : dict of ndarray of shape (n_components, n_freqs), optional
        Dictionaries to compare with; adds a row for them, and one for the change of each layer.
    order : dict of ndarray of shape (n_components,), optional
        Indices in the dictionary of each source, from left to right; by default by the spectral
        centroid of `before` or of the last of `layers`.
    names : list of str, optional
        Titles of the layers, which differ from each other.
    sample_rate : float, default=16000
        Sampling rate in Hz.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of Axes of shape (n_rows, n_sources)
    indices_ : dict of ndarray of shape (n_components,)
        Indices of the components of each source from left to right, as in ``components_[layer]``
        and `component_summary`: those of the interference follow those of the target.
    images_ : ndarray of AxesImage of shape (n_rows, n_sources)
    colorbars_ : list of Colorbar
        Of the levels and, with `before`, of the changes.

    Examples
    --------
    >>> from sknmf_unfold import SparseNMF
    >>> from sknmf_unfold.plotting import ComponentsDisplay
    >>> frames = np.random.default_rng(0).random((50, 9))
    >>> nmf = SparseNMF(n_components=3, sparsity=0.1, random_state=0).fit(frames)
    >>> display = ComponentsDisplay.from_estimator(nmf)
    >>> display.axes_[0, 0].get_ylabel()
    'Frequency (Hz)'
    """

    def __init__(
        self,
        layers: list[Dictionaries],
        *,
        before: Dictionaries | None = None,
        order: dict[str, np.ndarray] | None = None,
        names: list[str] | None = None,
        sample_rate: float = 16000,
    ):
        self.layers = layers
        self.before = before
        self.order = order
        self.names = names
        self.sample_rate = sample_rate

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        layer: int | str = -1,
        compare_to: Any = None,
        sample_rate: float = 16000,
        ax: Any = None,
    ) -> ComponentsDisplay:
        """Draw the dictionaries of a fitted estimator.

        Parameters
        ----------
        estimator : SparseNMF, SupervisedNMFSeparator, DRNMFSeparator or DeepNMFSeparator
            Fitted, or a `Pipeline` that ends in one.
        layer : int or "all", default=-1
            Index of the layer in ``components_``, or all of them, one row each.
        compare_to : estimator or "start", optional
            Another fitted estimator with as many components, whose last layer is drawn first, or
            the NMF that training started from, where the estimator has it (models of
            ``load_pretrained`` do not). Below each layer is then its change in dB; bins more than
            60 dB below the loudest count as 60 dB below.
        sample_rate : float, default=16000
            Sampling rate in Hz.
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are panels, row by row; those of a new figure by default.

        Returns
        -------
        display : ComponentsDisplay

        Raises
        ------
        TypeError, ValueError
            If an estimator has no dictionaries or no such layer, or if both do not fit together.
        NotFittedError
            If an estimator is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        estimator = check_dictionary_estimator(estimator)
        sample_rate = check_plot_rate(sample_rate)
        settings = getattr(estimator, "stft_settings_", None) or {}
        check_same_rate(settings.get("sample_rate"), sample_rate)
        indices, n_layers = _chosen(layer, n_layers_of(estimator)), n_layers_of(estimator)
        layers = [dictionaries_of(estimator, k) for k in indices]
        before = None if compare_to is None else _reference(compare_to, estimator, layers[0])
        reference = dictionaries_of(estimator) if before is None else before
        names = [f"layer {k + 1} of {n_layers}" if n_layers > 1 else "" for k in indices]
        settings = {"order": order_of(reference), "names": names, "sample_rate": sample_rate}
        return cls(layers, before=before, **settings).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> ComponentsDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are panels, row by row; those of a new figure by default.

        Returns
        -------
        display : ComponentsDisplay
            This object.
        """
        levels, changes = self._levels(), self._changes()
        titles, sources = [*levels, *changes], list(self.layers[0])
        self.axes_ = _make_axes(ax, (len(titles), len(sources)))
        self.figure_ = self.axes_[0, 0].figure
        self.images_ = np.empty(self.axes_.shape, dtype=object)
        styles = [LEVEL_STYLE] * len(levels) + [_change_style(changes)] * len(changes)
        for i, values in enumerate([*levels.values(), *changes.values()]):
            for j, source in enumerate(sources):
                self.images_[i, j] = self._draw(self.axes_[i, j], values[source], styles[i])
                title = ", ".join(filter(None, [TITLES[source], titles[i]]))
                self.axes_[i, j].set_title(title)
        for axes in self.axes_[:, 0]:
            axes.set_ylabel("Frequency (Hz)")
        self._label_columns()
        self.colorbars_ = [self._add_colorbar(slice(len(levels)), "Level (dB re maximum)")]
        if changes:
            rows = slice(len(levels), None)
            self.colorbars_.append(self._add_colorbar(rows, "Change (dB)", extend="both"))
        return self

    def _draw(self, axes, values, style):
        n_components, n_freqs = values.shape
        half_bin = self.sample_rate / 4 / max(n_freqs - 1, 1)
        extent = (-0.5, n_components - 0.5, -half_bin, self.sample_rate / 2 + half_bin)
        image = draw_image(axes, values, extent, style)
        axes.set(xlim=extent[:2], ylim=(0, self.sample_rate / 2))
        return image

    def _label_columns(self):
        """Label the components, which are the same in all rows."""
        self.indices_ = indices_of(self.layers[0], self._order())
        for column, indices in zip(self.axes_.T, self.indices_.values(), strict=True):
            labels = [label_components(axes.xaxis, indices) for axes in column]
            column[-1].set_xlabel(f"{labels[-1]} spectral centroid")

    def _levels(self):
        """Compute the levels of each row with a dictionary, by title."""
        rows = {} if self.before is None else {"before": self.before}
        rows |= {self._title("after", i): layer for i, layer in enumerate(self.layers)}
        loudest = _loudest(*rows.values())
        return {
            title: {
                source: relative_decibels(each, DICTIONARY_RANGE_DB, loudest)
                for source, each in self._ordered(layer).items()
            }
            for title, layer in rows.items()
        }

    def _changes(self):
        """Compute the changes of each layer, by title; none without a dictionary before."""
        rows, before = {}, self.before or {}
        for i, layer in enumerate(self.layers if before else []):
            loudest = _loudest(before, layer)
            change = {s: change_db(each, before[s], loudest) for s, each in layer.items()}
            rows[self._title("change", i)] = self._ordered(change)
        return rows

    def _order(self):
        first = self.layers[-1] if self.before is None else self.before
        return order_of(first) if self.order is None else self.order

    def _ordered(self, layer):
        order = self._order()
        return {source: each[order[source]] for source, each in layer.items()}

    def _title(self, kind, i):
        """Make the title of a row; there is nothing before and after without a comparison."""
        names = self.names
        if names is None:
            names = [f"layer {k + 1}" for k in range(len(self.layers))]
        kind = "" if self.before is None else kind
        return ", ".join(filter(None, [kind, names[i]]))

    def _add_colorbar(self, rows, label, **settings):
        axes, [image, *_] = self.axes_[rows], self.images_[rows].flat
        settings |= {"label": label, "aspect": 15 * len(axes)}
        return self.figure_.colorbar(image, ax=list(axes.flat), **settings)


def _chosen(layer, n_layers):
    """Return the indices of the layers to draw."""
    if isinstance(layer, str):
        if layer != "all":
            raise ValueError(f"`layer` must be a whole number or 'all'; got {shown(layer)}.")
        return list(range(n_layers))
    return [check_layer(layer, n_layers)]


def _reference(compare_to, estimator, dictionaries):
    """Return the dictionaries to compare with, which must have the same sources and shapes."""
    if isinstance(compare_to, str):
        if compare_to != "start":
            raise ValueError(
                f"`compare_to` must be a fitted estimator or 'start'; got {shown(compare_to)}."
            )
        return starting_dictionaries(estimator)
    before = dictionaries_of(check_dictionary_estimator(compare_to, "compare_to"))
    shapes, wanted = ({s: w.shape for s, w in each.items()} for each in (before, dictionaries))
    if shapes != wanted:
        raise ValueError(
            f"`compare_to` has dictionaries of shapes {shapes}, but `estimator` has {wanted}; "
            f"compare estimators of the same sources, numbers of components and bins."
        )
    return before


def _loudest(*layers):
    return max(float(each.max()) for layer in layers for each in layer.values())


def _change_style(changes):
    """Make the style of the changes, symmetrical about 0."""
    values = [np.abs(each).ravel() for layer in changes.values() for each in layer.values()]
    limit = np.quantile(np.concatenate(values), CHANGE_QUANTILE) if values else 0.0
    limit = max(limit, MIN_CHANGE_LIMIT_DB)
    return {"cmap": diverging_colours(), "vmin": -limit, "vmax": limit}


def _make_axes(ax, shape):
    if ax is not None:
        return check_axes(ax, shape)
    figure = new_figure(figsize=(1 + 4.5 * shape[1], 1 + 2.5 * shape[0]))
    return figure.subplots(*shape, squeeze=False, sharey=True, sharex="col")
