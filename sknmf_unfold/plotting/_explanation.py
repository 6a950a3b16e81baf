"""`MaskExplanationDisplay`: the terms of a mask's log-odds, and the components behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.separators import DRNMFSeparator
from sknmf_unfold.separators._explanation import (
    estimate_contributions,
    evidence_contributions,
    power_weights,
)
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number

from ._figures import check_axes, diverging_colours, draw_image, new_figure
from ._recordings import Frames, check_recording, describe, last_step

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TITLES = {"estimates": "Estimates", "evidence": "Evidence", "gru_units": "GRU units"}
# Of the absolute values: a few bins with hardly any estimate would set the scale.
SCALE_QUANTILE = 0.99
# Light and dark, so that they differ in greyscale too.
BAR_STYLES = {
    "estimates": {"color": "#20406f", "label": "Estimates"},
    "evidence": {"color": "#f0a860", "label": "Evidence", "hatch": "///", "edgecolor": "#7a4a10"},
}


class MaskExplanationDisplay:
    r"""Terms of the log-odds of a mask for a stretch of sound, and the components behind them.

    The images are the terms of :math:`\log(M / (1 - M))`, see `DRNMFSeparator.explain_mask`, on
    one scale, and their sum: yellow raises the mask, blue lowers it. A term that the model does
    not have is left out. The bars are the components that raised or lowered the log-odds most, in
    the mean over the frames and bins of the stretch, weighted by their power in the mixture.

    A component contributes to both terms that depend on the components. Its part of the evidence
    is :math:`s_i E_i`, its share of the activations times its weight of evidence. Its part of the
    estimates is :math:`\pm p \, y_i / L(\hat{Y}, \hat{V})`: plus for a component of the target,
    minus for one of the interference, with its own estimate :math:`y_i = h_i W_i` and the
    logarithmic mean :math:`L(Y, V) = (Y - V) / (\log Y - \log V)`. Both add up over all components
    to the terms, exactly. Make one by `from_estimator`.

    Parameters
    ----------
    terms : dict of ndarray of shape (n_frames, n_freqs)
        Terms by name, in nats: ``"estimates"`` and, if the model has them, ``"evidence"`` and
        ``"gru_units"``.
    contributions : dict of ndarray of shape (n_components,)
        Parts of the components, in nats: ``"estimates"`` and, if the model has it,
        ``"evidence"``; the target's components first.
    labels : list of str
        Names of the components.
    n_components : int, default=8
        Number of bars.
    extent : tuple (left, right, bottom, top) of float, optional
        Edges of the images in s and Hz; by default in frames and bins.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of Axes
        Images of the terms, that of their sum, and the bars.
    images_ : list of AxesImage
    colorbar_ : Colorbar
    bars_ : list of BarContainer
        One for each entry of `contributions`.
    components_ : ndarray of int
        Index of the component of each bar, from top to bottom.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknmf_unfold import STFT, DRNMFSeparator
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> from sknmf_unfold.plotting import MaskExplanationDisplay
    >>> X, y = make_noisy_speech(4, duration=0.5, random_state=0)
    >>> separator = DRNMFSeparator(n_components=5, max_epochs=1, random_state=0)
    >>> pipe = make_pipeline(STFT(), separator).fit(X, y)
    >>> display = MaskExplanationDisplay.from_estimator(pipe, X[0], start=0.1, stop=0.3)
    >>> [ax.get_title() for ax in display.axes_[:3]]
    ['Estimates', 'Evidence', 'Sum: log-odds of the mask']
    """

    def __init__(
        self,
        terms: dict[str, np.ndarray],
        contributions: dict[str, np.ndarray],
        labels: list[str],
        *,
        n_components: int = 8,
        extent: tuple[float, float, float, float] | None = None,
    ):
        self.terms = terms
        self.contributions = contributions
        self.labels = labels
        self.n_components = n_components
        self.extent = extent

    @classmethod
    def from_estimator(
        cls,
        pipe: Pipeline,
        noisy: ArrayLike,
        *,
        start: float = 0.0,
        stop: float | None = None,
        n_components: int = 8,
        sample_rate: float = 16000,
        ax: Any = None,
    ) -> MaskExplanationDisplay:
        """Explain the mask of a stretch of a recording.

        Parameters
        ----------
        pipe : Pipeline
            Fitted, of `STFT` and `DRNMFSeparator`.
        noisy : array-like of shape (n_times,)
            Waveform of the mixture. All of it is inferred, since frames depend on those before.
        start, stop : float, default=0.0, None
            The stretch in s; None is the end of the recording. It has the frames whose centres
            are in it.
        n_components : int, default=8
            Number of components in the bar chart.
        sample_rate : float, default=16000
            Sampling rate in Hz.
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are panels: one for each term, for the sum and for the bars. Those of
            a new figure by default.

        Returns
        -------
        display : MaskExplanationDisplay

        Raises
        ------
        TypeError, ValueError
            If the pipeline is not as described, or there is no frame in the stretch.
        ImportError
            If matplotlib is not installed.
        """
        [noisy] = check_recording(noisy=noisy)
        n_components = check_number("n_components", n_components, low=1, integer=True)
        spectrograms, frames = describe(pipe, noisy, sample_rate)
        separator = _check_separator(pipe)
        chosen = _stretch(frames, len(spectrograms[0]), start, stop)
        [terms] = separator.explain_mask(spectrograms)
        [activations] = separator.transform(spectrograms)
        terms = {name: terms[name][chosen] for name in _known_terms(separator)}
        contributions = _contributions(
            separator,
            np.asarray(activations)[chosen],
            power_weights(spectrograms[0].magnitude()[chosen]),
        )
        extent = frames.extent(chosen.start, chosen.stop)
        labels = _labels(separator, frames.sample_rate)
        display = cls(terms, contributions, labels, n_components=n_components, extent=extent)
        return display.plot(ax=ax)

    def plot(self, *, ax: Any = None) -> MaskExplanationDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are panels; those of a new figure by default.

        Returns
        -------
        display : MaskExplanationDisplay
            This object.
        """
        images = {TITLES[name]: term for name, term in self.terms.items()}
        images["Sum: log-odds of the mask"] = np.sum(list(self.terms.values()), axis=0)
        self.axes_ = _make_axes(ax, len(images))
        self.figure_ = self.axes_[0].figure
        limit = max(np.quantile(np.abs(list(images.values())), SCALE_QUANTILE), 1e-3)
        style = {"cmap": diverging_colours(), "vmin": -limit, "vmax": limit}
        self.images_ = []
        for axes, (title, values) in zip(self.axes_, images.items(), strict=False):
            self.images_.append(self._draw(axes, values, style))
            axes.set(title=title, ylabel="Frequency (Hz)")
        last = self.axes_[len(images) - 1]
        last.set_xlabel("Time (s)")
        beside = list(self.axes_[: len(images)])
        label = "Log-odds (nats)"
        settings = {"ax": beside, "label": label, "extend": "both", "aspect": 40}
        self.colorbar_ = self.figure_.colorbar(self.images_[0], **settings)
        self._draw_bars(self.axes_[-1])
        return self

    def _draw(self, axes, values, style):
        extent = self.extent
        if extent is None:
            extent = (-0.5, len(values) - 0.5, -0.5, values.shape[1] - 0.5)
        image = draw_image(axes, values, extent, style)
        axes.set(xlim=extent[:2], ylim=(max(extent[2], 0), extent[3]))
        return image

    def _draw_bars(self, axes):
        """Draw the parts of the components with the largest sums, the largest at the top."""
        totals = np.sum(list(self.contributions.values()), axis=0)
        self.components_ = np.argsort(-np.abs(totals), kind="stable")[: self.n_components]
        rows, height = np.arange(len(self.components_)), 0.8 / len(self.contributions)
        self.bars_ = [
            axes.barh(rows + i * height, values[self.components_], height, **BAR_STYLES[name])
            for i, (name, values) in enumerate(self.contributions.items())
        ]
        middle = rows + (len(self.contributions) - 1) * height / 2
        axes.set_yticks(middle, [self.labels[i] for i in self.components_])
        axes.invert_yaxis()
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel("Mean contribution (nats)")
        above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2}
        axes.legend(title="Components that changed the mask most", frameon=False, **above)


