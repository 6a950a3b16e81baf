"""Checks of numeric parameters, and their limits."""

from __future__ import annotations

import math
import numbers
from typing import Any, Literal

import numpy as np

from .messages import shown

# Rates that libsndfile writes and that resampling can reach in reasonable memory.
MAX_SAMPLE_RATE = 10_000_000
# A minute of audio, beyond which memory is exhausted before anything useful is computed.
MAX_N_FFT = 2**20
# The largest whole number that torch, numpy and files take.
MAX_WHOLE = 2**63 - 1
# Weights that a laptop holds but hardly trains: 8 GiB in float32.
MAX_WEIGHTS = 2**31
# Bounds of sizes, far beyond what separates better.
MAX_LAYERS = 1000
MAX_COMPONENTS = 100_000
MAX_UNITS = 100_000
MAX_CONTEXT = 10_000
# Far enough below the largest float32 for squares and for sums over many frames.
MAX_WEIGHT = 1e15
MIN_STEP_SIZE, MAX_STEP_SIZE = 1e-30, 1e6
MAX_LEARNING_RATE = 1e6


def check_number(
    name: str,
    value: object,
    *,
    low: float | None = None,
    high: float | None = None,
    integer: bool = False,
    open_low: bool = False,
    limits: tuple[float | None, float | None] = (None, None),
) -> Any:
    """Check that `value` is a finite real (or whole) number within its bounds.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        A Python or numpy number of any width, or a fraction.
    low, high : float, optional
        Inclusive bounds, which every message names. A whole number has at most 64 bits.
    integer : bool, default=False
        Whether only whole numbers are valid.
    open_low : bool, default=False
        Whether `low` itself is excluded.
    limits : tuple (low, high) of float or None, default=(None, None)
        Further inclusive bounds, of what floats and memory hold: a message names them only where
        they are exceeded.

    Returns
    -------
    number : int or float
        The value as Python's own int (if `integer`) or float, which neither overflows nor rounds
        as numpy's narrow numbers do.

    Raises
    ------
    TypeError
        If `value` is not a number of that kind.
    ValueError
        If it is not finite or out of bounds.

    Examples
    --------
    >>> check_number("n_layers", 0, low=1, integer=True)
    Traceback (most recent call last):
    ...
    ValueError: `n_layers` must be a whole number >= 1; got 0.
    >>> check_number("tol", -1, low=0, limits=(None, 1e15))
    Traceback (most recent call last):
    ...
    ValueError: `tol` must be a finite number >= 0; got -1.
    >>> check_number("batch_size", np.uint8(200), low=1, integer=True) + 100
    300
    """
    kind = numbers.Integral if integer else numbers.Real
    if not isinstance(value, kind) or isinstance(value, (bool, np.bool_)):
        wants = _wanted(low, high, open_low, integer)
        raise TypeError(f"`{name}` must be {wants}; got {shown(value)} ({type(value).__name__}).")
    number = int(value) if integer else _as_float(value)  # type: ignore[call-overload]
    if integer and high is limits[1] is None and number > MAX_WHOLE:
        high = MAX_WHOLE
    for bounds in ((low, high, open_low), (*limits, False)):
        if not (_is_finite(number) and _is_within(number, *bounds)):
            raise ValueError(f"`{name}` must be {_wanted(*bounds, integer)}; got {shown(value)}.")
    return number


def _as_float(value):
    """Convert a real number; one beyond all floats becomes infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_finite(number):
    return isinstance(number, int) or math.isfinite(number)


def _is_within(number, low, high, open_low):
    too_low = low is not None and (number <= low if open_low else number < low)
    return not too_low and (high is None or number <= high)


def _wanted(low, high, open_low, integer):
    """Describe the valid numbers."""
    bounds = [f"{'>' if open_low else '>='} {low}"] * (low is not None)
    bounds += [f"<= {high}"] * (high is not None)
    kind = "a whole number" if integer else "a finite number"
    return kind + " and".join(f" {bound}" for bound in bounds)


def check_size(name: str, value: object, *, high: int, low: int = 1) -> int:
    """Check a whole number that memory grows with.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        A Python or numpy number.
    high : int
        The largest size of any use, which a message names only where it is exceeded.
    low : int, default=1
        The smallest number.

    Returns
    -------
    size : int

    Raises
    ------
    TypeError, ValueError
        If it is not a whole number, or out of bounds.

    Examples
    --------
    >>> check_size("n_layers", 10**9, high=MAX_LAYERS)
    Traceback (most recent call last):
    ...
    ValueError: `n_layers` must be a whole number <= 1000; got 1000000000.
    """
    return check_number(name, value, low=low, integer=True, limits=(None, high))


def check_n_weights(n_weights: float, **parameters: object) -> None:
    """Raise ``ValueError`` if a network of these parameters would have too many weights.

    Parameters
    ----------
    n_weights : int
        The least number of weights that it has.
    **parameters : object
        The parameters that the number depends on, by name, for the message.

    Examples
    --------
    >>> check_n_weights(10**12, n_layers=500, n_units=20_000)
    Traceback (most recent call last):
    ...
    ValueError: `n_layers`=500, `n_units`=20000 make 1e+12 weights or more; wanted at most \
2147483648. Lower one of them.
    """
    if n_weights > MAX_WEIGHTS:
        made = ", ".join(f"`{name}`={value!r}" for name, value in parameters.items())
        raise ValueError(
            f"{made} make {n_weights:.3g} weights or more; wanted at most {MAX_WEIGHTS}. Lower "
            f"one of them."
        )


def check_sample_rate(sample_rate: object, low: int = 1) -> int:
    """Return `sample_rate` as an int if it is a whole number of Hz from `low` to 10 MHz."""
    return check_size("sample_rate", sample_rate, low=low, high=MAX_SAMPLE_RATE)


def check_n_fft(n_fft: object) -> int:
    """Return `n_fft` as an int if it is a whole number of samples that can be a frame."""
    return check_size("n_fft", n_fft, low=2, high=MAX_N_FFT)


def check_step_size(step_size: object) -> Literal["auto"] | float:
    """Return `step_size` as it is if it is ``"auto"``, and as a float if it is a number > 0."""
    if isinstance(step_size, str) and step_size == "auto":
        return "auto"
    limits = (MIN_STEP_SIZE, MAX_STEP_SIZE)
    return check_number("step_size", step_size, low=0, open_low=True, limits=limits)


def check_sparsity(sparsity: object) -> float:
    """Return `sparsity` as a float if it is a number >= 0 that float32 holds."""
    return check_number("sparsity", sparsity, low=0, limits=(None, MAX_WEIGHT))
