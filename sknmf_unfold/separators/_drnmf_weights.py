"""Weights of DR-NMF: fitted attributes, their shapes and sizes, and resuming from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.validation.fitted import Invariant
from sknmf_unfold.validation.parameters import check_n_weights

from ._resume import refuse_to_resume
from ._training_invariants import TRAINING_INVARIANTS

if TYPE_CHECKING:
    import torch

# Fitted attributes by the names of the network's values.
WEIGHT_ATTRIBUTES = {
    "components": "components_",
    "envelopes": "envelopes_",
    "output_components": "output_components_",
    "step_sizes": "step_sizes_",
    "sparsity": "sparsity_",
    "initial_activations": "initial_activations_",
    "mask_exponent": "mask_exponent_",
    "evidence": "evidence_",
    "dynamics": "dynamics_",
    "gru_weight_ih": "gru_weight_ih_",
    "gru_weight_hh": "gru_weight_hh_",
    "gru_bias": "gru_bias_",
    "gru_evidence": "gru_evidence_",
}


# Shapes and ranges of fitted attributes; `dynamics_` has two forms, see `_invariants`.
FITTED = (
    *TRAINING_INVARIANTS,
    Invariant("output_components_", "2*pairs freqs", low=0.0),
    Invariant("initial_components_", "2*pairs freqs | 0 freqs", low=0.0),
    Invariant("components_", "layers 2*pairs freqs", low=0.0),
    Invariant("envelopes_", "layers 2*pairs context", low=0.0),
    Invariant("step_sizes_", "layers", positive=True),
    Invariant("sparsity_", "layers 2*pairs", low=0.0),
    Invariant("initial_activations_", "2*pairs", low=0.0),
    Invariant("mask_exponent_", "", positive=True),
    Invariant("evidence_", "2*pairs freqs | 0 freqs"),
    Invariant("gru_evidence_", "units? freqs"),
    Invariant("gru_weight_ih_", "3*units? 2*pairs"),
    Invariant("gru_weight_hh_", "3*units? units?"),
    Invariant("gru_bias_", "2 3*units?"),
)

# Part of the docstring of `DRNMFSeparator`.
WEIGHT_DOCS = r"""
components_ : ndarray of shape (n_layers, 2 * n_components, n_freqs)
    Dictionary of each layer: non-negative, rows of unit l2-norm, the target's first.
envelopes_ : ndarray of shape (n_layers, 2 * n_components, context)
    Amplitude of each component over the frames that it explains, the oldest first:
    non-negative, rows of unit l2-norm.
output_components_ : ndarray of shape (2 * n_components, n_freqs)
    Non-negative; turn activations into the estimates that make the mask.
step_sizes_ : ndarray of shape (n_layers,)
    Step size of each layer.
sparsity_ : ndarray of shape (n_layers, 2 * n_components)
    Sparsity weight lambda of each component in each layer.
initial_activations_ : ndarray of shape (2 * n_components,)
    Activations before the first frame.
mask_exponent_ : ndarray of shape ()
    Power p of the mask: 1 is the ratio mask, 2 the Wiener filter.
evidence_ : ndarray of shape (2 * n_components, n_freqs) or (0, n_freqs)
    Weight of evidence of each component, a contribution to the log-odds of the target in nats;
    negative entries favour the interference.
dynamics_ : ndarray of shape (2 * n_components,) or (2 * n_components, 2 * n_components)
    The diagonal, or the matrix A, whose row i holds the transitions from component i.
gru_weight_ih_ : ndarray of shape (3 * n_gru_units, 2 * n_components)
    Weights of reset gates, update gates and candidates, one below the other, for the shares of
    the components, :math:`h / (\lVert h \rVert + 1)`.
gru_weight_hh_ : ndarray of shape (3 * n_gru_units, n_gru_units)
    The same for the units of the frame before.
gru_bias_ : ndarray of shape (2, 3 * n_gru_units)
    Biases of the first and of the second.
gru_evidence_ : ndarray of shape (n_gru_units, n_freqs)
    Weight of evidence of each unit, whose activity is between -1 and 1.
initial_components_ : ndarray of shape (2 * n_components, n_freqs) or (0, n_freqs)
    The NMF dictionaries that training started from; models that `store_pretrained` wrote have none.
