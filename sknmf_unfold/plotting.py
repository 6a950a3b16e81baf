"""Pictures of separations, dictionaries and training runs; needs the ``demo`` extra.

The figures belong to nobody's global state: they are made without `matplotlib.pyplot` unless a
figure or axes from there is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.utils import check_array

from .signal.stft import stft
from .validation.messages import shown
from .validation.pairs import check_pairs
from .validation.parameters import check_n_fft, check_number
from .validation.recordings import as_array, as_numbers

SPECTROGRAM_RANGE_DB = 80.0
DICTIONARY_RANGE_DB = 60.0

# Hz between which axes have ticks that can be told apart.
MIN_RATE, MAX_RATE = 1e-6, 1e12

LEVEL = {"cmap": "magma", "vmin": -SPECTROGRAM_RANGE_DB, "vmax": 0.0}
SHARE = {"cmap": "viridis", "vmin": 0.0, "vmax": 1.0}
COMPONENT = {"cmap": "magma", "vmin": -DICTIONARY_RANGE_DB, "vmax": 0.0}


def plot_separation(
    noisy, mask, enhanced, clean, *, sample_rate=16000, n_fft=512, hop_length=128, fig=None
):
    """Draw a separation in four aligned panels: noisy, mask, enhanced, clean.

    The three spectrograms share one scale, in dB below the loudest bin of all; the mask has its
    own, from 0 to 1. Each frame is drawn at the time of its centre.

    Parameters
    ----------
    noisy : array-like of shape (n_times,)
        The mixture's waveform.
    mask : array-like of shape (n_frames, n_freqs)
        What the STFT of `noisy` was multiplied by, in [0, 1].
    enhanced, clean : array-like of shape (n_times,)
        Estimated and true waveform.
    sample_rate : float, default=16000
        Sampling rate in Hz.
    n_fft, hop_length : int, default=512, 128
        Frame length and hop in samples, as they were for `mask`.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty figure to draw into; a new one by default.

    Returns
    -------
    fig : matplotlib.figure.Figure or SubFigure
        Its first four axes are the panels.

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
    sample_rate, n_fft = _check_rate(sample_rate), check_n_fft(n_fft)
    hop_length = check_number("hop_length", hop_length, low=1, high=n_fft, integer=True)
    _check_canvas("fig", fig, "subplots", "a matplotlib figure")
    waveforms = _check_recording(noisy=noisy, enhanced=enhanced, clean=clean)
    spectra = [np.abs(stft(waveform, n_fft, hop_length)) for waveform in waveforms]
    mask = _check_mask(mask, spectra[0].shape)
    noisy_db, enhanced_db, clean_db = _decibels(np.stack(spectra), SPECTROGRAM_RANGE_DB)
    panels = {
        "Noisy": (noisy_db, LEVEL),
        "Mask": (mask, SHARE),
        "Enhanced": (enhanced_db, LEVEL),
        "Clean": (clean_db, LEVEL),
    }
    fig = _constrained(_new_figure(figsize=(8, 9)) if fig is None else fig)
    axes = fig.subplots(4, 1, sharex=True, sharey=True)
    extent = _extent(mask.shape, sample_rate, n_fft, hop_length)
    for ax, (title, (values, style)) in zip(axes, panels.items(), strict=True):
        _draw(ax, values, extent, style)
        ax.set(title=title, ylabel="Frequency (Hz)")
    axes[0].set(xlim=(0, len(waveforms[0]) / sample_rate), ylim=(0, sample_rate / 2))
    axes[-1].set_xlabel("Time (s)")
    # One bar for the three spectrograms, next to two of them: the mask's own bar is in between.
    fig.colorbar(axes[1].images[0], ax=axes[1], label="Mask")
    fig.colorbar(axes[3].images[0], ax=axes[2:], label="Level (dB re maximum)")
    return fig


def _check_rate(sample_rate):
    check_number("sample_rate", sample_rate, low=0, open_low=True)
    return check_number("sample_rate", sample_rate, low=MIN_RATE, high=MAX_RATE)


