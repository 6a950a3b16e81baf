"""SDR of magnitudes, which have no waveform."""

from __future__ import annotations

import numpy as np


def magnitude_sdr(target, estimate):
    """``10 log10(sum(target ** 2) / sum((target - estimate) ** 2))``, kept finite."""
    tiny = np.finfo(np.float64).tiny
    # Scaled first, so that squares of very small or large magnitudes neither vanish nor overflow.
    peak = max(target.max(), estimate.max()) or 1.0
    target, estimate = (np.asarray(x, dtype=np.float64) / peak for x in (target, estimate))
    signal, error = np.sum(np.square(target)), np.sum(np.square(target - estimate))
    return float(np.clip(10 * np.log10((signal + tiny) / (error + tiny)), -100, 100))
