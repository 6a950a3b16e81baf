"""SDR (BSS Eval version 3) and SI-SDR of one pair of waveforms.

All waveforms here are checked: 1-D, float64, equally long, neither silent.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np
import scipy.fft
import scipy.linalg

from sknmf_unfold.validation.options import check_choice
from sknmf_unfold.validation.parameters import check_size

# Each pass projects the residual of the one before. BSS Eval has one; the second recovers digits
# lost by squaring the condition number, e.g. 1e-6 dB after a fade to 16-bit silence.
N_PROJECTION_PASSES = 2
# The normal equations of a filter with so many taps take 2 GB.
MAX_FILTER_TAPS = 2**14


def decibels(signal_energy: float, noise_energy: float) -> float:
    """Compute an energy ratio in dB; inf without noise, -inf without signal.

    Examples
    --------
    >>> decibels(10.0, 0.1), decibels(1.0, 0.0)
    (20.0, inf)
    """
    # A difference of logarithms, because the ratio itself may overflow.
    with np.errstate(divide="ignore"):
        return float(10 * (np.log10(signal_energy) - np.log10(noise_energy)))


def unit_peak(waveform: np.ndarray) -> np.ndarray:
    """Scale to a peak of 1, so that no square of a sample overflows or vanishes.

    Examples
    --------
    >>> unit_peak(np.array([1e-200, -2e-200]))
    array([ 0.5, -1. ])
    """
    return waveform / np.abs(waveform).max()


def cholesky_of_toeplitz(column: np.ndarray) -> tuple[np.ndarray, bool]:
    """Compute a Cholesky factor of a symmetric positive semidefinite Toeplitz matrix.

    Levinson's recursion would be ten times faster, but loses 1e-5 dB on a reference that fades to
    16-bit silence, and all digits on quieter ones, with a small residual. A Cholesky factor is as
    accurate as the matrix allows. If there is none, the diagonal is raised to the level of
    rounding, which excludes parts of the spectrum 130 dB below its mean.

    Parameters
    ----------
    column : ndarray of shape (filter_length,), float64
        The first column: the autocorrelation from lag 0.

    Returns
    -------
    factor : tuple of (ndarray of shape (filter_length, filter_length), bool)
        For `scipy.linalg.cho_solve`.
    """
    gram = scipy.linalg.toeplitz(column)
    rounding = len(column) * np.finfo(np.float64).eps
    for ridge in (0.0, rounding):
        np.fill_diagonal(gram, (1 + ridge) * column[0])
        with contextlib.suppress(scipy.linalg.LinAlgError):
            return scipy.linalg.cho_factor(gram, check_finite=False)
    # Large enough for every matrix with a constant diagonal (Higham 2002, theorem 10.7).
    np.fill_diagonal(gram, (1 + len(column) * rounding) * column[0])
    return scipy.linalg.cho_factor(gram, check_finite=False)


def project(
    reference: np.ndarray, estimate: np.ndarray, filter_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split an estimate into a filtered reference and the remaining distortion.

    The target is the least-squares projection of the estimate on the span of the reference delayed
    by 0 to ``filter_length - 1`` samples; both are padded with zeros.

    Parameters
    ----------
    reference, estimate : ndarray of shape (n_times,), float64
        Waveforms; the reference is not silent.
    filter_length : int
        Number of delays.

    Returns
    -------
    target, distortion : ndarray of shape (n_times + filter_length - 1,), float64
        Their sum is the padded estimate.

    Examples
    --------
    >>> target, distortion = project(np.array([1.0, 0.0]), np.array([3.0, 4.0]), 1)
    >>> target.round(9), distortion.round(9)
    (array([3., 0.]), array([0., 4.]))
    """
    n_times = len(reference) + filter_length - 1
    n_fft = scipy.fft.next_fast_len(n_times, real=True)
    spectrum = scipy.fft.rfft(reference, n_fft)
    factor = cholesky_of_toeplitz(scipy.fft.irfft(np.abs(spectrum) ** 2, n_fft)[:filter_length])
    distortion = np.concatenate([estimate, np.zeros(filter_length - 1)])
    target = np.zeros(n_times)
    for _ in range(N_PROJECTION_PASSES):
        products = spectrum.conj() * scipy.fft.rfft(distortion, n_fft)
        correlation = scipy.fft.irfft(products, n_fft)[:filter_length]
        taps = scipy.linalg.cho_solve(factor, correlation, check_finite=False)
        step = scipy.fft.irfft(spectrum * scipy.fft.rfft(taps, n_fft), n_fft)[:n_times]
        target += step
        distortion -= step
    return target, distortion


def sdr_of_pair(reference: np.ndarray, estimate: np.ndarray, filter_length: int) -> float:
    """Compute the SDR in dB of one pair of waveforms, up to a filter of `filter_length` taps."""
    target, distortion = project(unit_peak(reference), unit_peak(estimate), filter_length)
    return decibels(target @ target, distortion @ distortion)


def si_sdr_of_pair(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Compute the SI-SDR in dB of one pair of waveforms."""
    reference, estimate = unit_peak(reference), unit_peak(estimate)
    target = (estimate @ reference) / (reference @ reference) * reference
    distortion = estimate - target
    return decibels(target @ target, distortion @ distortion)


def import_mir_eval() -> ModuleType:
    """Import ``mir_eval.separation``, or raise ImportError naming the extra.

    Returns
    -------
    separation : module
    """
    try:
        import mir_eval.separation
    except ImportError as error:
        raise ImportError(
            "`backend='mir_eval'` needs mir_eval (older than 0.9, which drops BSS Eval): "
            "pip install \"sknmf_unfold[eval]\", or use backend='scipy'."
        ) from error
    return mir_eval.separation


def mir_eval_sdr_of_pair(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Compute the SDR in dB of one pair of waveforms by ``mir_eval``, up to 512 taps."""
    separation = import_mir_eval()
    # Version 0.8 warns in every call that 0.9 drops the module. For an estimate without any target
    # it takes the logarithm of 0.
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore", FutureWarning)
        values = separation.bss_eval_sources(
            reference[np.newaxis], estimate[np.newaxis], compute_permutation=False
        )
    return float(values[0][0])


def sdr_function(filter_length: int, backend: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """Choose the function of one pair of waveforms that `metrics.sdr` maps over all pairs."""
    filter_length = check_size("filter_length", filter_length, high=MAX_FILTER_TAPS)
    check_choice("backend", backend, ["scipy", "mir_eval"])
    if backend == "scipy":
        return functools.partial(sdr_of_pair, filter_length=filter_length)
    if filter_length != 512:
        raise ValueError(
            f"`filter_length` must be 512 for backend='mir_eval', its only length; got "
            f"{filter_length}. Use backend='scipy'."
        )
    # A missing package is an error also if every waveform is silent.
    import_mir_eval()
    return mir_eval_sdr_of_pair
