"""Scorers for model selection: the means of the metrics over the waveforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._metrics import (
    Waveforms,
    mean_over_active,
    sdr,
    sdr_improvement,
    si_sdr,
    si_sdr_improvement,
)


class _WaveformScorer:
    """Scorer ``(estimator, X, y) -> float``: the mean of `metric` over the waveforms, in dB.

    Picklable, for ``scoring=`` of `cross_val_score`, `GridSearchCV` and `cross_validate`.
    """

    def __init__(
        self, metric: Callable[..., float | np.ndarray], name: str, needs_mixture: bool = False
    ) -> None:
        self.metric = metric
        self.name = name
        self.needs_mixture = needs_mixture

    def __call__(self, estimator: Any, X: Waveforms, y: Waveforms) -> float:
        """Score ``estimator.predict(X)`` against the clean waveforms `y`."""
        signals = [y, estimator.predict(X)]
        if self.needs_mixture:
            signals.append(X)
        return mean_over_active(self.metric(*signals))

    def __repr__(self) -> str:
        return self.name


sdr_scorer = _WaveformScorer(sdr, "sdr_scorer")
si_sdr_scorer = _WaveformScorer(si_sdr, "si_sdr_scorer")
sdr_improvement_scorer = _WaveformScorer(sdr_improvement, "sdr_improvement_scorer", True)
si_sdr_improvement_scorer = _WaveformScorer(si_sdr_improvement, "si_sdr_improvement_scorer", True)
