"""`SeparationDisplay`: noisy, mask, enhanced and clean, one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sknmf_unfold.signal.stft import stft
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_n_fft, check_number
from sknmf_unfold.validation.recordings import as_array

from ._figures import check_axes, check_plot_rate, draw_image, new_figure, relative_decibels
from ._recordings import Frames, check_recording, describe, unfiltered

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SPECTROGRAM_RANGE_DB = 80.0
LEVEL_STYLE = {"cmap": "magma", "vmin": -SPECTROGRAM_RANGE_DB, "vmax": 0.0}
MASK_STYLE = {"cmap": "viridis", "vmin": 0.0, "vmax": 1.0}


class SeparationDisplay:
    """Spectrograms of a separation: noisy, mask, enhanced and, where it is known, clean.

    The spectrograms share one scale, in dB below the loudest bin of all; the mask has its own,
    from 0 to 1. Each frame is drawn at the time of its centre. Make one by `from_estimator` or
    `from_predictions`.

    Parameters
    ----------
    noisy, enhanced : ndarray of shape (n_frames, n_freqs)
        Magnitudes.
    clean : ndarray of shape (n_frames, n_freqs), optional
        Magnitudes; without them the panel is left out.
    mask : ndarray of shape (n_frames, n_freqs), optional
        In [0, 1]; without it the panel is left out.
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
        The panels from top to bottom.
    images_ : list of AxesImage
        One for each panel.
    colorbars_ : list of Colorbar
        Of the levels and, where there is one, of the mask.

    Examples
    --------
    >>> from sknmf_unfold.plotting import SeparationDisplay
    >>> clean, noise = 0.1 * np.random.default_rng(0).standard_normal((2, 1000))
    >>> display = SeparationDisplay.from_predictions(clean + noise, 0.5 * (clean + noise), clean)
    >>> [ax.get_title() for ax in display.axes_]
    ['Noisy', 'Enhanced', 'Clean']
    """

    def __init__(
        self,
        noisy: np.ndarray,
        enhanced: np.ndarray,
        clean: np.ndarray | None = None,
        *,
        mask: np.ndarray | None = None,
        sample_rate: float = 16000,
        n_fft: int = 512,
        hop_length: int = 128,
        n_times: int | None = None,
    ):
        self.noisy = noisy
        self.enhanced = enhanced
        self.clean = clean
        self.mask = mask
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_times = n_times

    @classmethod
    def from_estimator(
        cls,
        pipe: Pipeline,
        noisy: ArrayLike,
        clean: ArrayLike | None = None,
        *,
        sample_rate: float = 16000,
        ax: Any = None,
    ) -> SeparationDisplay:
        """Separate a recording, and draw the mask and the spectrograms.

        Parameters
        ----------
        pipe : Pipeline
            Fitted, of `STFT` and a separator.
        noisy : array-like of shape (n_times,)
            Waveform of the mixture.
        clean : array-like of shape (n_times,), optional
            Waveform of the target; by default its panel is left out.
        sample_rate : float, default=16000
            Sampling rate in Hz.
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are panels; those of a new figure by default.

        Returns
        -------
        display : SeparationDisplay

        Raises
        ------
        TypeError, ValueError
            If the pipeline is not as described, or the waveforms are not those of one recording.
        ImportError
            If matplotlib is not installed.
        """
        noisy, *others = check_recording(noisy=noisy, clean=clean)
        spectrograms, frames = describe(pipe, noisy, sample_rate)
        if not hasattr(pipe[-1], "predict_mask"):
            raise TypeError(f"`pipe` must end in a separator; got {shown(pipe)}.")
        [item], [mask] = spectrograms, pipe[-1].predict_mask(spectrograms)
        enhanced = item.masked(mask).inverse()
        # The high-pass has shaped the enhanced waveform already.
        spectra = [item.magnitude(), unfiltered(item, enhanced)]
        spectra += [item.of(waveform).magnitude() for waveform in others]
        return cls._of_frames(spectra, mask, frames).plot(ax=ax)

    @classmethod
    def from_predictions(
        cls,
        noisy: ArrayLike,
        enhanced: ArrayLike,
        clean: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
        sample_rate: float = 16000,
        n_fft: int = 512,
        hop_length: int = 128,
        ax: Any = None,
    ) -> SeparationDisplay:
        """Draw the spectrograms of waveforms, with or without a mask.

        Parameters
        ----------
        noisy, enhanced : array-like of shape (n_times,)
            Waveforms of the mixture and of the estimated target.
        clean : array-like of shape (n_times,), optional
            Waveform of the target; by default its panel is left out.
        mask : array-like of shape (n_frames, n_freqs), optional
            Mask of the STFT of `noisy`, in [0, 1]; by default its panel is left out.
        sample_rate : float, default=16000
            Sampling rate in Hz.
        n_fft, hop_length : int, default=512, 128
            Frame length and hop in samples, those of `mask`.
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are panels; those of a new figure by default.

        Returns
        -------
        display : SeparationDisplay

        Raises
        ------
        TypeError, ValueError
            If the waveforms differ in length or the mask does not fit them.
        ImportError
            If matplotlib is not installed.
        """
        sample_rate, n_fft = check_plot_rate(sample_rate), check_n_fft(n_fft)
        hop_length = check_number("hop_length", hop_length, low=1, high=n_fft, integer=True)
        waveforms = check_recording(noisy=noisy, enhanced=enhanced, clean=clean)
        spectra = [np.abs(stft(waveform, n_fft, hop_length)) for waveform in waveforms]
        checked = None if mask is None else _check_mask(mask, spectra[0].shape)
        frames = Frames(len(waveforms[0]), n_fft, hop_length, sample_rate)
        return cls._of_frames(spectra, checked, frames).plot(ax=ax)

    @classmethod
    def _of_frames(cls, spectra, mask, frames):
        return cls(*spectra, mask=mask, **frames._asdict())

    def plot(self, *, ax: Any = None) -> SeparationDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : sequence of matplotlib.axes.Axes, optional
            As many as there are panels; those of a new figure by default.

        Returns
        -------
        display : SeparationDisplay
            This object.
        """
        panels, n_frames = self._panels(), len(self.noisy)
        n_times = n_frames * self.hop_length if self.n_times is None else self.n_times
        frames = Frames(n_times, self.n_fft, self.hop_length, self.sample_rate)
        self.axes_ = _make_axes(ax, len(panels))
        self.figure_ = self.axes_[0].figure
        self.images_ = []
        for axes, (title, (values, style)) in zip(self.axes_, panels.items(), strict=True):
            image = draw_image(axes, values, frames.extent(0, n_frames), style)
            axes.set(title=title, ylabel="Frequency (Hz)")
            axes.set(xlim=(0, frames.duration), ylim=(0, self.sample_rate / 2))
            self.images_.append(image)
        self.axes_[-1].set_xlabel("Time (s)")
        self._add_colorbars(list(panels))
        return self

    def _panels(self):
        """Make values and style of each panel, from top to bottom."""
        spectra = {"Noisy": self.noisy, "Enhanced": self.enhanced}
        spectra |= {} if self.clean is None else {"Clean": self.clean}
        levels = relative_decibels(np.stack(list(spectra.values())), SPECTROGRAM_RANGE_DB)
        drawn = {t: (each, LEVEL_STYLE) for t, each in zip(spectra, levels, strict=True)}
        mask = {} if self.mask is None else {"Mask": (self.mask, MASK_STYLE)}
        return {"Noisy": drawn.pop("Noisy"), **mask, **drawn}

    def _add_colorbars(self, titles):
        # One bar for all spectrograms, beside the last ones: the bar of the mask is in between.
        first = titles.index("Enhanced") if "Mask" in titles else 0
        beside = list(self.axes_[first:])
        label = "Level (dB re maximum)"
        self.colorbars_ = [self.figure_.colorbar(self.images_[-1], ax=beside, label=label)]
        if "Mask" in titles:
            i = titles.index("Mask")
            bar = self.figure_.colorbar(self.images_[i], ax=self.axes_[i], label="Mask")
            self.colorbars_.append(bar)


def _make_axes(ax, n_panels):
    if ax is not None:
        return check_axes(ax, (n_panels,))
    figure = new_figure(figsize=(8, 1 + 2 * n_panels))
    return figure.subplots(n_panels, 1, sharex=True, sharey=True)


def _check_mask(mask: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    array = check_array(as_array(mask, "mask"), input_name="mask")
    if array.shape != shape:
        raise ValueError(
            f"mask has shape {array.shape} but the STFT of noisy has {shape} (n_frames, n_freqs). "
            f"Pass the `n_fft` and `hop_length` of the mask."
        )
    return array
