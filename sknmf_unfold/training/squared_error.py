"""Squared error of a masked mixture, in few passes through memory."""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable


def squared_error(mask: torch.Tensor, mixture: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Sum ``(target - mask * mixture) ** 2`` over all entries.

    Parameters
    ----------
    mask : Tensor of shape (..., bins)
        Only the mask has a gradient.
    mixture, target : Tensor of shape (..., bins)

    Returns
    -------
    total : Tensor of shape ()

    Examples
    --------
    >>> one = torch.ones(1, 3)
    >>> squared_error(0.5 * one, one, one)
    tensor(0.7500)
    """
    return _SquaredError.apply(mask, mixture, target)


class _SquaredError(torch.autograd.Function):
    """Sum of ``(mask * mixture - target) ** 2``."""

    @staticmethod
    def forward(ctx, mask, mixture, target):
        error = torch.mul(mask, mixture).sub_(target)
        ctx.save_for_backward(error, mixture)
        return torch.dot(error.flatten(), error.flatten())

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_total):
        error, mixture = ctx.saved_tensors
        return torch.mul(error, mixture).mul_(2 * grad_total), None, None
