"""The loss of a batch, part by part of its frames, where a network can tell parts apart.

Such a network has ``hidden(magnitude) -> (frames, batch, features)``, which goes through time, and
``target_mask(hidden, output_weights()) -> (frames, batch, bins)``, which looks at each frame alone.
What the second needs for its gradient is as large as many arrays of features: of one part of the
frames it is small, stays in the cache, and is gone before the next.
"""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable

from sknmf_unfold.base.tensors import empty_like

from .losses import masked_error, signal_approximation, valid_frames

# Rows (frames times batch) of a part.
ROWS = 1024
# Sequences of a part of a batch: with fewer, products are so small that a network takes longer for
# all of them, one part after the other; more leave cores without work.
MIN_SEQUENCES, MAX_SEQUENCES = 8, 16


def parts_of(batch):
    """Divide a batch into parts of its sequences, which do not depend on threads.

    Parameters
    ----------
    batch : tuple of Tensor
        From `Pairs.batch`.

    Returns
    -------
    parts : list of tuple of Tensor
        In memory of their own, frames first; the batch itself on a GPU, which takes all at once.
    """
    if batch[0].device.type != "cpu":
        return [batch]
    mixture, target, n_frames = batch
    n_parts = max(min(-(-len(n_frames) // MIN_SEQUENCES), 2), -(-len(n_frames) // MAX_SEQUENCES))
    columns = [x.transpose(0, 1).tensor_split(n_parts, dim=1) for x in (mixture, target)]
    parts = zip(*columns, n_frames.tensor_split(n_parts), strict=True)
    return [(*(x.contiguous().transpose(0, 1) for x in pair), n) for *pair, n in parts]


def batch_loss(network, batch):
    """Compute the summed loss of a batch.

    Parameters
    ----------
    network : torch.nn.Module
        As described above, or any with ``forward(magnitude, state=None) -> (masks, state)``.
    batch : tuple of Tensor
        ``mixture``, ``target`` and ``n_frames``, see `Pairs.batch`.

    Returns
    -------
    total : Tensor of shape ()
    count : int
        Number of entries in the sum.
    """
    mixture, target, n_frames = batch
    if not hasattr(network, "hidden"):
        return signal_approximation(network(mixture)[0], mixture, target, n_frames)
    parts, length = [], max(ROWS // len(mixture), 1)
    for start in range(0, mixture.shape[1], length):
        parts.append(slice(start, min(start + length, mixture.shape[1])))
    valid = valid_frames(n_frames, mixture.shape[1])

    def loss(frames, hidden, *weights):
        # Rows in the order of `hidden`, so that all passes go straight through memory.
        rows = [x[:, frames].transpose(0, 1).contiguous() for x in (mixture, target, valid)]
        return masked_error(network.target_mask(hidden, weights), *rows)

    total = _SumOverParts.apply(loss, parts, network.hidden(mixture), *network.output_weights())
    return total, int(n_frames.sum()) * mixture.shape[2]


class _SumOverParts(torch.autograd.Function):
    """Sum of ``function(part, hidden[part], *weights)``, its gradients computed beside it."""

    @staticmethod
    def forward(ctx, function, parts, hidden, *weights):
        if not any(ctx.needs_input_grad):
            return sum(function(part, hidden[part], *weights) for part in parts)
        total, by_hidden = hidden.new_zeros(()), empty_like(hidden)
        leaves = [x.detach().requires_grad_() for x in weights]
        by_weights = [torch.zeros_like(x) for x in weights]
        for part in parts:
            piece = hidden[part].detach().requires_grad_()
            with torch.enable_grad():
                value = function(part, piece, *leaves)
            by_hidden[part], *gradients = torch.autograd.grad(value, [piece, *leaves])
            for sum_, gradient in zip(by_weights, gradients, strict=True):
                sum_ += gradient
            total += value.detach()
        ctx.gradients = by_hidden, *by_weights
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return None, None, *(x.mul_(gradient) for x in ctx.gradients)
