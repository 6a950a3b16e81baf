"""`ActivationsDisplay`: which components are active when."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._components import TITLES
from ._dictionaries import (
    check_dictionary_estimator,
    check_layer,
    dictionaries_of,
    indices_of,
    order_of,
)
from ._figures import (
    MAX_INDEX_LABELS,
    check_axes,
    draw_image,
    label_components,
    new_figure,
    relative_decibels,
)
from ._recordings import Frames, check_recording, describe

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ACTIVATION_RANGE_DB = 60.0
STYLE = {"cmap": "magma", "vmin": -ACTIVATION_RANGE_DB, "vmax": 0.0}


class ActivationsDisplay:
    """Activations of the components over time, target and interference apart.

    The components are in the order of `ComponentsDisplay`: from low to high spectral centroid of
    the last layer. Ticks are labelled by the components' indices in ``components_`` or, where a
    panel has more than 40 components, by their ranks in this order. The panels share one scale, in
    dB below the largest activation. Make one by `from_estimator`.

    Parameters
    ----------
    activations : dict of ndarray of shape (n_frames, n_components)
        By source: ``"target"`` and ``"interference"``, or ``"components"``.
    order : dict of ndarray of shape (n_components,)
        Indices in the activations of each source, from bottom to top.
    sample_rate : float, default=16000
        Sampling rate in Hz.
    n_fft, hop_length : int, default=512, 128
        Frame length and hop in samples.
    n_times : int, optional
        Length of the recording in samples; by default that of the frames.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of Axes
        One for each source.
    indices_ : dict of ndarray of shape (n_components,)
        Indices of the components of each source from bottom to top, as in ``components_[layer]``
        and `component_summary`: those of the interference follow those of the target.
    images_ : list of AxesImage
    colorbar_ : Colorbar

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknmf_unfold import STFT, SupervisedNMFSeparator
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> from sknmf_unfold.plotting import ActivationsDisplay
    >>> X, y = make_noisy_speech(2, duration=0.5, random_state=0)
    >>> separator = SupervisedNMFSeparator(n_components=4, max_iter=5, random_state=0)
    >>> pipe = make_pipeline(STFT(), separator).fit(X, y)
    >>> display = ActivationsDisplay.from_estimator(pipe, X[0])
    >>> [ax.get_title() for ax in display.axes_]
    ['Target', 'Interference']
    """

    def __init__(
        self,
        activations: dict[str, np.ndarray],
        order: dict[str, np.ndarray],
        *,
        sample_rate: float = 16000,
        n_fft: int = 512,
        hop_length: int = 128,
        n_times: int | None = None,
    ):
        self.activations = activations
        self.order = order
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_times = n_times

    @classmethod
    def from_estimator(
        cls,
        pipe: Pipeline,
        noisy: ArrayLike,
        *,
        layer: int = -1,
        sample_rate: float = 16000,
        ax: Any = None,
    ) -> ActivationsDisplay:
        """Infer the activations of a recording, and draw them.

        Parameters
        ----------
        pipe : Pipeline
            Fitted, of `STFT` and `SparseNMF`, `SupervisedNMFSeparator`, `DRNMFSeparator` or
            `DeepNMFSeparator`.
        noisy : array-like of shape (n_times,)
            Waveform.
        layer : int, default=-1
            Activations after this layer, see `DRNMFSeparator.transform`; estimators without
            layers have only the last one.
        sample_rate : float, default=16000
            Sampling rate in Hz.
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are sources; those of a new figure by default.

        Returns
        -------
        display : ActivationsDisplay

        Raises
        ------
        TypeError, ValueError
            If the pipeline is not as described or has no such layer, or `noisy` is not a waveform.
        ImportError
            If matplotlib is not installed.
        """
        [noisy] = check_recording(noisy=noisy)
        spectrograms, frames = describe(pipe, noisy, sample_rate)
        estimator = check_dictionary_estimator(pipe, "pipe")
        [array] = _transform(estimator, spectrograms, layer)
        dictionaries = dictionaries_of(estimator)
        ends = np.cumsum([len(components) for components in dictionaries.values()])[:-1]
        parts = np.split(np.asarray(array), ends, axis=1)
        activations = dict(zip(dictionaries, parts, strict=True))
        return cls(activations, order_of(dictionaries), **frames._asdict()).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> ActivationsDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are sources; those of a new figure by default.

        Returns
        -------
        display : ActivationsDisplay
            This object.
        """
        by_component = {source: each.T for source, each in self.activations.items()}
        self.indices_ = indices_of(by_component, self.order)
        self.axes_ = _make_axes(ax, [each.shape[1] for each in self.activations.values()])
        self.figure_ = self.axes_[0].figure
        loudest = max(float(each.max()) for each in self.activations.values())
        self.images_ = [
            self._draw(axes, source, loudest)
            for axes, source in zip(self.axes_, self.activations, strict=True)
        ]
        self.axes_[-1].set_xlabel("Time (s)")
        label = "Activation (dB re maximum)"
        self.colorbar_ = self.figure_.colorbar(self.images_[0], ax=list(self.axes_), label=label)
        return self

    def _draw(self, axes, source, loudest):
        values = self.activations[source]
        n_frames, n_components = values.shape
        n_times = n_frames * self.hop_length if self.n_times is None else self.n_times
        frames = Frames(n_times, self.n_fft, self.hop_length, self.sample_rate)
        levels = relative_decibels(values[:, self.order[source]], ACTIVATION_RANGE_DB, loudest)
        extent = (*frames.time_edges(0, n_frames), -0.5, n_components - 0.5)
        image = draw_image(axes, levels, extent, STYLE)
        axes.set(xlim=(0, frames.duration), ylim=extent[2:])
        label = label_components(axes.yaxis, self.indices_[source])
        axes.set(title=TITLES[source], ylabel=f"{label} centroid")
        return image


def _transform(estimator, spectrograms, layer):
    """Infer activations after a layer; estimators without layers have only the last one."""
    if "layer" in inspect.signature(estimator.transform).parameters:
        return estimator.transform(spectrograms, layer=layer)
    check_layer(layer, 1)
    return estimator.transform(spectrograms)


def _make_axes(ax, sizes):
    """Return the panels of sources with so many components, higher where each has a label."""
    if ax is not None:
        return check_axes(ax, (len(sizes),))
    labels = max((n for n in sizes if n <= MAX_INDEX_LABELS), default=0)
    height = max(2.75, 0.75 + 0.1 * labels)
    figure = new_figure(figsize=(8, 1 + height * len(sizes)))
    return np.atleast_1d(figure.subplots(len(sizes), 1, sharex=True))
