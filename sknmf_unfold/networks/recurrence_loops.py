"""Loops over a chunk of frames, in place, for `recurrence`.

They work in place so that a GPU can replay them as CUDA graphs: its kernels take less time than
their launch.
"""

from __future__ import annotations

import torch

from . import cuda_graphs
from .cuda_graphs import replayed

# Rows (frames times batch) of the products outside the loop: large enough for full speed, small
# enough for the cache, and for little memory beside the activations.
GEMM_ROWS = 2048


def chunks(magnitude: torch.Tensor, n_past: int = 0) -> list[slice]:
    """Divide frames into chunks of about `GEMM_ROWS` rows.

    Parameters
    ----------
    magnitude : Tensor of shape (batch, n_past + frames, bins)
    n_past : int, default=0
        Number of frames before the first one, which are inputs only.

    Returns
    -------
    chunks : list of slice
    """
    n_batch, n_frames, _ = magnitude.shape
    n_frames -= n_past
    length = max(GEMM_ROWS // n_batch, 1)
    if not cuda_graphs.are_wanted(magnitude):
        return [slice(i, min(i + length, n_frames)) for i in range(0, n_frames, length)]
    # Each length takes a CUDA graph of its own: of powers of two there are few.
    length, parts, start = 1 << (length.bit_length() - 1), [], 0
    while start < n_frames:
        while length > n_frames - start:
            length //= 2
        parts.append(slice(start, start + length))
        start += length
    return parts


@replayed(writes=1)
def gram_forward(activations: torch.Tensor, transitions: torch.Tensor, state: torch.Tensor) -> None:
    """Compute activations in the Gram form.

    Parameters
    ----------
    activations : Tensor of shape (layers, frames, batch, components)
        Inputs of the layers; overwritten by the activations.
    transitions : Tensor of shape (layers, components, components)
    state : Tensor of shape (batch, components)
        Activations before the first frame.
    """
    steps, matrices = [layer.unbind(0) for layer in activations], transitions.unbind(0)
    for t in range(activations.shape[1]):
        for layer, matrix in zip(steps, matrices, strict=True):
            state = layer[t].addmm_(state, matrix).relu_()


@replayed(writes=2)
def gram_backward(
    grad_pre_activation: torch.Tensor,
    grad_state: torch.Tensor,
    matrices: torch.Tensor,
    grad_before: torch.Tensor,
) -> None:
    """Compute gradients in the Gram form.

    Parameters
    ----------
    grad_pre_activation : Tensor of shape (layers, frames, batch, components)
        Signs of the activations; overwritten by the gradients before the rectifiers.
    grad_state : Tensor of shape (batch, components)
        Gradient of the last frame's activations; overwritten by that of the activations before the
        first frame.
    matrices : Tensor of shape (layers, components, components)
        The transitions, transposed.
    grad_before : Tensor of shape (frames, batch, components)
        Gradients of the activations of the frames before, from the loss.
    """
    steps, from_loss = [layer.unbind(0) for layer in grad_pre_activation], grad_before.unbind(0)
    layers = list(enumerate(matrices.unbind(0)))[::-1]
    for t in reversed(range(grad_pre_activation.shape[1])):
        for k, matrix in layers:
            step = steps[k][t].mul_(grad_state)
            if k:
                torch.mm(step, matrix, out=grad_state)
            else:
                torch.addmm(from_loss[t], step, matrix, out=grad_state)


@replayed(writes=2)
def residual_forward(
    activations: torch.Tensor,
    residuals: torch.Tensor,
    magnitude: torch.Tensor,
    components: torch.Tensor,
    step_sizes: torch.Tensor,
    biases: torch.Tensor,
    dynamics: torch.Tensor | None,
    state: torch.Tensor,
) -> None:
    """Compute activations in the residual form.

    Parameters
    ----------
    activations : Tensor of shape (layers, frames, batch, components)
    residuals : Tensor of shape (layers, frames, batch, bins)
        Overwritten by the residuals of each layer.
    magnitude : Tensor of shape (batch, frames, bins)
    components : Tensor of shape (layers, components, bins)
    step_sizes : Tensor of shape (layers,)
    biases : Tensor of shape (layers, components)
    dynamics : Tensor of shape (components,) or None
        Transition of the activations from one frame to the next.
    state : Tensor of shape (batch, components)
        Activations before the first frame.
    """
    steps, errors = ([layer.unbind(0) for layer in x] for x in (activations, residuals))
    layers = list(zip(components, components.mT, step_sizes, biases, strict=True))
    scaled = torch.empty_like(residuals[0, 0])
    for t, frame in enumerate(magnitude.unbind(1)):
        if dynamics is not None:
            state = state * dynamics
        for k, (synthesis, analysis, step_size, bias) in enumerate(layers):
            error = torch.addmm(frame, state, synthesis, alpha=-1, out=errors[k][t])
            state = torch.add(state, bias, out=steps[k][t])
            state.addmm_(torch.mul(error, step_size, out=scaled), analysis).relu_()


@replayed(writes=4)
def residual_backward(
    grad_pre_activation: torch.Tensor,
    grad_residual: torch.Tensor,
    grad_state: torch.Tensor,
    grad_entered: torch.Tensor | None,
    components: torch.Tensor,
    step_sizes: torch.Tensor,
    dynamics: torch.Tensor | None,
    grad_before: torch.Tensor,
) -> None:
    """Compute gradients in the residual form.

    Parameters
    ----------
    grad_pre_activation : Tensor of shape (layers, frames, batch, components)
        Signs of the activations; overwritten by the gradients before the rectifiers.
    grad_residual : Tensor of shape (layers, frames, batch, bins)
        Overwritten by the gradients of the residuals.
    grad_state : Tensor of shape (batch, components)
        Gradient of the last frame's activations; overwritten by that of the activations before the
        first frame.
    grad_entered : Tensor of shape (frames, batch, components) or None
        Overwritten by the gradients of the inputs of the first layer, if there are dynamics.
    components : Tensor of shape (layers, components, bins)
    step_sizes : Tensor of shape (layers,)
    dynamics : Tensor of shape (components,) or None
        Transition of the activations from one frame to the next.
    grad_before : Tensor of shape (frames, batch, components)
        Gradients of the activations of the frames before, from the loss.
    """
    steps, errors = ([layer.unbind(0) for layer in x] for x in (grad_pre_activation, grad_residual))
    layers = list(enumerate(zip(components, components.mT, step_sizes, strict=True)))[::-1]
    for t in reversed(range(grad_pre_activation.shape[1])):
        for k, (synthesis, analysis, step_size) in layers:
            step = steps[k][t].mul_(grad_state)
            error = torch.mm(step, synthesis, out=errors[k][t]).mul_(step_size)
            torch.addmm(step, error, analysis, alpha=-1, out=grad_state)
        if dynamics is not None and grad_entered is not None:
            grad_entered[t].copy_(grad_state)
            grad_state *= dynamics
        grad_state += grad_before[t]
