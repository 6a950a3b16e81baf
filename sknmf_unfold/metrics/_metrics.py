"""Metrics of waveforms in dB: SDR, SI-SDR, their improvements and means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_a_product
from sknmf_unfold.validation.pairs import check_pairs
from sknmf_unfold.validation.recordings import as_numbers

from ._bss_eval import sdr_function, si_sdr_of_pair

# Scores are limited to +- this before they are averaged or subtracted. It is above the range of
# 16-bit audio (96 dB), so real scores do not change, and one infinite score does not decide a mean.
SCORE_LIMIT_DB = 100.0

Waveforms: TypeAlias = "ArrayLike | Sequence[ArrayLike]"
PairMetric: TypeAlias = Callable[[np.ndarray, np.ndarray], float]


@default_settings()
def sdr(
    reference: Waveforms,
    estimate: Waveforms,
    *,
    filter_length: int = 512,
    backend: str = "scipy",
) -> float | np.ndarray:
    r"""Signal-to-distortion ratio of BSS Eval (version 3) in dB, higher is better.

    :math:`10 \log_{10} \|s\|^2 / \|\hat y - s\|^2`, where :math:`s` is the least-squares projection
    of the estimate :math:`\hat y` on the span of `filter_length` delayed copies of the reference: a
    short filter of the reference (a gain, a delay, a coloration) is no distortion. Computed in
    float64 for every input dtype, and independent of the scale of either.

    Parameters
    ----------
    reference, estimate : array-like of shape (n_times,), or a list or 2-D array of them
        Clean and estimated waveforms: floats or integer PCM. Lists pair up item by item, each pair
        with its own length; in a 2-D array each row is a waveform. A `Spectrogram` stands for its
        waveform, with its mask applied.
    filter_length : int, default=512
        Number of delayed copies. With 1 the filter is a gain, and the SDR is the SI-SDR.
    backend : {"scipy", "mir_eval"}, default="scipy"
        Implementation; ``"mir_eval"`` needs that package and `filter_length` 512.

    Returns
    -------
    sdr : float or ndarray of shape (n_waveforms,), float64
        In dB, a float for one pair of waveforms. NaN (undefined) if the reference is silent, -inf
        if only the estimate is; a perfect estimate gives inf or, by rounding, about 300.

    Raises
    ------
    ValueError
        If the waveforms do not pair up, are not 1-D, empty or not finite.
    ImportError
        If `backend` is ``"mir_eval"`` and that package is not installed.

    Notes
    -----
    Equal to ``mir_eval.separation.bss_eval_sources`` within 1e-6 dB where that is accurate. For a
    reference without any noise floor (below about -120 dB in some band, as in synthetic tones that
    fade in and out) the projection is ill-posed. Then the result of mir_eval changes by several dB
    with the scale of the reference; this one does not, because it excludes parts of the spectrum
    130 dB below its mean.

    References
    ----------
    .. [1] Vincent, Gribonval, Fevotte, "Performance measurement in blind audio source separation",
       IEEE Trans. Audio, Speech and Language Processing 14(4), 2006.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clean, noise = rng.standard_normal((2, 16000))
    >>> round(sdr(clean, clean + 0.1 * noise), 1)
    20.1
    >>> sdr([clean, noise], [clean + 0.1 * noise, noise + clean]).round(1)
    array([20.1,  0.2])
    """
    (clean, output), single = check_pairs(reference=reference, estimate=estimate)
    values = _score(sdr_function(filter_length, backend), clean, output)
    return float(values[0]) if single else values


@default_settings()
def si_sdr(reference: Waveforms, estimate: Waveforms) -> float | np.ndarray:
    r"""Scale-invariant signal-to-distortion ratio in dB, higher is better.

    :math:`10 \log_{10} \|\alpha s\|^2 / \|\hat y - \alpha s\|^2` with the gain
    :math:`\alpha = \hat y^\top s / \|s\|^2` that fits the reference :math:`s` to the estimate
    :math:`\hat y`. Means are not removed, as in [1]_ (some packages do: subtract them first).

    Parameters
    ----------
    reference, estimate : array-like of shape (n_times,), or a list or 2-D array of them
        Clean and estimated waveforms, as in `sdr`.

    Returns
    -------
    si_sdr : float or ndarray of shape (n_waveforms,), float64
        In dB; NaN, -inf and inf as in `sdr`.

    Raises
    ------
    ValueError
        If the waveforms do not pair up, are not 1-D, empty or not finite.

    References
    ----------
    .. [1] Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019.

    Examples
    --------
    >>> si_sdr([1.0, 0.0], [5.0, 0.5])
    20.0
    """
    (clean, output), single = check_pairs(reference=reference, estimate=estimate)
    values = _score(si_sdr_of_pair, clean, output)
    return float(values[0]) if single else values


@default_settings()
def sdr_improvement(
    reference: Waveforms,
    estimate: Waveforms,
    mixture: Waveforms,
    *,
    filter_length: int = 512,
    backend: str = "scipy",
) -> float | np.ndarray:
    """SDR of the estimate minus SDR of the unprocessed mixture, in dB.

    Parameters
    ----------
    reference, estimate, mixture : array-like of shape (n_times,), or a list or 2-D array of them
        Clean, estimated and noisy waveforms, as in `sdr`.
    filter_length, backend : int, {"scipy", "mir_eval"}
        As in `sdr`.

    Returns
    -------
    improvement : float or ndarray of shape (n_waveforms,), float64
        In dB, NaN if the reference is silent. Both terms are limited to +-100 dB first, so that an
        unprocessed mixture without noise improves by 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clean, noise = rng.standard_normal((2, 16000))
    >>> round(sdr_improvement(clean, clean + 0.1 * noise, clean + noise), 1)
    19.9
    """
    metric = sdr_function(filter_length, backend)
    return _improvement(metric, reference, estimate, mixture)


@default_settings()
def si_sdr_improvement(
    reference: Waveforms,
    estimate: Waveforms,
    mixture: Waveforms,
) -> float | np.ndarray:
    """SI-SDR of the estimate minus SI-SDR of the unprocessed mixture, in dB.

    Parameters
    ----------
    reference, estimate, mixture : array-like of shape (n_times,), or a list or 2-D array of them
        Clean, estimated and noisy waveforms, as in `sdr`.

    Returns
    -------
    improvement : float or ndarray of shape (n_waveforms,), float64
        In dB, as in `sdr_improvement`.

    Examples
    --------
    >>> si_sdr_improvement([1.0, 0.0], [1.0, 0.1], [1.0, 1.0])
    20.0
    """
    return _improvement(si_sdr_of_pair, reference, estimate, mixture)


@default_settings()
def mean_over_active(values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean of scores in dB, each limited to +-100 dB, without undefined ones (NaN).

    Parameters
    ----------
    values : array-like of shape (n_waveforms,)
        Scores in dB.
    weights : array-like of shape (n_waveforms,), optional
        Weights of the scores, >= 0.

    Returns
    -------
    mean : float
        In dB; NaN if no score is defined and has a weight.

    Examples
    --------
    >>> mean_over_active([10.0, np.nan, -np.inf])
    -45.0
    >>> mean_over_active([np.nan])
    nan
    """
    scores = as_numbers(values, "`values`", "scores in dB")
    shares = (
        np.ones(scores.shape) if weights is None else as_numbers(weights, "`weights`", "numbers")
    )
    if shares.shape != scores.shape:
        raise ValueError(
            f"`weights` has shape {shares.shape} but `values` has {scores.shape}; there must be "
            f"one for each."
        )
    active = ~np.isnan(scores) & (shares > 0)
    if not active.any():
        return float("nan")
    return float(np.average(_limited(scores[active]), weights=shares[active]))


