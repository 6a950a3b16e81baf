"""Resampling by soxr: `resample` for whole arrays, `Resampler` for samples that come in chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sknmf_unfold.validation.parameters import MAX_SAMPLE_RATE, check_size
from sknmf_unfold.validation.recordings import as_array, check_finite
from sknmf_unfold.validation.samples import float_samples

# Passband up to 0.913 of half the lower rate, stopband below -120 dB.
QUALITY = "HQ"
# From 1 kHz to 10 MHz; larger ratios take soxr minutes.
MAX_UPSAMPLING = 10_000
MAX_CHANNELS = 1024
# Samples that `resample` passes to soxr at a time.
BLOCK_SAMPLES = 2**16


def resampled_length(n_times: int, rate: int, new_rate: int) -> int:
    """Count the samples after resampling, halves rounded up.

    Parameters
    ----------
    n_times : int
        Number of samples.
    rate, new_rate : int
        Sampling rates in Hz.

    Returns
    -------
    n_times : int

    Examples
    --------
    >>> resampled_length(3, 16000, 8000), resampled_length(2, 44100, 16000)
    (2, 1)
    """
    return (2 * n_times * new_rate + rate) // (2 * rate)


def resample(waveform: ArrayLike, rate: int, new_rate: int) -> np.ndarray:
    """Resample a recording.

    Parameters
    ----------
    waveform : array-like of shape (n_times,) or (n_times, n_channels)
        Floats, or integer PCM, which is scaled to [-1, 1].
    rate, new_rate : int
        Sampling rates in Hz.

    Returns
    -------
    resampled : ndarray of shape (n_resampled,) or (n_resampled, n_channels), float32 or float64
        Of ``n_times * new_rate / rate`` samples, halves rounded up; sample i is the waveform at
        ``i / new_rate`` seconds. The waveform itself where the rates are equal.

    Raises
    ------
    ValueError, TypeError
        If the rates are not whole numbers from 1 to 10 MHz, or the samples are not finite.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    >>> expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> resampled = resample(tone, 48000, 16000)
    >>> bool(np.abs(resampled - expected)[200:-200].max() < 1e-5)
    True
    """
    samples = _checked(waveform, "`waveform`")
    resampler = Resampler(rate, new_rate, samples.shape[1] if samples.ndim == 2 else 1)
    if rate == new_rate:
        return samples
    shape = resampled_length(len(samples), rate, new_rate), *samples.shape[1:]
    resampled, n_done = np.empty(shape, samples.dtype), 0
    for start in range(0, len(samples), BLOCK_SAMPLES):
        stop = start + BLOCK_SAMPLES
        part = resampler._process(samples[start:stop], last=stop >= len(samples))
        resampled[n_done : n_done + len(part)] = part
        n_done += len(part)
    return resampled


class Resampler:
    """Resample a recording that comes in chunks of any size.

    The returned chunks together equal `resample` of the whole recording: no delay is left. A few
    hundred samples of the lower rate are held back until later ones, or the end, have come.

    Parameters
    ----------
    rate, new_rate : int
        Sampling rates in Hz.
    n_channels : int, default=1
        Number of channels.

    Examples
    --------
    >>> waveform = np.random.default_rng(0).standard_normal(44100)
    >>> resampler = Resampler(44100, 16000)
    >>> parts = [resampler.process(waveform[i : i + 4410]) for i in range(0, 44100, 4410)]
    >>> whole = np.concatenate([*parts, resampler.process([], last=True)])
    >>> whole.shape, bool(np.allclose(whole, resample(waveform, 44100, 16000)))
    ((16000,), True)
    """

    def __init__(self, rate: int, new_rate: int, n_channels: int = 1) -> None:
        self.rate = check_size("rate", rate, high=MAX_SAMPLE_RATE)
        highest = min(MAX_SAMPLE_RATE, MAX_UPSAMPLING * self.rate)
        self.new_rate = check_size("new_rate", new_rate, high=highest)
        self.n_channels = check_size("n_channels", n_channels, high=MAX_CHANNELS)
        self.reset()

    def reset(self) -> None:
        """Forget all samples and start a new recording."""
        self._stream: Any = None
        self._dtype: np.dtype = np.dtype(np.float32)
        self._n_in = self._n_out = 0
        self._is_flat = self.n_channels == 1

    def process(self, samples: ArrayLike, last: bool = False) -> np.ndarray:
        """Resample further samples; return those that are finished.

        Parameters
        ----------
        samples : array-like of shape (n_times, n_channels), or (n_times,) for one channel
            Any number of samples, also none. The dtype of the first ones, float32 or float64,
            holds until the end of the recording; integer PCM is scaled to [-1, 1].
        last : bool, default=False
            Whether the recording ends here: the rest is returned, and the next call starts a new
            recording.

        Returns
        -------
        resampled : ndarray of shape (n_finished, n_channels), or (n_finished,)

        Raises
        ------
        ValueError, TypeError
            If the samples are not finite, not real or not of that shape.
        """
        array = _checked(samples, "`samples`")
        n_channels = array.shape[1] if array.ndim == 2 else 1
        if array.size and n_channels != self.n_channels:
            raise ValueError(
                f"`samples` must be of shape (n_times, n_channels={self.n_channels}); got shape "
                f"{array.shape}."
            )
        return self._process(array, last)

    def _process(self, samples: np.ndarray, last: bool) -> np.ndarray:
        columns = samples.reshape(-1, self.n_channels)
        if len(columns):
            self._is_flat = samples.ndim == 1
        is_flat = self._is_flat
        self._n_in += len(columns)
        finished = columns if self.rate == self.new_rate else self._run(columns, last)
        if last:
            n_rest = resampled_length(self._n_in, self.rate, self.new_rate) - self._n_out
            finished = finished[:n_rest]
            self.reset()
        else:
            self._n_out += len(finished)
        return finished[:, 0] if is_flat else finished

    def _run(self, columns: np.ndarray, last: bool) -> np.ndarray:
        """Pass samples to soxr; at the end one more, so that no rounding leaves out the last."""
        if self._stream is None and len(columns):
            self._open(columns.dtype)
        if self._stream is None:
            return np.empty((0, self.n_channels), self._dtype)
        columns = np.ascontiguousarray(columns, self._dtype)
        pieces = [self._stream.resample_chunk(columns)] if len(columns) else []
        if last:
            silence = np.zeros((1, self.n_channels), self._dtype)
            pieces.append(self._stream.resample_chunk(silence, last=True))
        return np.concatenate(pieces) if pieces else np.empty(columns.shape, self._dtype)

    def _open(self, dtype: DTypeLike) -> None:
        """Make soxr's stream for samples of a dtype."""
        from soxr import ResampleStream

        self._dtype = np.dtype(dtype)
        self._stream = ResampleStream(
            self.rate, self.new_rate, self.n_channels, self._dtype.name, QUALITY
        )


def _checked(samples: ArrayLike, label: str) -> np.ndarray:
    """Check samples in one or two axes; return them as finite float32 or float64."""
    array = as_array(samples, label)
    if array.ndim not in (1, 2):
        raise ValueError(
            f"{label} must be of shape (n_times,) or (n_times, n_channels); got shape "
            f"{array.shape}."
        )
    array = float_samples(array, label)
    if array.size:
        check_finite(array, label, ("sample", "channel")[: array.ndim])
    return array