def plot_components(components, *, sample_rate=16000, ax=None):
    """Draw a dictionary of spectra, one column each, from low to high spectral centroid.

    Parameters
    ----------
    components : array-like of shape (n_components, n_freqs)
        Non-negative spectra, for example ``SparseNMF().fit(X).components_``.
    sample_rate : float, default=16000
        Sampling rate in Hz; the last bin is at half of it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; on a new figure by default.

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
    sample_rate = _check_rate(sample_rate)
    _check_canvas("ax", ax, "imshow", "matplotlib axes")
    if as_array(components, "`components`").dtype.kind not in "fiu":
        raise TypeError(
            f"`components` must be an array of numbers, as `components_` is; got "
            f"{type(components).__name__}."
        )
    components = check_array(components, ensure_non_negative=True, input_name="components")
    n_components, n_freqs = components.shape
    ordered = components[np.argsort(_centroids(components), kind="stable")]
    ax = _new_figure(figsize=(8, 4)).subplots() if ax is None else ax
    half_bin = sample_rate / 4 / max(n_freqs - 1, 1)
    extent = (-0.5, n_components - 0.5, -half_bin, sample_rate / 2 + half_bin)
    image = _draw(ax, _decibels(ordered, DICTIONARY_RANGE_DB), extent, COMPONENT)
    ax.set(xlabel="Component, by spectral centroid", ylabel="Frequency (Hz)")
    ax.set_ylim(0, sample_rate / 2)
    ax.figure.colorbar(image, ax=ax, label="Level (dB re maximum)")
    return ax


def plot_history(history, ax=None):
    """Draw the training and validation loss over the epochs, and mark the best epoch.

    Parameters
    ----------
    history : dict of str to list of float
        ``"train_loss"`` and, where there was validation, ``"validation_loss"``: a number for each
        epoch, as in a fitted separator's ``history_``. Other entries are ignored.
    ax : matplotlib.axes.Axes, optional
        Where to draw; on a new figure by default.

    Returns
    -------
    ax : matplotlib.axes.Axes
        ``ax.figure`` is the figure.

    Raises
    ------
    ValueError, TypeError
        If `history` is no dict of equally many numbers each, ``"train_loss"`` among them.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = plot_history({"train_loss": [3.0, 2.0, 1.0], "validation_loss": [3.0, 2.5, 2.7]})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Training', 'Validation', 'Best epoch (2)']
    """
    if not isinstance(history, Mapping):
        raise TypeError(
            f"`history` must be a dict, as a fitted separator's `history_` is; got "
            f"{type(history).__name__}."
        )
    if "train_loss" not in history:
        raise ValueError(
            f"`history` must have an entry 'train_loss'; got {shown(sorted(history))}."
        )
    _check_canvas("ax", ax, "plot", "matplotlib axes")
    curves, epochs = _check_history(history)
    ax = _new_figure(figsize=(6, 4)).subplots() if ax is None else ax
    for key, label in [("train_loss", "Training"), ("validation_loss", "Validation")]:
        losses = curves.get(key, np.empty(0))
        if losses.size:
            ax.plot(epochs, losses, label=label)
    # After the loop `losses` is the validation's: the one that early stopping goes by.
    if np.isfinite(losses).any():
        best = int(np.nanargmin(losses))
        ax.plot(epochs[best], losses[best], "ko", label=f"Best epoch ({epochs[best]})")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="Epoch", ylabel="Loss")
    ax.legend()
    return ax


def require_matplotlib():
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


def _new_figure(figsize):
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=figsize, layout="constrained")


def _constrained(fig):
    """Let the layout keep the panels aligned, unless the figure has a layout of its own."""
    # A SubFigure has no setter: it follows the figure that it is part of.
    if hasattr(fig, "set_layout_engine") and fig.get_layout_engine() is None:
        fig.set_layout_engine("constrained")
    return fig


def _check_canvas(name, canvas, method, what):
    if canvas is not None and not hasattr(canvas, method):
        raise TypeError(f"`{name}` must be {what} or None; got {shown(canvas)}.")


def _check_history(history):
    """Losses as arrays, those without entries left out, and the number of each epoch."""
    curves = {
        key: as_numbers(_without_none(history[key]), f"`history`[{key!r}]", "a list of numbers")
        for key in ("train_loss", "validation_loss")
        if key in history
    }
    shape = curves["train_loss"].shape
    if len(shape) != 1 or shape == (0,):
        raise ValueError(f"`history`['train_loss'] must have a number for each epoch; got {shape}.")
    curves = {key: losses for key, losses in curves.items() if losses.size}
    epochs = history.get("epoch", np.arange(1, shape[0] + 1))
    for key, values in {"epoch": epochs, **curves}.items():
        if np.shape(values) != shape:
            raise ValueError(
                f"`history`[{key!r}] has shape {np.shape(values)} but 'train_loss' has {shape}."
            )
    return curves, epochs


def _without_none(values):
    is_list = isinstance(values, (list, tuple))
    return [np.nan if value is None else value for value in values] if is_list else values


def _check_recording(**signals):
    waveforms, single = check_pairs(**signals)
    if not single:
        raise ValueError("noisy, enhanced and clean must be one waveform each; pick one recording.")
    return [waveform for (waveform,) in waveforms]


def _check_mask(mask, shape):
    mask = check_array(as_array(mask, "mask"), input_name="mask")
    if mask.shape != shape:
        raise ValueError(
            f"mask has shape {mask.shape} but the STFT of noisy has {shape} (n_frames, n_freqs). "
            f"Pass the `n_fft` and `hop_length` that the mask was made with."
        )
    return mask


def _decibels(magnitudes, range_db):
    """Magnitudes in dB relative to their maximum, in [-range_db, 0]; silence is at the bottom."""
    relative = magnitudes / (magnitudes.max() or 1.0)
    return 20 * np.log10(np.maximum(relative, 10 ** (-range_db / 20)))


def _centroids(components):
    """Spectral centroid of each row, in bins; 0 for a component that is silent."""
    totals = components.sum(axis=1)
    return components @ np.arange(components.shape[1]) / np.where(totals > 0, totals, 1.0)


def _extent(shape, sample_rate, n_fft, hop_length):
    """Image edges in s and Hz: frame t is centred on sample (t + 1) * hop_length - n_fft / 2."""
    n_frames, n_freqs = shape
    start = (hop_length - n_fft) / 2
    half_bin = sample_rate / n_fft / 2
    times = start / sample_rate, (start + n_frames * hop_length) / sample_rate
    return (*times, -half_bin, (2 * n_freqs - 1) * half_bin)


def _draw(ax, values, extent, style):
    """Draw values of shape (n_columns, n_freqs) with frequency upwards."""
    options = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    return ax.imshow(values.T, extent=extent, **options, **style)
