"""Mixing a target with interference at a given ratio."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.parameters import check_number
from sknmf_unfold.validation.recordings import check_waveform

SNR_LIMITS: Any = {"low": -300, "high": 300}


@default_settings()
def mix_at_snr(target, interference, snr_db, *, return_interference=False):
    """Add interference to a target, scaled to a signal-to-noise ratio.

    Parameters
    ----------
    target : array-like of shape (n_times,)
        Stays as it is.
    interference : array-like of shape (at least n_times,)
        Cut to the length of `target` and scaled.
    snr_db : float
        ``10 log10(sum(target ** 2) / sum(scaled ** 2))`` in dB, within +-300. Where the target or
        the interference is silent no gain reaches it, and the interference is added as it is.
    return_interference : bool, default=False
        Whether to return the scaled interference too.

    Returns
    -------
    mixture : ndarray of shape (n_times,)
        Of float32 if both are, else of float64.
    scaled : ndarray of shape (n_times,)
        Only with `return_interference`.

    Raises
    ------
    ValueError
        If the interference is shorter than the target, a waveform is not as described, or the
        mixture overflows.

    Examples
    --------
    >>> mix_at_snr([1.0, -1.0], [0.5, 0.5], 0.0)
    array([2., 0.])
    """
    target = check_waveform(target, "target")
    interference = check_waveform(interference, "interference")
    snr_db = check_number("snr_db", snr_db, **SNR_LIMITS)
    if len(interference) < len(target):
        raise ValueError(
            f"`interference` has {len(interference)} samples but `target` has {len(target)}; it "
            f"must be at least as long. Repeat it with np.resize, for example."
        )
    # Overflow is reported below, by name.
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = _at_snr(target, interference[: len(target)], snr_db)
        mixture = target + scaled
    if not np.isfinite(mixture).all():
        raise ValueError(
            f"The mixture overflows {mixture.dtype} at `snr_db`={snr_db}; scale `target` and "
            f"`interference` to about [-1, 1] first."
        )
    return (mixture, scaled) if return_interference else mixture


def _at_snr(target, interference, snr_db):
    """Scale interference to the ratio; a copy as it is where no gain reaches it."""
    powers = [np.sum(np.square(x, dtype=np.float64)) for x in (target, interference)]
    if min(powers) == 0:
        return interference.copy()
    gain = np.sqrt(powers[0] / powers[1]) * 10 ** (-snr_db / 20)
    return interference * interference.dtype.type(gain)
