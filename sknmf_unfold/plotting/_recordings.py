"""One recording for a display: checks, spectrograms and the times of frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sknmf_unfold.signal import Spectrogram, Spectrograms
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.pairs import check_pairs

from ._figures import Extent, check_plot_rate


class Frames(NamedTuple):
    """Places of the frames and bins of one recording, in samples.

    Parameters
    ----------
    n_times : int
        Length of the recording.
    n_fft, hop_length : int
    sample_rate : float
        In Hz.
    """

    n_times: int
    n_fft: int
    hop_length: int
    sample_rate: float

    @property
    def duration(self) -> float:
        """Length of the recording in s."""
        return self.n_times / self.sample_rate

    def centres(self, n_frames: int) -> np.ndarray:
        """Compute the time of the middle of each frame in s."""
        # Frame t is centred on sample (t + 1) * hop_length - n_fft / 2.
        samples = (np.arange(n_frames) + 1) * self.hop_length - self.n_fft / 2
        return samples / self.sample_rate

    def time_edges(self, start: int, stop: int) -> tuple[float, float]:
        """Compute the edges of an image of some frames in s."""
        first = (start + 0.5) * self.hop_length - self.n_fft / 2
        last = (stop + 0.5) * self.hop_length - self.n_fft / 2
        return first / self.sample_rate, last / self.sample_rate

    def frequency_edges(self) -> tuple[float, float]:
        """Compute the edges of an image of all bins in Hz."""
        half_bin = self.sample_rate / self.n_fft / 2
        return -half_bin, (2 * (self.n_fft // 2 + 1) - 1) * half_bin

    def extent(self, start: int, stop: int) -> Extent:
        """Compute the edges of a spectrogram of some frames in s and Hz."""
        return (*self.time_edges(start, stop), *self.frequency_edges())


def check_recording(**signals: ArrayLike | None) -> list[np.ndarray]:
    """Check waveforms of one recording; those that are None are left out.

    Raises
    ------
    TypeError, ValueError
        If they are not waveforms of one length.
    """
    known = {name: signal for name, signal in signals.items() if signal is not None}
    waveforms, single = check_pairs(**known)
    if not single:
        names = " and ".join(known)
        raise ValueError(f"{names} must be one waveform each; pick one recording.")
    return [waveform for (waveform,) in waveforms]


def describe(pipe: Any, waveform: np.ndarray, sample_rate: float) -> tuple[Spectrograms, Frames]:
    """Compute the input of the last step of a pipeline for one recording.

    Parameters
    ----------
    pipe : Pipeline
        It begins with `STFT`.
    waveform : ndarray of shape (n_times,)
    sample_rate : float
        In Hz.

    Returns
    -------
    spectrograms : Spectrograms
        One item.
    frames : Frames

    Raises
    ------
    TypeError, ValueError
        If `pipe` is something else, or for another sampling rate.
    """
    if not isinstance(pipe, Pipeline) or len(pipe) < 2:
        raise TypeError(
            f"`pipe` must be a Pipeline of STFT and a fitted estimator; got {shown(pipe)}."
        )
    sample_rate = check_plot_rate(sample_rate)
    spectrograms = pipe[:-1].transform([waveform])
    if not isinstance(spectrograms, Spectrograms):
        raise TypeError(
            f"`pipe` must begin with STFT, whose frames have times and frequencies; got "
            f"{shown(pipe)}."
        )
    item = spectrograms[0]
    check_same_rate(item.sample_rate, sample_rate)
    return spectrograms, Frames(item.n_times, item.n_fft, item.hop_length, sample_rate)


def check_same_rate(of_model: float | None, sample_rate: float) -> None:
    """Raise ``ValueError`` if a model has another sampling rate than a display."""
    if of_model not in (None, sample_rate):
        raise ValueError(
            f"`sample_rate` is {sample_rate:g} but the STFT of the model has {of_model} Hz; pass "
            f"sample_rate={of_model}."
        )


def unfiltered(item: Spectrogram, waveform: np.ndarray) -> np.ndarray:
    """Compute the magnitudes of another waveform with the settings of an item but its high-pass."""
    analysis = item.n_fft, item.hop_length, item.window, item.sample_rate
    return Spectrogram(waveform, *analysis).magnitude()


def last_step(estimator: Any) -> BaseEstimator:
    """Return the last step of a pipeline, or of anything else itself; frozen ones are unpacked."""
    estimator = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if type(estimator).__name__ == "FrozenEstimator":
        return estimator.estimator
    return estimator
