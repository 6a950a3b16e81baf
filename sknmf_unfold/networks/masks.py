"""Masks that networks learn: each source's share of a power of the estimates."""

from __future__ import annotations

import torch


def power_masks(estimates, exponent, dim):
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
    return torch.softmax(exponent * torch.log(estimates + floor), dim)
