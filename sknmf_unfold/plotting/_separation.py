"""Plot of a separation: noisy, mask, enhanced and clean, one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sknmf_unfold.signal.stft import stft
from sknmf_unfold.validation.pairs import check_pairs
from sknmf_unfold.validation.parameters import check_n_fft, check_number
from sknmf_unfold.validation.recordings import as_array

from ._figures import check_canvas, check_plot_rate, draw_image, new_figure, relative_decibels

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

SPECTROGRAM_RANGE_DB = 80.0
LEVEL_STYLE = {"cmap": "magma", "vmin": -SPECTROGRAM_RANGE_DB, "vmax": 0.0}
MASK_STYLE = {"cmap": "viridis", "vmin": 0.0, "vmax": 1.0}


def plot_separation(
    noisy: ArrayLike,
    mask: ArrayLike,
    enhanced: ArrayLike,
    clean: ArrayLike | None = None,
    *,
    sample_rate: float = 16000,
    n_fft: int = 512,
    hop_length: int = 128,
    fig: Figure | SubFigure | None = None,
) -> Any:
    """Draw a separation in aligned panels: noisy, mask, enhanced and, where it is known, clean.

    The spectrograms share one scale, in dB below the loudest bin of all; the mask has its
    own, from 0 to 1. Each frame is drawn at the time of its centre.

    Parameters
    ----------
    noisy : array-like of shape (n_times,)
        The mixture's waveform.
    mask : array-like of shape (n_frames, n_freqs)
        Mask of the STFT of `noisy`, in [0, 1].
    enhanced : array-like of shape (n_times,)
        Estimated waveform.
    clean : array-like of shape (n_times,), optional
        True waveform; by default its panel is left out.
    sample_rate : float, default=16000
        Sampling rate in Hz.
    n_fft, hop_length : int, default=512, 128
        Frame length and hop in samples, those of `mask`.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty figure to draw into; a new one by default.

    Returns
    -------
    fig : matplotlib.figure.Figure or SubFigure
        Its first axes are the panels, four or three.

    Raises
    ------
    ValueError
        If the waveforms differ in length or the mask does not fit them.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> clean, noise = 0.1 * np.random.default_rng(0).standard_normal((2, 1000))
    >>> fig = plot_separation(clean + noise, np.full((11, 257), 0.5), (clean + noise) / 2, clean)
    >>> [ax.get_title() for ax in fig.axes[:4]]
    ['Noisy', 'Mask', 'Enhanced', 'Clean']
    """
    sample_rate, n_fft = check_plot_rate(sample_rate), check_n_fft(n_fft)
    hop_length = check_number("hop_length", hop_length, low=1, high=n_fft, integer=True)
    check_canvas("fig", fig, "subplots", "a matplotlib figure")
    known = {} if clean is None else {"clean": clean}
    waveforms = _check_recording(noisy=noisy, enhanced=enhanced, **known)
    spectra = np.stack([np.abs(stft(waveform, n_fft, hop_length)) for waveform in waveforms])
    panels = _make_panels(spectra, _check_mask(mask, spectra[0].shape))
    fig = _constrained(new_figure(figsize=(8, 9)) if fig is None else fig)
    axes = fig.subplots(len(panels), 1, sharex=True, sharey=True)
    extent = _extent(spectra[0].shape, sample_rate, n_fft, hop_length)
    for ax, (title, (values, style)) in zip(axes, panels.items(), strict=True):
        draw_image(ax, values, extent, style)
        ax.set(title=title, ylabel="Frequency (Hz)")
    axes[0].set(xlim=(0, len(waveforms[0]) / sample_rate), ylim=(0, sample_rate / 2))
    axes[-1].set_xlabel("Time (s)")
    # One bar for all spectrograms, beside the last ones: the bar of the mask is in between.
    fig.colorbar(axes[1].images[0], ax=axes[1], label="Mask")
    fig.colorbar(axes[-1].images[0], ax=axes[2:], label="Level (dB re maximum)")
    return fig


def _make_panels(
    spectra: np.ndarray, mask: np.ndarray
) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Make values and style of each panel, from top to bottom."""
    noisy, *others = relative_decibels(spectra, SPECTROGRAM_RANGE_DB)
    panels = {"Noisy": (noisy, LEVEL_STYLE), "Mask": (mask, MASK_STYLE)}
    names = ("Enhanced", "Clean")[: len(others)]
    return panels | {n: (each, LEVEL_STYLE) for n, each in zip(names, others, strict=True)}


def _constrained(fig: Figure | SubFigure) -> Figure | SubFigure:
    """Align the panels by the constrained layout, unless the figure has another layout."""
    # A SubFigure has the layout of its figure.
    if hasattr(fig, "set_layout_engine") and fig.get_layout_engine() is None:
        fig.set_layout_engine("constrained")
    return fig


def _check_recording(**signals: ArrayLike) -> list[np.ndarray]:
    waveforms, single = check_pairs(**signals)
    if not single:
        raise ValueError("noisy, enhanced and clean must be one waveform each; pick one recording.")
    return [waveform for (waveform,) in waveforms]


def _check_mask(mask: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    array = check_array(as_array(mask, "mask"), input_name="mask")
    if array.shape != shape:
        raise ValueError(
            f"mask has shape {array.shape} but the STFT of noisy has {shape} (n_frames, n_freqs). "
            f"Pass the `n_fft` and `hop_length` of the mask."
        )
    return array


def _extent(
    shape: tuple[int, ...], sample_rate: float, n_fft: int, hop_length: int
) -> tuple[float, float, float, float]:
    """Compute the edges of an image in s and Hz.

    Frame t is centred on sample ``(t + 1) * hop_length - n_fft / 2``.
    """
    n_frames, n_freqs = shape
    start = (hop_length - n_fft) / 2
    half_bin = sample_rate / n_fft / 2
    times = start / sample_rate, (start + n_frames * hop_length) / sample_rate
    return (*times, -half_bin, (2 * n_freqs - 1) * half_bin)