"""


def drnmf_invariants(attributes: Mapping[str, Any]) -> tuple[Invariant, ...]:
    """List the shapes and ranges of the fitted attributes of a `DRNMFSeparator`.

    Parameters
    ----------
    attributes : mapping
        Of the fitted model.

    Returns
    -------
    invariants : tuple of Invariant
    """
    # A matrix of dynamics may have negative entries.
    is_matrix = np.ndim(attributes.get("dynamics_", 0)) == 2
    shape, low = ("2*pairs 2*pairs", -np.inf) if is_matrix else ("2*pairs", 0.0)
    return (*FITTED, Invariant("dynamics_", shape, low=low))


def with_unit_rows(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Normalise dictionaries and envelopes, whose rows have unit norm in the stored dtype only.

    Parameters
    ----------
    weights : dict of ndarray
        Weights of a DR-NMF in the dtype of a computation.

    Returns
    -------
    weights : dict of ndarray
    """
    names = ("components", "envelopes")
    norms = {name: np.linalg.norm(weights[name], axis=-1, keepdims=True) for name in names}
    return weights | {name: weights[name] / norms[name] for name in names}


def first_layers(weights: dict[str, np.ndarray], n_layers: int) -> dict[str, np.ndarray]:
    """Return the weights of a DR-NMF of the first layers only.

    Parameters
    ----------
    weights : dict of ndarray
    n_layers : int

    Returns
    -------
    weights : dict of ndarray
    """
    names = ("components", "envelopes", "step_sizes", "sparsity")
    return weights | {name: weights[name][:n_layers] for name in names}


def check_model(n_layers: int, n_components: int, n_gru_units: int, recipe: dict) -> None:
    """Raise ``ValueError`` if a model has too many weights for memory, or units without evidence.

    Parameters
    ----------
    n_layers : int
    n_components : int
        Of both sources.
    n_gru_units : int
    recipe : dict
        Its ``context``, ``dynamics`` and ``evidence``.
    """
    context, is_full = recipe["context"], recipe["dynamics"] == "full"
    layers = {"n_layers": n_layers, "n_components": n_components // 2, "context": context}
    check_n_weights(n_layers * n_components * (context + 1), **layers)
    if is_full:
        made = {"dynamics": "full", "n_components": n_components // 2}
        check_n_weights(n_components**2, **made)
    gates = 3 * n_gru_units * (n_gru_units + n_components)
    check_n_weights(gates, n_gru_units=n_gru_units, n_components=n_components // 2)
    if n_gru_units and not recipe["evidence"]:
        raise ValueError(
            f"`n_gru_units` is {n_gru_units} but there is no evidence for them to add to; use "
            f"evidence=True or n_gru_units=0."
        )


def suited_values(
    values: dict[str, torch.Tensor], n_layers: int, n_gru_units: int, recipe: dict
) -> dict[str, torch.Tensor]:
    """Make the values that training resumes from.

    Parameters
    ----------
    values : dict of Tensor
        Values of `networks.drnmf.DRNMF`, of the fitted model.
    n_layers : int
    n_gru_units : int
        Parameters of the separator.
    recipe : dict
        Its ``context``, ``evidence`` and ``dynamics``.

    Returns
    -------
    values : dict of Tensor
        The same, with what the recipe adds: evidence of 0, and a matrix for diagonal dynamics.

    Raises
    ------
    ValueError
        If the model is not what the parameters describe and cannot become it.
    """
    n_fitted, n_components, context = values["envelopes"].shape
    if n_fitted != n_layers:
        raise refuse_to_resume("n_layers", n_layers, f"{n_fitted} layers")
    if context != recipe["context"]:
        raise refuse_to_resume("context", recipe["context"], context)
    if len(values["gru_evidence"]) != n_gru_units:
        raise refuse_to_resume("n_gru_units", n_gru_units, len(values["gru_evidence"]))
    has_evidence, dynamics = len(values["evidence"]) > 0, values["dynamics"]
    if has_evidence and not recipe["evidence"]:
        raise refuse_to_resume("evidence", False, "evidence", " Use evidence=True.")
    if dynamics.ndim == 2 and recipe["dynamics"] != "full":
        fitted, way_out = "a matrix of dynamics", " Use dynamics='full'."
        raise refuse_to_resume("dynamics", recipe["dynamics"], fitted, way_out)
    added = {}
    if recipe["evidence"] and not has_evidence:
        added["evidence"] = values["evidence"].new_zeros(n_components, values["evidence"].shape[1])
    if recipe["dynamics"] == "full" and dynamics.ndim == 1:
        added["dynamics"] = dynamics.diag()
    return values | added
