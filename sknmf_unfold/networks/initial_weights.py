"""First weights of DR-NMF: with them its layers compute warm-start ISTA."""

from __future__ import annotations

import torch

from .gru import draw_gru

# Amplitude of a component in the frame before relative to this one, at the start.
ENVELOPE_DECAY = 0.3


def unfold(
    components: torch.Tensor,
    n_layers: int,
    sparsity: float,
    step_size: float,
    dynamics: str = "identity",
    context: int = 1,
    evidence: bool = False,
    gru: dict[str, torch.Tensor] | None = None,
) -> dict[str, torch.Tensor]:
    """Make the values of a `DRNMF` that computes warm-start ISTA.

    Parameters
    ----------
    components : Tensor of shape (n_components, n_freqs)
        Dictionaries of both sources below each other, rows of unit norm.
    n_layers : int
        Iterations for each frame.
    sparsity, step_size : float
        Weight of the l1 penalty, and the inverse of the paper's alpha.
    dynamics : {"identity", "diagonal", "full"}, default="identity"
        ``"full"`` makes a matrix of dynamics.
    context : int, default=1
        Number of frames that the activations of a frame explain: itself and those before.
        Envelopes decay by `ENVELOPE_DECAY` with each frame into the past.
    evidence : bool, default=False
        Whether components have evidence, at first 0.
    gru : dict of Tensor, optional
        Weights of GRU units, see `gru.draw_gru`; by default there are none.

    Returns
    -------
    values : dict of Tensor
        For `DRNMF`.
    """
    n_components = len(components)
    ages = torch.arange(context - 1, -1, -1, dtype=components.dtype, device=components.device)
    envelope = torch.nn.functional.normalize(ENVELOPE_DECAY**ages, dim=0)
    return {
        "components": components.repeat(n_layers, 1, 1),
        "envelopes": envelope.repeat(n_layers, n_components, 1),
        "output_components": components,
        "step_sizes": components.new_full((n_layers,), step_size),
        "sparsity": components.new_full((n_layers, n_components), sparsity),
        "initial_activations": components.new_zeros(n_components),
        "mask_exponent": components.new_ones(()),
        "evidence": torch.zeros_like(components[: n_components * evidence]),
        "dynamics": _identity_dynamics(components, dynamics),
        **(draw_gru(components, 0, None) if gru is None else gru),
    }


def _identity_dynamics(components, kind):
    """Make dynamics that change no activation."""
    n_components = len(components)
    if kind == "full":
        return torch.eye(n_components, dtype=components.dtype, device=components.device)
    return components.new_ones(n_components)
