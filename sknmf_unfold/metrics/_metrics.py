"""How good is a separation: SDR, SI-SDR, their improvements and scorers for model selection."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_a_product
from sknmf_unfold.validation.pairs import check_pairs
from sknmf_unfold.validation.recordings import as_numbers

from ._bss_eval import sdr_function, si_sdr_of_pair

# Where scores are averaged or subtracted they are limited to this. It is beyond 16-bit audio
# (96 dB), so it changes no real score, and one perfect or silent estimate cannot hide the others.
LIMIT_DB = 100.0


@default_settings()
def sdr(reference, estimate, *, filter_length=512, backend="scipy"):
    r"""Signal-to-distortion ratio of BSS Eval (version 3) in dB, higher is better.

    :math:`10 \log_{10} \|s\|^2 / \|\hat y - s\|^2`, where :math:`s` is the least-squares projection
    of the estimate :math:`\hat y` on the span of `filter_length` delayed copies of the reference: a
    short filter of the reference (a gain, a delay, a coloration) is no distortion. Computed in
    float64 whatever the input, and independent of the scale of either.

    Parameters
    ----------
    reference, estimate : array-like of shape (n_times,), or a list or 2-D array of them
        Clean and estimated waveforms: floats or integer PCM. A list pairs up item by item, each
        pair with its own length; in a 2-D array each row is a waveform. A `Spectrogram` stands for
        what it sounds like, its mask applied.
    filter_length : int, default=512
        Number of delayed copies. 1 allows a gain only, so that the SDR is the SI-SDR.
    backend : {"scipy", "mir_eval"}, default="scipy"
        What computes the projection; ``"mir_eval"`` needs that package and `filter_length` 512.

    Returns
    -------
    sdr : float or ndarray of shape (n_waveforms,), float64
        In dB, a float for one pair of waveforms. NaN where the reference is silent (undefined),
        -inf where only the estimate is; a perfect estimate gives inf or, by rounding, about 300.

    Raises
    ------
    ValueError
        If the waveforms do not pair up, are not 1-D, empty or not finite.
    ImportError
        If `backend` is ``"mir_eval"`` and that package is not installed.

    Notes
    -----
    Equal to ``mir_eval.separation.bss_eval_sources`` within 1e-6 dB wherever that is accurate. A
    reference without any noise floor (below about -120 dB in some band, as in synthetic tones that
    fade in and out) makes the projection ill-posed: mir_eval's result then moves by several dB with
    the scale of the reference; this one stays put and leaves out what lies 130 dB below the mean.

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
    (reference, estimate), single = check_pairs(reference=reference, estimate=estimate)
    values = _score(sdr_function(filter_length, backend), reference, estimate)
    return float(values[0]) if single else values


@default_settings()
def si_sdr(reference, estimate):
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
    (reference, estimate), single = check_pairs(reference=reference, estimate=estimate)
    values = _score(si_sdr_of_pair, reference, estimate)
    return float(values[0]) if single else values


@default_settings()
def sdr_improvement(reference, estimate, mixture, *, filter_length=512, backend="scipy"):
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
        In dB, NaN where the reference is silent. Both terms are limited to +-100 dB first, so that
        a mixture without noise that stays untouched improves by 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clean, noise = rng.standard_normal((2, 16000))
    >>> round(sdr_improvement(clean, clean + 0.1 * noise, clean + noise), 1)
    19.9
    """
    one = sdr_function(filter_length, backend)
    return _improvement(one, reference, estimate, mixture)


@default_settings()
def si_sdr_improvement(reference, estimate, mixture):
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
def mean_over_active(values, weights=None):
    """Mean of scores in dB: undefined ones (NaN) left out, each limited to +-100 dB.

    Parameters
    ----------
    values : array-like of shape (n_waveforms,)
        Scores in dB.
    weights : array-like of shape (n_waveforms,), optional
        Weight of each, >= 0; what has none is left out too.

    Returns
    -------
    mean : float
        In dB; NaN if nothing is left.

    Examples
    --------
    >>> mean_over_active([10.0, np.nan, -np.inf])
    -45.0
    >>> mean_over_active([np.nan])
    nan
    """
    values = as_numbers(values, "`values`", "scores in dB")
    weights = (
        np.ones(values.shape) if weights is None else as_numbers(weights, "`weights`", "numbers")
    )
    if weights.shape != values.shape:
        raise ValueError(
            f"`weights` has shape {weights.shape} but `values` has {values.shape}; there must be "
            f"one for each."
        )
    active = ~np.isnan(values) & (weights > 0)
    if not active.any():
        return float("nan")
    return float(np.average(_limited(values[active]), weights=weights[active]))


@default_settings()
def mean_sdr(reference, estimate):
    """Mean SDR in dB over the utterances whose reference is not silent.

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


class _WaveformScorer:
    """Callable ``(estimator, X, y) -> float``: the mean of `metric` over the waveforms, in dB.

    Picklable, for ``scoring=`` of `cross_val_score`, `GridSearchCV` and `cross_validate`.
    """

    def __init__(self, metric, name, needs_mixture=False):
        self.metric = metric
        self.name = name
        self.needs_mixture = needs_mixture

    def __call__(self, estimator, X, y):
        """Score ``estimator.predict(X)`` against the clean waveforms `y`."""
        signals = [y, estimator.predict(X)]
        if self.needs_mixture:
            signals.append(X)
        return mean_over_active(self.metric(*signals))

    def __repr__(self):
        return self.name


sdr_scorer = _WaveformScorer(sdr, "sdr_scorer")
si_sdr_scorer = _WaveformScorer(si_sdr, "si_sdr_scorer")
sdr_improvement_scorer = _WaveformScorer(sdr_improvement, "sdr_improvement_scorer", True)
si_sdr_improvement_scorer = _WaveformScorer(si_sdr_improvement, "si_sdr_improvement_scorer", True)


def _limited(values):
    return np.clip(values, -LIMIT_DB, LIMIT_DB)


@one_thread_a_product()
def _score(one, references, estimates):
    """Map `one` over the pairs, with the values that are defined for silence."""
    values = np.empty(len(references))
    for i, (reference, estimate) in enumerate(zip(references, estimates, strict=True)):
        if not reference.any():
            values[i] = np.nan
        else:
            values[i] = one(reference, estimate) if estimate.any() else -np.inf
    return values


def _improvement(one, reference, estimate, mixture):
    signals, single = check_pairs(reference=reference, estimate=estimate, mixture=mixture)
    reference, estimate, mixture = signals
    values = _limited(_score(one, reference, estimate)) - _limited(_score(one, reference, mixture))
    return float(values[0]) if single else values
