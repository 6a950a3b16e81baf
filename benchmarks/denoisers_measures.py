"""Quality of denoised recordings, and the attenuation of their pauses."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import joblib
import numpy as np

from benchmarks.denoisers_systems import CORPUS_RATE
from sknmf_unfold.metrics import SCORE_LIMIT_DB, sdr, si_sdr

MEASURES = ("SDR", "SI-SDR", "PESQ", "ESTOI")
# Bounds of the bands of input SNRs, in dB.
SNR_EDGES_DB = (-3.0, 3.0, 9.0, 20.0)
# Bands of the attenuation in pauses, in kHz.
BANDS_KHZ = ((0, 2), (2, 4), (4, 6), (6, 8))
PAUSE_FRAME = 512
# A pause is so far below the loudest frame of the target, in it and in the frames beside it.
PAUSE_DB = -40.0
# Of a recording; what is silenced altogether counts so much.
MAX_ATTENUATION_DB = 60.0


def perceived(target: np.ndarray, estimate: np.ndarray) -> tuple[float, float]:
    """Compute PESQ (wide band) and ESTOI of a pair; NaN where they are undefined.

    Parameters
    ----------
    target, estimate : ndarray of shape (n_times,)
        At 16 kHz.

    Returns
    -------
    pesq, estoi : float

    References
    ----------
    .. [1] ITU-T P.862.2, "Wideband extension to P.862", 2007.
    .. [2] Jensen, Taal, "An algorithm for predicting the intelligibility of speech masked by
       modulated noise maskers", IEEE/ACM TASLP 24(11), 2016.
    """
    import pesq
    import pystoi

    mos = np.nan
    if np.any(estimate):
        settings = {"on_error": pesq.PesqError.RETURN_VALUES}
        mos = float(pesq.pesq(CORPUS_RATE, target, estimate, "wb", **settings))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        estoi = float(pystoi.stoi(target, estimate, CORPUS_RATE, extended=True))
    too_short = any("frames" in str(each.message) for each in said)
    return mos if mos > 0 else np.nan, np.nan if too_short else estoi


def quality(estimates: Sequence[np.ndarray], Y: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the `MEASURES` of every recording, PESQ and ESTOI in two processes.

    Parameters
    ----------
    estimates, Y : list of ndarray of shape (n_times,)
        Denoised recordings and their targets.

    Returns
    -------
    values : dict of ndarray of shape (n_recordings,)
    """
    jobs = [joblib.delayed(perceived)(y, x) for y, x in zip(Y, estimates, strict=True)]
    heard = np.array(joblib.Parallel(n_jobs=2)(jobs))
    # A silent estimate has an SDR of minus infinity; it must not decide a mean.
    limits = -SCORE_LIMIT_DB, SCORE_LIMIT_DB
    ratios = [np.clip(measure(Y, estimates), *limits) for measure in (sdr, si_sdr)]
    values = *ratios, *heard.T
    return dict(zip(MEASURES, values, strict=True))


def means(values: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, float]:
    """Average the measures of some recordings; those of a recording may be undefined.

    Parameters
    ----------
    values : dict of ndarray of shape (n_recordings,)
        From `quality`.
    chosen : ndarray of shape (n_recordings,), bool

    Returns
    -------
    means : dict of float
        With their number, ``"recordings"``.
    """
    result: dict[str, float] = {"recordings": int(chosen.sum())}
    for name, each in values.items():
        defined = each[chosen][~np.isnan(each[chosen])]
        result[name] = float(defined.mean()) if len(defined) else np.nan
    return result


def snr_band(snr: float | None) -> str:
    """Name the band of an input SNR in dB; None is that of a clean recording.

    Examples
    --------
    >>> snr_band(-6), snr_band(0), snr_band(20), snr_band(None)
    ('below -3', '-3 to 3', '20 and above', '20 and above')
    """
    edges = [f"{edge:g}" for edge in SNR_EDGES_DB]
    i = len(edges) if snr is None else int(np.searchsorted(SNR_EDGES_DB, snr, side="right"))
    if i == 0:
        return f"below {edges[0]}"
    return f"{edges[-1]} and above" if i == len(edges) else f"{edges[i - 1]} to {edges[i]}"


def pauses(target: np.ndarray) -> np.ndarray:
    """Find the frames of `PAUSE_FRAME` samples in which the target is silent.

    Parameters
    ----------
    target : ndarray of shape (n_times,)

    Returns
    -------
    silent : ndarray of shape (n_frames,), bool
        A last frame that is not full does not count.
    """
    energy = np.sum(_frames(target) ** 2, axis=1)
    loud = energy > 10 ** (PAUSE_DB / 10) * energy.max(initial=0)
    beside = np.pad(loud, 1)
    return ~(loud | beside[:-2] | beside[2:])


def attenuation(mixture: np.ndarray, estimate: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Measure how much of the input a denoiser takes away in pauses, band by band.

    Parameters
    ----------
    mixture, estimate, target : ndarray of shape (n_times,)
        At 16 kHz.

    Returns
    -------
    attenuation : ndarray of shape (n_bands,)
        In dB, positive, by the bands `BANDS_KHZ`; NaN without pauses or without input there.
    """
    silent = pauses(target)
    inputs, outputs = (_band_energies(x, silent) for x in (mixture, estimate))
    if not np.any(inputs > 0):
        return np.full(len(BANDS_KHZ), np.nan)
    # A band without input, but for rounding, tells nothing.
    inputs = np.where(inputs > 1e-9 * inputs.max(), inputs, np.nan)
    floor = 10 ** (-MAX_ATTENUATION_DB / 10)
    return -10 * np.log10(np.maximum(outputs / inputs, floor))


def _frames(waveform):
    n_frames = len(waveform) // PAUSE_FRAME
    return waveform[: n_frames * PAUSE_FRAME].astype(np.float64).reshape(n_frames, PAUSE_FRAME)


def _band_energies(waveform, silent):
    power = np.abs(np.fft.rfft(np.hanning(PAUSE_FRAME) * _frames(waveform)[silent])) ** 2
    khz = np.fft.rfftfreq(PAUSE_FRAME, 1 / CORPUS_RATE) / 1000
    return np.array([power[:, (khz >= low) & (khz < high)].sum() for low, high in BANDS_KHZ])


def mean_attenuation(X, estimates, Y) -> dict[str, float]:
    """Average the attenuation in pauses over recordings, by the bands' names.

    Parameters
    ----------
    X, estimates, Y : list of ndarray of shape (n_times,)

    Returns
    -------
    attenuation : dict of float
    """
    values = np.array([attenuation(*each) for each in zip(X, estimates, Y, strict=True)])
    names = [f"{low}-{high} kHz" for low, high in BANDS_KHZ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return dict(zip(names, np.nanmean(values, axis=0).tolist(), strict=True))
