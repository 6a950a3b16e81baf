"""Metrics of separation quality in dB, and scorers for model selection.

``_bss_eval`` computes a metric of one pair of waveforms. ``_metrics`` has the public functions,
which check waveforms and map over recordings. ``_scorers`` makes scorers of them. To add a metric,
add it to each of the three, and its name to the list below.
"""

from ._metrics import (
    SCORE_LIMIT_DB,
    mean_over_active,
    mean_sdr,
    sdr,
    sdr_improvement,
    si_sdr,
    si_sdr_improvement,
)
from ._scorers import (
    sdr_improvement_scorer,
    sdr_scorer,
    si_sdr_improvement_scorer,
    si_sdr_scorer,
)

__all__ = [
    "SCORE_LIMIT_DB",
    "mean_over_active",
    "mean_sdr",
    "sdr",
    "sdr_improvement",
    "sdr_improvement_scorer",
    "sdr_scorer",
    "si_sdr",
    "si_sdr_improvement",
    "si_sdr_improvement_scorer",
    "si_sdr_scorer",
]
