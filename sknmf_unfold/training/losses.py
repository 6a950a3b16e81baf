"""Losses over padded batches of magnitude spectrograms."""

from __future__ import annotations

import torch


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
    # Selected before anything is multiplied: an infinity in the padding would survive in the loss
    # or, times the 0 that a later selection passes back, in its gradient.
    error = target[valid] - masks[:, 0][valid] * mixture[valid]
    return error.square().sum(), error.numel()
