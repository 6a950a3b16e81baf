"""What DR-NMF starts as: warm-start ISTA, each iteration a layer."""

from __future__ import annotations

import torch

from .gru import draw_gates

# What is left of a component in the frame before, at the start: its envelope.
DECAY = 0.3


def unfold(
    components,
    n_layers,
    sparsity,
    step_size,
    dynamics="identity",
    context=1,
    evidence=False,
    n_gru_units=0,
    rng=None,
):
    """Make the values of a `DRNMF` that computes warm-start ISTA, `n_layers` iterations a frame.

    Parameters
    ----------
    components : Tensor of shape (n_components, n_freqs)
        Dictionaries of all sources below each other, rows of unit norm.
    n_layers : int
        Iterations a frame.
    sparsity, step_size : float
        Weight of the l1 penalty, and the inverse of the paper's alpha.
    dynamics : {"identity", "diagonal", "full"}, default="identity"
        ``"full"`` makes a matrix of them.
    context : int, default=1
        Frames that the activations of a frame explain: itself and those before. Components are
        taken to last, getting weaker by `DECAY` with each frame into the past.
    evidence : bool, default=False
        Whether there is any, which says nothing yet.
    n_gru_units : int, default=0
        Number of them, which say nothing yet.
    rng : numpy.random.RandomState, optional
        Draws their weights, see `gates.draw_gates`.

    Returns
    -------
    values : dict of Tensor
        Arguments for `DRNMF`.
    """
    n_components = len(components)
    ages = torch.arange(context - 1, -1, -1, dtype=components.dtype, device=components.device)
    envelope = torch.nn.functional.normalize(DECAY**ages, dim=0)
    return {
        "components": components.repeat(n_layers, 1, 1),
        "envelopes": envelope.repeat(n_layers, n_components, 1),
        "output_components": components,
        "step_sizes": components.new_full((n_layers,), step_size),
        "sparsity": components.new_full((n_layers, n_components), sparsity),
        "initial_activations": components.new_zeros(n_components),
        "mask_exponent": components.new_ones(()),
        "evidence": torch.zeros_like(components[: n_components * evidence]),
        "dynamics": _starting_dynamics(components, dynamics),
        **draw_gates(components, n_gru_units, rng),
    }


def _starting_dynamics(components, kind):
    """Dynamics that change nothing yet."""
    n_components = len(components)
    if kind == "full":
        return torch.eye(n_components, dtype=components.dtype, device=components.device)
    return components.new_ones(n_components)