def _check_separator(pipe):
    separator = last_step(pipe)
    if not isinstance(separator, DRNMFSeparator):
        raise TypeError(f"`pipe` must end in a DRNMFSeparator; got {shown(pipe)}.")
    return separator


def _stretch(frames: Frames, n_frames: int, start: Any, stop: Any) -> slice:
    """Return the frames whose centres are between two times."""
    start = check_number("start", start, low=0)
    stop = frames.duration if stop is None else check_number("stop", stop, low=0)
    # Those of the first and the last frames may lie outside of the recording.
    centres = np.clip(frames.centres(n_frames), 0, frames.duration)
    inside = np.flatnonzero((centres >= start) & (centres <= stop))
    if not len(inside):
        raise ValueError(
            f"No frame is centred between `start`={start:g} and `stop`={stop:g} s; the recording "
            f"has {frames.duration:g} s."
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _known_terms(separator):
    """Return the names of the terms that a model has."""
    sizes = {"evidence": len(separator.evidence_), "gru_units": len(separator.gru_evidence_)}
    return ["estimates", *(name for name, size in sizes.items() if size)]


def _contributions(separator, activations, weights):
    floor = float(np.finfo(activations.dtype).eps) ** 2
    model = separator.output_components_, float(separator.mask_exponent_), floor
    contributions = {"estimates": estimate_contributions(activations, *model, weights)}
    if len(separator.evidence_):
        evidence = separator.evidence_
        contributions["evidence"] = evidence_contributions(activations, evidence, weights)
    return contributions


def _labels(separator, sample_rate):
    """Name each component by its number, its source and its loudest frequency."""
    output = separator.output_components_
    peaks = output.argmax(axis=1) * sample_rate / 2 / max(output.shape[1] - 1, 1)
    sources = np.repeat(["target", "interference"], len(output) // 2)
    named = enumerate(zip(sources, peaks, strict=True))
    return [f"{i}: {source}, {peak:.0f} Hz" for i, (source, peak) in named]


def _make_axes(ax, n_images):
    if ax is not None:
        return check_axes(ax, (n_images + 1,))
    figure = new_figure(figsize=(11, 1 + 2.2 * n_images))
    names: Any = [[f"image {i}", "bars"] for i in range(n_images)]
    panels = figure.subplot_mosaic(names, width_ratios=[3, 2])
    for i in range(1, n_images):
        panels[f"image {i}"].sharex(panels["image 0"])
        panels[f"image {i}"].sharey(panels["image 0"])
        panels[f"image {i - 1}"].tick_params(labelbottom=False)
    return np.array([*(panels[f"image {i}"] for i in range(n_images)), panels["bars"]])
