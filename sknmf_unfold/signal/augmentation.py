"""Augmentation in dynamic mixing: random levels, playback speeds and excerpts of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from sknmf_unfold.validation.lazy import LazyWaveform, samples_of
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number
from sknmf_unfold.validation.recordings import is_number

from ._distribution import Distribution

GAIN_LIMITS_DB = (-100, 100)
SPEED_FACTOR_LIMITS = (0.5, 2)
# Speed factors are rounded to fractions with denominators up to this one, for resampling.
MAX_SPEED_DENOMINATOR = 100


def check_speed_factors(
    speed_factors: Sequence[float] | Distribution,
) -> list[float] | Distribution:
    """Check the parameter `speed_factors` of `MixtureDataset`.

    Parameters
    ----------
    speed_factors : list of float, or a distribution
        Playback speeds, from 0.5 to 2.

    Returns
    -------
    speed_factors : list of float, or the distribution

    Raises
    ------
    ValueError, TypeError
        If they are not as described.
    """
    return check_values("speed_factors", speed_factors, SPEED_FACTOR_LIMITS)


def check_gains(gain_db: Sequence[float] | Distribution) -> list[float] | Distribution:
    """Check the parameter `gain_db` of `MixtureDataset`.

    Parameters
    ----------
    gain_db : list of float, or a distribution
        Gains in dB, within +-100.

    Returns
    -------
    gain_db : list of float, or the distribution

    Raises
    ------
    ValueError, TypeError
        If they are not as described.
    """
    return check_values("gain_db", gain_db, GAIN_LIMITS_DB)


def check_values(
    name: str, values: Sequence[float] | Distribution, limits: tuple[float, float]
) -> list[float] | Distribution:
    """Check a parameter that is a list of values to choose from, or a distribution.

    Parameters
    ----------
    name : str
        The parameter's name, for messages.
    values : list of float, or a distribution
        What the user passed.
    limits : tuple (low, high) of float
        Both inclusive. A distribution is checked when values are drawn.

    Returns
    -------
    values : list of float, or the distribution

    Raises
    ------
    ValueError, TypeError
        If they are neither, or out of bounds.

    Examples
    --------
    >>> check_values("gain_db", (0, 3), GAIN_LIMITS_DB)
    [0.0, 3.0]
    """
    if isinstance(values, Distribution):
        return values
    if is_number(values) or isinstance(values, str) or not hasattr(values, "__len__"):
        raise TypeError(
            f"`{name}` must be a list of numbers to choose from or a distribution with a method "
            f"rvs; got {shown(values)}."
        )
    if len(values) == 0:
        raise ValueError(f"`{name}` is empty; wanted numbers to choose from.")
    low, high = limits
    return [
        check_number(f"{name}[{i}]", value, low=low, high=high) for i, value in enumerate(values)
    ]


def draw_values(
    name: str,
    values: list[float] | Distribution,
    limits: tuple[float, float],
    size: int | tuple[int, ...],
    rng: np.random.RandomState,
) -> np.ndarray:
    """Draw from checked values or from a distribution, whose values are checked here.

    Parameters
    ----------
    name : str
        The parameter's name, for messages.
    values : list of float, or a distribution
        As `check_values` returns them.
    limits : tuple (low, high) of float
        Both inclusive.
    size : int or tuple of int
        Shape of the result.
    rng : numpy.random.RandomState

    Returns
    -------
    drawn : ndarray of shape size, float64

    Raises
    ------
    ValueError
        If a distribution gives a value that is out of bounds.
    """
    if isinstance(values, list):
        return rng.choice(values, size)
    drawn = np.asarray(values.rvs(size=size, random_state=rng), dtype=np.float64)
    inside = (drawn >= limits[0]) & (drawn <= limits[1])
    if not inside.all():
        bounds = f"from {limits[0]} to {limits[1]}"
        raise ValueError(f"`{name}` gave {drawn[~inside][0]:g}; wanted numbers {bounds}.")
    return drawn


def change_speed(waveform: np.ndarray, speed_factor: float) -> np.ndarray:
    """Play a recording faster or slower, which changes its pitch by the same factor.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,)
    speed_factor : float
        Within `SPEED_FACTOR_LIMITS`.

    Returns
    -------
    played : ndarray of shape (about n_times / speed_factor,)
        Of the dtype of the waveform; the waveform itself for a factor of 1.

    Examples
    --------
    >>> change_speed(np.ones(1000), 1.25).shape
    (800,)
    """
    ratio = _as_ratio(speed_factor)
    if ratio == 1:
        return waveform
    # scipy.signal takes longer to import than all of this package.
    from scipy.signal import resample_poly

    played = resample_poly(waveform, ratio.denominator, ratio.numerator)
    return played.astype(waveform.dtype, copy=False)


def played_length(n_times: int, speed_factor: float) -> int:
    """Count the samples of the return value of `change_speed`.

    Parameters
    ----------
    n_times : int
        Length of the recording.
    speed_factor : float
        Within `SPEED_FACTOR_LIMITS`.

    Returns
    -------
    n_times : int

    Examples
    --------
    >>> played_length(1001, 1.25)
    801
    """
    ratio = _as_ratio(speed_factor)
    return -(-n_times * ratio.denominator // ratio.numerator)


def draw_start(
    n_recording: int, n_times: int, speed_factor: float, rng: np.random.RandomState
) -> int:
    """Draw where an excerpt of a recording begins, which only depends on lengths.

    Parameters
    ----------
    n_recording : int
        Length of the recording in samples.
    n_times : int
        Length of the excerpt, when it is played.
    speed_factor : float
        Within `SPEED_FACTOR_LIMITS`.
    rng : numpy.random.RandomState

    Returns
    -------
    start : int
        Index of a sample of the recording.
    """
    n_needed = _n_needed(n_times, speed_factor)
    return int(rng.randint(n_recording - n_needed + 1 if n_recording >= n_needed else n_recording))


def excerpt_from(
    waveform: np.ndarray | LazyWaveform, n_times: int, speed_factor: float, start: int
) -> np.ndarray:
    """Cut an excerpt from a recording that is played faster or slower.

    Parameters
    ----------
    waveform : ndarray of shape (any length,), or LazyWaveform
        Repeated from its beginning if it is too short.
    n_times : int
        Length of the excerpt in samples.
    speed_factor : float
        Within `SPEED_FACTOR_LIMITS`.
    start : int
        From `draw_start`.

    Returns
    -------
    excerpt : ndarray of shape (n_times,)
        May be a view of the waveform.
    """
    n_needed = _n_needed(n_times, speed_factor)
    if len(waveform) >= n_needed:
        excerpt = waveform[start : start + n_needed]
    else:
        excerpt = np.resize(np.roll(samples_of(waveform), -start), n_needed)
    return change_speed(excerpt, speed_factor)[:n_times]


def _n_needed(n_times, speed_factor):
    """Count the samples of a recording that an excerpt of `n_times` samples is played from."""
    ratio = _as_ratio(speed_factor)
    return -(-n_times * ratio.numerator // ratio.denominator)


def _as_ratio(speed_factor: float) -> Fraction:
    return Fraction(float(speed_factor)).limit_denominator(MAX_SPEED_DENOMINATOR)
