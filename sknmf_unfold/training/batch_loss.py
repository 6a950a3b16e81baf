"""The loss of a batch and its gradient, from a network's masks and a loss function.

A network has ``forward(magnitude, state=None) -> (masks, state)``. Where its masks depend on the
time only through hidden units, it also has ``hidden(magnitude) -> (frames, batch, units)``, which
goes through time, ``output_weights() -> tuple of Tensor``, and ``target_mask(hidden,
output_weights()) -> (frames, batch, bins)``, which takes each frame alone. A framewise loss is then
computed in chunks of frames: what its gradient needs is small, stays in the cache, and is freed
before the next chunk.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from sknmf_unfold.base.tensors import empty_like

from .batches import Batch
from .losses import Loss
from .own_loss import checked
from .squared_error import squared_error

# A torch.nn.Module as described above, whose methods type checkers cannot know.
Network = Any
# Rows (frames times batch) of a chunk.
CHUNK_ROWS = 1024
# Fields of the STFT settings that a loss may depend on.
STFT_SETTINGS = ("n_fft", "hop_length", "window")


def make_batch_loss(loss: Loss, stft_settings: dict | None) -> Callable:
    """Make the function that a `Trainer` takes as its loss.

    Parameters
    ----------
    loss : Loss
    stft_settings : dict or None
        Of the recordings; None for magnitudes.

    Returns
    -------
    batch_loss : callable
        ``batch_loss(network, batch) -> (total, count)``.
    """
    if loss.is_framewise:
        return functools.partial(framewise_loss, function=loss.function)
    if loss.is_waveform and stft_settings is not None:
        stft = {name: stft_settings[name] for name in STFT_SETTINGS}
        return functools.partial(
            waveform_loss, function=functools.partial(loss.function, stft=stft)
        )
    function = checked(loss.function) if loss.is_own else loss.function
    return functools.partial(sequence_loss, function=function)


def framewise_loss(
    network: Network, batch: Batch, function: Callable = squared_error
) -> tuple[torch.Tensor, int]:
    """Sum a framewise loss over the frames and bins that are not padding.

    Parameters
    ----------
    network : torch.nn.Module
        As described above.
    batch : tuple of Tensor
        ``mixture``, ``target`` and ``n_frames``, see `Pairs.batch`.
    function : callable, default=squared_error
        ``function(mask, mixture, target)`` of tensors of shape (..., bins); returns their sum.

    Returns
    -------
    total : Tensor of shape ()
    count : int
        Number of entries in the sum.
    """
    mixture, target, n_frames = batch
    valid = valid_frames(n_frames, mixture.shape[1])
    count = int(n_frames.sum()) * mixture.shape[2]
    if not hasattr(network, "hidden"):
        mask = target_mask(network, mixture)
        return function(*_without_padding(mask, mixture, target, valid)), count
    length = max(CHUNK_ROWS // len(mixture), 1)
    starts = range(0, mixture.shape[1], length)
    chunks = [slice(start, min(start + length, mixture.shape[1])) for start in starts]

    def chunk_loss(frames, hidden, *weights):
        # Rows in the order of `hidden`, so that all passes go straight through memory.
        rows = [x[:, frames].transpose(0, 1).contiguous() for x in (mixture, target, valid)]
        return function(*_without_padding(network.target_mask(hidden, weights), *rows))

    hidden, weights = network.hidden(mixture), network.output_weights()
    return _SumOverChunks.apply(chunk_loss, chunks, hidden, *weights), count


def sequence_loss(
    network: Network, batch: Batch, function: Callable[..., torch.Tensor]
) -> tuple[torch.Tensor, int]:
    """Sum a loss that has one number for each sequence.

    Parameters
    ----------
    network : torch.nn.Module
        As described above.
    batch : tuple of Tensor
        ``mixture``, ``target``, which may be complex, and ``n_frames``, see `Pairs.batch`.
    function : callable
        ``function(mask, mixture, target)`` of tensors of shape (batch, frames, bins), sequences of
        one length without padding; returns a tensor of shape (batch,).

    Returns
    -------
    total : Tensor of shape ()
    count : int
        Number of sequences.
    """
    mixture, target, n_frames = batch
    mask = target_mask(network, mixture.abs() if mixture.is_complex() else mixture)
    lengths, counts = n_frames.unique_consecutive(return_counts=True)
    totals, start = [], 0
    for length, count in zip(lengths.tolist(), counts.tolist(), strict=True):
        part = slice(start, start + count), slice(length)
        totals.append(function(mask[part], mixture[part], target[part]).sum())
        start += count
    return torch.stack(totals).sum(), len(mixture)


def waveform_loss(
    network: Network, batch: Batch, function: Callable[..., torch.Tensor]
) -> tuple[torch.Tensor, int]:
    """Sum a loss of waveforms, to which padding adds silence.

    Parameters
    ----------
    network : torch.nn.Module
        As described above.
    batch : tuple of Tensor
        ``mixture`` and ``target``, both complex, and ``n_frames``, see `Pairs.batch`.
    function : callable
        ``function(mask, mixture, target, magnitude)``; returns a tensor of shape (batch,).

    Returns
    -------
    total : Tensor of shape ()
    count : int
        Number of sequences.
    """
    mixture, target, _ = batch
    magnitude = mixture.abs()
    mask = target_mask(network, magnitude)
    return function(mask, mixture, target, magnitude).sum(), len(mixture)


def target_mask(network: Network, magnitude: torch.Tensor) -> torch.Tensor:
    """Compute the mask of the target, without that of the interference where the network can.

    Parameters
    ----------
    network : torch.nn.Module
        As described above.
    magnitude : Tensor of shape (batch, frames, bins)

    Returns
    -------
    mask : Tensor of shape (batch, frames, bins)
    """
    if not hasattr(network, "hidden"):
        return network(magnitude)[0][:, 0]
    return network.target_mask(network.hidden(magnitude), network.output_weights()).transpose(0, 1)


def valid_frames(n_frames: torch.Tensor, length: int) -> torch.Tensor:
    """Mark the frames of a batch that are not padding.

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


def _without_padding(mask, mixture, target, valid):
    """Select valid frames before anything is computed from them.

    An infinity in the padding would survive in the loss or, times the 0 that a later selection
    passes back, in its gradient.
    """
    if bool(valid.all()):
        return mask, mixture, target
    return mask[valid], mixture[valid], target[valid]


class _SumOverChunks(torch.autograd.Function):
    """Sum of ``function(chunk, hidden[chunk], *weights)``; its gradients are computed beside it."""

    @staticmethod
    def forward(ctx, function, chunks, hidden, *weights):
        if not any(ctx.needs_input_grad):
            return sum(function(chunk, hidden[chunk], *weights) for chunk in chunks)
        total, grad_hidden = hidden.new_zeros(()), empty_like(hidden)
        leaves = [x.detach().requires_grad_() for x in weights]
        grad_weights = [torch.zeros_like(x) for x in weights]
        for chunk in chunks:
            piece = hidden[chunk].detach().requires_grad_()
            with torch.enable_grad():
                value = function(chunk, piece, *leaves)
            grad_hidden[chunk], *gradients = torch.autograd.grad(value, [piece, *leaves])
            for sum_, gradient in zip(grad_weights, gradients, strict=True):
                sum_ += gradient
            total += value.detach()
        ctx.gradients = grad_hidden, *grad_weights
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_total):
        return None, None, *(x.mul_(grad_total) for x in ctx.gradients)
