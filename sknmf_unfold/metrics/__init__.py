"""Metrics of separation quality, and scorers for model selection."""

from ._metrics import (
    LIMIT_DB,
    mean_over_active,
    mean_sdr,
    sdr,
    sdr_improvement,
    sdr_improvement_scorer,
    sdr_scorer,
    si_sdr,
    si_sdr_improvement,
    si_sdr_improvement_scorer,
    si_sdr_scorer,
)

__all__ = [
    "LIMIT_DB",
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
