"""Losses over padded batches of magnitude spectrograms."""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable


def valid_frames(n_frames, length):
    """1 for frames of a sequence, 0 for its padding.

    Parameters
    ----------
    n_frames : Tensor of shape (batch,), int
        Length of each sequence.
    length : int
        Padded length.

    Returns
    -------
    valid : Tensor of shape (batch, length), bool

    Examples
    --------
    >>> valid_frames(torch.tensor([1, 3]), 3)
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    return torch.arange(length, device=n_frames.device) < n_frames[:, None]


def signal_approximation(masks, mixture, target, n_frames):
    """Squared error of the masked mixture, summed over the frames and bins that are not padding.

    Parameters
    ----------
    masks : Tensor of shape (batch, sources, frames, bins)
        The first source is the target.
    mixture, target : Tensor of shape (batch, frames, bins)
        Magnitudes.
    n_frames : Tensor of shape (batch,), int
        Length of each sequence.

    Returns
    -------
    total : Tensor of shape ()
        Sum of ``(target - mask * mixture) ** 2``; divided by `count` it is the paper's loss.
    count : int
        Number of valid frames times bins.

    References
    ----------
    .. [1] Weninger, Hershey, Le Roux, Schuller, "Discriminatively trained recurrent neural networks
       for single-channel speech separation", GlobalSIP 2014: signal approximation.

    Examples
    --------
    >>> masks = torch.full((1, 2, 3, 4), 0.5)
    >>> total, count = signal_approximation(
    ...     masks, torch.ones(1, 3, 4), torch.ones(1, 3, 4), torch.tensor([2])
    ... )
    >>> float(total) / count
    0.25
    """
    valid = valid_frames(n_frames, mixture.shape[1])
    return masked_error(masks[:, 0], mixture, target, valid), int(valid.sum()) * mixture.shape[2]


def masked_error(mask, mixture, target, valid):
    """Sum ``(target - mask * mixture) ** 2`` over the entries that are not padding.

    Parameters
    ----------
    mask, mixture, target : Tensor of shape (..., bins)
    valid : Tensor of shape (...), bool

    Returns
    -------
    total : Tensor of shape ()

    Examples
    --------
    >>> one = torch.ones(2, 3)
    >>> masked_error(0.5 * one, one, one, torch.tensor([True, False]))
    tensor(0.7500)
    """
    if not bool(valid.all()):
        # Selected before anything is multiplied: an infinity in the padding would survive in the
        # loss or, times the 0 that a later selection passes back, in its gradient.
        mask, mixture, target = mask[valid], mixture[valid], target[valid]
    return _SquaredError.apply(mask, mixture, target)


class _SquaredError(torch.autograd.Function):
    """Sum of ``(mask * mixture - target) ** 2``, in few passes; only the mask has a gradient."""

    @staticmethod
    def forward(ctx, mask, mixture, target):
        error = torch.mul(mask, mixture).sub_(target)
        ctx.save_for_backward(error, mixture)
        return torch.dot(error.flatten(), error.flatten())

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        error, mixture = ctx.saved_tensors
        return torch.mul(error, mixture).mul_(2 * gradient), None, None
