"""Causal high-pass filter before the STFT: second-order Butterworth, for ranges and for streams.

The filter computes in float64. `HighPassed` filters the samples that are read, in chunks at fixed
positions and each after a warm-up, so that a sample has the same bits in every range.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from sknmf_unfold.validation.lazy import LazyWaveform
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number

ORDER = 2
# Distance of the cutoff from 0 and from half the sampling rate, relative to the rate: closer, and
# the rounding of the coefficients would change the filter.
MIN_RELATIVE_CUTOFF = 1e-6
# What may be left of the samples before a warm-up: far below the rounding of float64.
WARM_UP_RESIDUE = 1e-18
# Samples of a chunk at least; longer warm-ups take longer chunks.
MIN_CHUNK_SAMPLES = 2**13


def check_highpass(highpass: float | None, sample_rate: int) -> float | None:
    """Check the cutoff of a high-pass filter.

    Parameters
    ----------
    highpass : float or None
        Cutoff in Hz, or None for no filter.
    sample_rate : int
        Sampling rate in Hz.

    Returns
    -------
    highpass : float or None

    Raises
    ------
    ValueError, TypeError
        If it is not a number between 0 and half the sampling rate.

    Examples
    --------
    >>> check_highpass(9000, 16000)
    Traceback (most recent call last):
    ...
    ValueError: `highpass` must be None or a number of Hz above 0 and below ...
    """
    if highpass is None:
        return None
    cutoff = check_number("highpass", highpass)
    margin = MIN_RELATIVE_CUTOFF * sample_rate
    if not margin <= cutoff <= sample_rate / 2 - margin:
        raise ValueError(
            f"`highpass` must be None or a number of Hz above 0 and below sample_rate / 2 = "
            f"{sample_rate / 2:.10g} (by at least {margin:g}); got {shown(highpass)}."
        )
    return cutoff


@functools.lru_cache(maxsize=32)
def _coefficients(cutoff: float, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute numerator and denominator of the filter, three coefficients each."""
    from scipy.signal import butter

    # Sections are computed from zeros and poles: the gain at 0 Hz is 0 without rounding.
    [section] = butter(ORDER, cutoff, "highpass", fs=sample_rate, output="sos")
    return section[:3], section[3:]


def warm_up_length(cutoff: float, sample_rate: int) -> int:
    """Count the samples after which a filter has forgotten what came before them.

    The response to earlier samples decays by the radius of the poles with every sample.

    Parameters
    ----------
    cutoff : float
        In Hz.
    sample_rate : int
        Sampling rate in Hz.

    Returns
    -------
    n_times : int
        The response has decayed to 1e-18.

    Examples
    --------
    >>> warm_up_length(50, 16000)
    2986
    """
    # The poles are a complex pair, whose product is the last coefficient.
    radius = math.sqrt(_coefficients(cutoff, sample_rate)[1][-1])
    return math.ceil(math.log(WARM_UP_RESIDUE) / math.log(radius))


class HighPassed:
    """A waveform behind a high-pass filter, of which slices are computed when they are read.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,), float32 or float64, or LazyWaveform
    cutoff : float
        In Hz.
    sample_rate : int
        Sampling rate in Hz.

    Examples
    --------
    >>> filtered = HighPassed(np.ones(16000), 50, 16000)
    >>> float(filtered[:1][0]) > 0.9, bool(abs(filtered[8000:8001][0]) < 1e-9)
    (True, True)
    """

    def __init__(
        self, waveform: np.ndarray | LazyWaveform, cutoff: float, sample_rate: int
    ) -> None:
        self._waveform = waveform
        self._coefficients = _coefficients(cutoff, sample_rate)
        self._warm_up = warm_up_length(cutoff, sample_rate)
        self._chunk = max(MIN_CHUNK_SAMPLES, self._warm_up)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the waveform."""
        return self._waveform.dtype

    def __len__(self) -> int:
        return len(self._waveform)

    def __getitem__(self, times: slice) -> np.ndarray:
        start, stop, _ = times.indices(len(self))
        filtered = np.empty(max(stop - start, 0), self.dtype)
        first_chunk = start - start % self._chunk
        # All that is needed at once: a recording in a file is read once.
        known = max(first_chunk - self._warm_up, 0)
        samples = self._waveform[known:stop]
        for first in range(first_chunk, stop, self._chunk):
            begin, end = max(first, start), min(first + self._chunk, stop)
            origin = max(first - self._warm_up, 0)
            chunk = self._filter(samples[origin - known : end - known])
            filtered[begin - start : end - start] = chunk[begin - origin :]
        return filtered

    def _filter(self, samples: np.ndarray) -> np.ndarray:
        """Filter samples after silence, in float64."""
        from scipy.signal import lfilter

        return lfilter(*self._coefficients, samples.astype(np.float64))


class RunningHighPass:
    """High-pass filter of streams, which carries its state from chunk to chunk.

    Parameters
    ----------
    cutoff : float
        In Hz.
    sample_rate : int
        Sampling rate in Hz.
    n_streams : int
        Number of parallel waveforms.

    Examples
    --------
    >>> running = RunningHighPass(50, 16000, 1)
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> parts = [running(x[np.newaxis, i : i + 100])[0] for i in range(0, 1000, 100)]
    >>> bool(np.allclose(np.concatenate(parts), HighPassed(x, 50, 16000)[:]))
    True
    """

    def __init__(self, cutoff: float, sample_rate: int, n_streams: int) -> None:
        self._coefficients = _coefficients(cutoff, sample_rate)
        self._state = np.zeros((n_streams, ORDER))

    def reset(self) -> None:
        """Return to the state before the first sample."""
        self._state = np.zeros_like(self._state)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Filter the next samples.

        Parameters
        ----------
        samples : ndarray of shape (n_streams, n_times)

        Returns
        -------
        filtered : ndarray of shape (n_streams, n_times)
            Of the same dtype.
        """
        # For the few samples of a hop it takes a fifth of the time of `sosfilt`.
        from scipy.signal import lfilter

        filtered, self._state = lfilter(*self._coefficients, samples, axis=1, zi=self._state)
        return filtered.astype(samples.dtype)
