"""The target's mask from activations, in torch; frame by frame in numpy it is `runtime.masks`."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from sknmf_unfold.runtime.masks import EVIDENCE_FADE_NORM

from .protocol import TwoSourceNetwork


def component_shares(activations: torch.Tensor) -> torch.Tensor:
    """Divide the activations of each frame by their norm plus `EVIDENCE_FADE_NORM`.

    The shares of a frame do not depend on its level, and vanish in silence.

    Parameters
    ----------
    activations : Tensor of shape (..., components)
        Non-negative.

    Returns
    -------
    shares : Tensor of shape (..., components)

    Examples
    --------
    >>> component_shares(torch.tensor([[3e6, 4e6], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    norms = torch.linalg.vector_norm(activations, dim=-1, keepdim=True)
    return activations / (norms + EVIDENCE_FADE_NORM)


def evidence_log_odds(
    hidden: torch.Tensor, evidence: torch.Tensor, n_components: int
) -> torch.Tensor:
    """Compute the log-odds of the target from the evidence of components and GRU units.

    Each component adds its weight of evidence (I. J. Good: a contribution to the log-odds) times
    its share, see `component_shares`; each GRU unit adds its own times its activity.

    Parameters
    ----------
    hidden : Tensor of shape (..., components + units)
        Activations, which are not negative, and GRU units, if there are any.
    evidence : Tensor of shape (components + units, bins)
        In nats.
    n_components : int

    Returns
    -------
    log_odds : Tensor of shape (..., bins)
        In nats.

    Examples
    --------
    >>> activations = torch.tensor([[3e6, 4e6], [0.0, 0.0]])
    >>> evidence_log_odds(activations, torch.tensor([[1.0], [-2.0]]), 2)
    tensor([[-1.0000],
            [ 0.0000]])
    """
    shares = component_shares(hidden[..., :n_components])
    if len(evidence) > n_components:
        shares = torch.cat([shares, hidden[..., n_components:]], dim=-1)
    return shares @ evidence


def power_mask(
    activations: torch.Tensor,
    target: torch.Tensor,
    interference: torch.Tensor,
    exponent: torch.Tensor,
    log_odds: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute the target's mask from activations and output dictionaries.

    With the estimates Y of the target and V of the interference it is ``Y**p / (Y**p + V**p)``: an
    exponent p of 1 gives the ratio mask, 2 the Wiener filter, more comes closer to a binary mask.

    Parameters
    ----------
    activations : Tensor of shape (rows, components)
        Non-negative, the target's first.
    target, interference : Tensor of shape (components of a source, bins)
        Non-negative.
    exponent : Tensor of shape () or (bins,)
        Positive.
    log_odds : Tensor of shape (rows, bins), optional
        Added to the log-odds of the estimates.

    Returns
    -------
    mask : Tensor of shape (rows, bins)
        One half where both estimates are 0.

    Examples
    --------
    >>> dictionary = torch.eye(2)
    >>> activations = torch.tensor([[3.0, 0.0, 1.0, 0.0]])
    >>> power_mask(activations, dictionary, dictionary, torch.tensor(2.0))
    tensor([[0.9000, 0.5000]])
    """
    return _PowerMask.apply(activations, target, interference, exponent, log_odds)


class PowerMaskOutput(TwoSourceNetwork):
    """The output of a network whose hidden units are activations of both sources.

    Its parameters are ``log_output`` of shape (components, bins) and ``log_exponent`` of shape ()
    or (bins,).
    """

    log_output: torch.Tensor
    log_exponent: torch.Tensor

    def output_components(self) -> torch.Tensor:
        """Compute the dictionaries that turn activations into estimates.

        Returns
        -------
        components : Tensor of shape (components, bins)
            Non-negative.
        """
        return self.log_output.exp()

    def output_weights(self) -> tuple[torch.Tensor, ...]:
        """Compute what `target_mask` takes beside hidden units.

        Returns
        -------
        target, interference : Tensor of shape (components of a source, bins)
        exponent : Tensor of shape ()
        """
        return *self.output_components().chunk(2), self.log_exponent.exp()

    def target_mask(self, hidden: torch.Tensor, weights: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the target's mask.

        Parameters
        ----------
        hidden : Tensor of shape (frames, batch, components + units)
            Activations, and what else `evidence_log_odds` takes.
        weights : tuple of Tensor
            From `output_weights`. A fourth one is for `evidence_log_odds`.

        Returns
        -------
        mask : Tensor of shape (frames, batch, bins)
        """
        rows, (target, interference, exponent, *evidence) = hidden.flatten(0, 1), weights
        n_components = len(target) + len(interference)
        log_odds = evidence_log_odds(rows, evidence[0], n_components) if evidence else None
        mask = power_mask(rows[:, :n_components], target, interference, exponent, log_odds)
        return mask.unflatten(0, hidden.shape[:2])


def log_odds_terms(network: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Compute the terms of the log-odds of the target in a `DRNMF`.

    Parameters
    ----------
    network : DRNMF
    hidden : Tensor of shape (frames, batch, components + units)
        From `DRNMF.run`.

    Returns
    -------
    terms : Tensor of shape (frames, batch, 3 * bins)
        Of the estimates, of the components' evidence and of the GRU units', in nats.
    """
    activations, units = hidden.tensor_split([network.n_components], dim=-1)
    target, interference, exponent, *_ = network.output_weights()
    floor = torch.finfo(hidden.dtype).eps ** 2
    parts = activations.chunk(2, dim=-1)
    first, second = (
        torch.log(part @ dictionary + floor)
        for part, dictionary in zip(parts, (target, interference), strict=True)
    )
    # No shares where there is no evidence: the term is 0.
    shares = component_shares(activations)[..., : len(network.evidence)]
    terms = exponent * (first - second), shares @ network.evidence, units @ network.gru_evidence()
    return torch.cat(terms, dim=-1)


class _PowerMask(torch.autograd.Function):
    """`power_mask` in few passes over arrays of the size of the mask."""

    @staticmethod
    def forward(ctx, activations, target, interference, exponent, log_odds):
        floor = torch.finfo(activations.dtype).eps ** 2
        parts = activations.split([len(target), len(interference)], dim=1)
        estimates = [
            torch.mm(part, weights).add_(floor)
            for part, weights in zip(parts, (target, interference), strict=True)
        ]
        if not any(ctx.needs_input_grad):
            first, second = estimates
            share = first.log_().sub_(second.log_()).mul_(exponent)
            return _added(share, log_odds).sigmoid_()
        distance = torch.log(estimates[0]).sub_(torch.log(estimates[1]))
        mask = _added(torch.mul(distance, exponent), log_odds).sigmoid_()
        inputs = activations, target, interference, exponent
        ctx.save_for_backward(*inputs, distance, mask, *estimates)
        return mask

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        activations, target, interference, exponent, *rest = ctx.saved_tensors
        distance, mask, *estimates = rest
        grad_log_ratio = torch.ops.aten.sigmoid_backward(gradient, mask)
        grad_exponent = None
        if ctx.needs_input_grad[3]:
            grad_exponent = torch.mul(grad_log_ratio, distance).sum_to_size(exponent.shape)
        grad_log_odds = grad_log_ratio.clone() if ctx.needs_input_grad[4] else None
        grad_log_ratio *= exponent
        parts = activations.split([len(target), len(interference)], dim=1)
        grad_activations, grad_weights = torch.empty_like(activations), []
        outs = grad_activations.split([len(target), len(interference)], dim=1)
        for part, out, weights, estimate, sign in zip(
            parts, outs, (target, interference), estimates, (1, -1), strict=True
        ):
            grad_estimate = torch.div(grad_log_ratio, estimate)
            out.addmm_(grad_estimate, weights.T, beta=0, alpha=sign)
            grad_weights.append(torch.zeros_like(weights).addmm_(part.T, grad_estimate, alpha=sign))
        return grad_activations, *grad_weights, grad_exponent, grad_log_odds


def _added(sums, terms):
    return sums if terms is None else sums.add_(terms)