@default_settings()
def mean_sdr(reference: Waveforms, estimate: Waveforms) -> float:
    """Mean SDR in dB over the recordings whose reference is not silent.

    Parameters
    ----------
    reference, estimate : array-like of shape (n_times,), or a list or 2-D array of them
        Clean and estimated waveforms, as in `sdr`.

    Returns
    -------
    mean : float
        In dB, each SDR limited to +-100 dB; NaN if all references are silent.

    Examples
    --------
    >>> clean, noise = np.random.default_rng(0).standard_normal((2, 16000))
    >>> round(mean_sdr([clean, 0 * clean], [clean + 0.1 * noise, noise]), 1)
    20.1
    """
    return mean_over_active(sdr(reference, estimate))


def _limited(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -SCORE_LIMIT_DB, SCORE_LIMIT_DB)


@one_thread_a_product()
def _score(
    metric: PairMetric, references: list[np.ndarray], estimates: list[np.ndarray]
) -> np.ndarray:
    """Map a metric over the pairs, with NaN or -inf for silent ones."""
    values = np.empty(len(references))
    for i, (reference, estimate) in enumerate(zip(references, estimates, strict=True)):
        if not reference.any():
            values[i] = np.nan
        else:
            values[i] = metric(reference, estimate) if estimate.any() else -np.inf
    return values


def _improvement(
    metric: PairMetric,
    reference: Waveforms,
    estimate: Waveforms,
    mixture: Waveforms,
) -> float | np.ndarray:
    signals, single = check_pairs(reference=reference, estimate=estimate, mixture=mixture)
    clean, output, unprocessed = signals
    values = _limited(_score(metric, clean, output)) - _limited(_score(metric, clean, unprocessed))
    return float(values[0]) if single else values
