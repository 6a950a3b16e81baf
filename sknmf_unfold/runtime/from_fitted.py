"""Recurrence and masks frame by frame, made from the arrays of a fitted DR-NMF."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .gru import GRU_WEIGHTS, RunningGRU
from .masks import EvidenceLogOdds, PowerMask, RunningMasks
from .recurrence import RunningRecurrence


def build_recurrence(weights: Mapping[str, np.ndarray]) -> RunningRecurrence:
    """Build the recurrence that infers activations.

    Parameters
    ----------
    weights : mapping of str to ndarray
        The arguments of `networks.drnmf.DRNMF` as arrays of one dtype.

    Returns
    -------
    recurrence : RunningRecurrence
        Of one stream.
    """
    envelopes, dynamics = weights["envelopes"], weights["dynamics"]
    is_identity = dynamics.ndim == 1 and bool((dynamics == 1).all())
    return RunningRecurrence(
        weights["components"],
        weights["step_sizes"],
        weights["sparsity"],
        weights["initial_activations"],
        dynamics=None if is_identity else dynamics,
        envelopes=envelopes if envelopes.shape[-1] > 1 else None,
    )


def build_masks(weights: Mapping[str, np.ndarray], n_streams: int) -> RunningMasks:
    """Build the estimator of masks.

    Parameters
    ----------
    weights : mapping of str to ndarray
        As for `build_recurrence`.
    n_streams : int
        Number of independent streams.

    Returns
    -------
    masks : RunningMasks
    """
    target, interference = np.split(weights["output_components"], 2)
    return RunningMasks(
        build_recurrence(weights).fresh(n_streams),
        target,
        interference,
        PowerMask(weights["mask_exponent"]),
        _build_log_odds(weights, n_streams),
    )


def _build_log_odds(weights, n_streams):
    """Build the log-odds of the evidence, None for a model without evidence."""
    if not len(weights["evidence"]):
        return None
    if not len(weights["gru_evidence"]):
        return EvidenceLogOdds(weights["evidence"])
    weight_ih, weight_hh, bias = (weights[name] for name in GRU_WEIGHTS)
    gru = RunningGRU(weight_ih, weight_hh, bias, n_streams)
    return EvidenceLogOdds(weights["evidence"], gru, weights["gru_evidence"])
