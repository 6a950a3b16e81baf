"""Validation of the parameters of `SupervisedNMFSeparator`."""

from __future__ import annotations

from typing import Any

from sknmf_unfold.nmf.divergence import check_beta
from sknmf_unfold.nmf.settings import check_max_frames, check_tol
from sknmf_unfold.nmf.solvers import SOLVER_NAMES, find_solver
from sknmf_unfold.validation.options import check_choice, check_verbose
from sknmf_unfold.validation.parameters import (
    MAX_COMPONENTS,
    check_number,
    check_size,
    check_sparsity,
    check_step_size,
)

from ._nmf_inference import INFERENCES
from ._recipes import check_level_frames


def check_nmf_parameters(separator: Any) -> dict[str, Any]:
    """Check all parameters.

    Parameters
    ----------
    separator : SupervisedNMFSeparator

    Returns
    -------
    checked : dict
        ``n_iter``, ``max_frames``, ``sparsity``, ``step_size`` and ``beta`` as plain numbers.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as described.
    """
    check_size("n_components", separator.n_components, high=MAX_COMPONENTS)
    check_number("max_iter", separator.max_iter, low=1, integer=True)
    check_tol("tol", separator.tol)
    check_level_frames(separator.level_frames)
    check_verbose(separator.verbose)
    inference, beta = separator.inference, check_beta(separator.beta_loss)
    check_choice("inference", inference, INFERENCES)
    checked = {
        "n_iter": check_number("n_iter", separator.n_iter, low=1, integer=True),
        "max_frames": check_max_frames(separator.max_frames),
        "sparsity": check_sparsity(separator.sparsity),
        "step_size": check_step_size(separator.step_size),
        "beta": beta,
    }
    if not _minimises(inference, beta):
        raise ValueError(
            f"`inference`={inference!r} minimises beta_loss='frobenius' only; got "
            f"beta_loss={separator.beta_loss!r}. Use inference='auto'."
        )
    return checked


def _minimises(inference, beta):
    """Whether an inference minimises a divergence; soft-thresholding needs beta = 2."""
    if inference not in SOLVER_NAMES:
        return beta == 2
    return find_solver(inference, beta) is not None
