"""Masks that networks learn: each source's share of a power of the estimates."""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable

# Norm of the activations of a frame, in units of the magnitudes, below which evidence fades.
QUIET = 1.0


def power_masks(estimates, exponent, dim, log_odds=None):
    """Compute ``estimates ** exponent / (estimates ** exponent).sum(dim)``.

    An exponent of 1 gives the ratio mask, 2 the Wiener filter, and more comes closer to a binary
    mask.

    Parameters
    ----------
    estimates : Tensor of shape (batch, sources, frames, bins)
        Non-negative magnitude estimates.
    exponent : Tensor of shape () or (bins,)
        Positive.
    dim : int
        The axis of the sources.
    log_odds : Tensor of shape (batch, frames, bins), optional
        What else speaks for the first source, added to the logarithm of its power.

    Returns
    -------
    masks : Tensor of shape (batch, sources, frames, bins)
        In [0, 1]; sum to 1 over sources. All sources share equally where all estimates are 0.

    Examples
    --------
    >>> estimates = torch.tensor([[3.0, 0.0], [1.0, 0.0]])
    >>> power_masks(estimates, torch.tensor(2.0), 0)
    tensor([[0.9000, 0.5000],
            [0.1000, 0.5000]])
    """
    # A power in the logarithm can neither overflow nor have an infinite gradient at 0.
    floor = torch.finfo(estimates.dtype).eps ** 2
    powers = exponent * torch.log(estimates + floor)
    if log_odds is not None:
        first, others = powers.tensor_split([1], dim)
        powers = torch.cat([first + log_odds.unsqueeze(dim), others], dim)
    return torch.softmax(powers, dim)


def component_shares(activations):
    """Compute each component's part of the activations of a frame.

    Their norm is brought to 1, or to less where there is hardly a sound: how loud the frame is
    makes no difference.

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
    return activations / (norms + QUIET)


def evidence_log_odds(hidden, evidence, n_components):
    """Compute what a frame says for the target beside the estimates.

    A component speaks with its part of the activations, see `component_shares`, a GRU unit with
    its activity.

    Parameters
    ----------
    hidden : Tensor of shape (..., components + units)
        Activations, which are not negative, and GRU units, if there are any.
    evidence : Tensor of shape (components + units, bins)
        Of any sign.
    n_components : int

    Returns
    -------
    log_odds : Tensor of shape (..., bins)
        Natural logarithms.

    Examples
    --------
    >>> activations = torch.tensor([[3e6, 4e6], [0.0, 0.0]])
    >>> evidence_log_odds(activations, torch.tensor([[1.0], [-2.0]]), 2)
    tensor([[-1.0000],
            [ 0.0000]])
    """
    speakers = component_shares(hidden[..., :n_components])
    if len(evidence) > n_components:
        speakers = torch.cat([speakers, hidden[..., n_components:]], dim=-1)
    return speakers @ evidence


def power_mask(activations, target, rest, exponent, log_odds=None):
    """Compute the first of two `power_masks` of what dictionaries make of activations.

    Parameters
    ----------
    activations : Tensor of shape (rows, components)
        Non-negative, the target's first.
    target, rest : Tensor of shape (components of a source, bins)
        Non-negative.
    exponent : Tensor of shape () or (bins,)
        Positive.
    log_odds : Tensor of shape (rows, bins), optional
        What else speaks for the target, see `power_masks`.

    Returns
    -------
    mask : Tensor of shape (rows, bins)

    Examples
    --------
    >>> dictionary = torch.eye(2)
    >>> activations = torch.tensor([[3.0, 0.0, 1.0, 0.0]])
    >>> power_mask(activations, dictionary, dictionary, torch.tensor(2.0))
    tensor([[0.9000, 0.5000]])
    """
    return _PowerMask.apply(activations, target, rest, exponent, log_odds)


class PowerMaskOutput:
    """The output of a network whose hidden units are activations of all sources.

    It has ``log_output`` of shape (components, bins) and ``log_exponent`` of shape () or (bins,).
    """

    n_sources = 2
    log_output: torch.Tensor
    log_exponent: torch.Tensor

    def output_components(self):
        """Compute what turns activations into estimates.

        Returns
        -------
        components : Tensor of shape (components, bins)
            Non-negative.
        """
        return self.log_output.exp()

    def output_weights(self):
        """Compute what `target_mask` needs beside activations.

        Returns
        -------
        target, rest : Tensor of shape (components of a source, bins)
        exponent : Tensor of shape ()
        """
        outputs = self.output_components()
        n_target = len(outputs) // self.n_sources
        parts = outputs.split([n_target, len(outputs) - n_target])
        return *parts, self.log_exponent.exp()

    def target_mask(self, hidden, weights):
        """Compute the mask of the first of two sources.

        Parameters
        ----------
        hidden : Tensor of shape (frames, batch, components + units)
            From `hidden`: activations, and what else `evidence_log_odds` takes.
        weights : tuple of Tensor
            From `output_weights`. A fourth one is for `evidence_log_odds`.

        Returns
        -------
        mask : Tensor of shape (frames, batch, bins)
        """
        rows, (target, rest, exponent, *evidence) = hidden.flatten(0, 1), weights
        n_components = len(target) + len(rest)
        log_odds = evidence_log_odds(rows, evidence[0], n_components) if evidence else None
        mask = power_mask(rows[:, :n_components], target, rest, exponent, log_odds)
        return mask.unflatten(0, hidden.shape[:2])


class _PowerMask(torch.autograd.Function):
    """In few passes over arrays of the size of the mask."""

    @staticmethod
    def forward(ctx, activations, target, rest, exponent, log_odds):
        floor = torch.finfo(activations.dtype).eps ** 2
        parts = activations.split([len(target), len(rest)], dim=1)
        estimates = [
            torch.mm(part, weights).add_(floor)
            for part, weights in zip(parts, (target, rest), strict=True)
        ]
        if not any(ctx.needs_input_grad):
            first, second = estimates
            share = first.log_().sub_(second.log_()).mul_(exponent)
            return _added(share, log_odds).sigmoid_()
        distance = torch.log(estimates[0]).sub_(torch.log(estimates[1]))
        mask = _added(torch.mul(distance, exponent), log_odds).sigmoid_()
        ctx.save_for_backward(activations, target, rest, exponent, *estimates, distance, mask)
        return mask

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        activations, target, rest, exponent, *estimates, distance, mask = ctx.saved_tensors
        slope = torch.ops.aten.sigmoid_backward(gradient, mask)
        by_exponent = None
        if ctx.needs_input_grad[3]:
            by_exponent = torch.mul(slope, distance).sum_to_size(exponent.shape)
        by_log_odds = slope.clone() if ctx.needs_input_grad[4] else None
        slope *= exponent
        parts = activations.split([len(target), len(rest)], dim=1)
        by_activations, by_weights = torch.empty_like(activations), []
        outs = by_activations.split([len(target), len(rest)], dim=1)
        for part, out, weights, estimate, sign in zip(
            parts, outs, (target, rest), estimates, (1, -1), strict=True
        ):
            by_estimate = torch.div(slope, estimate)
            out.addmm_(by_estimate, weights.T, beta=0, alpha=sign)
            by_weights.append(torch.zeros_like(weights).addmm_(part.T, by_estimate, alpha=sign))
        return by_activations, *by_weights, by_exponent, by_log_odds


def _added(sums, terms):
    return sums if terms is None else sums.add_(terms)
