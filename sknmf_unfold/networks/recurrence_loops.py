"""The loops over frames of `recurrence`: of one part of them, in place.

So a GPU can replay them from a recording: its kernels take less time than their launch.
"""

from __future__ import annotations

import torch

from .cuda_graphs import replayed


@replayed(writes=1)
def gram_forward(activations, transitions, state):
    """Compute activations in the Gram form.

    Parameters
    ----------
    activations : Tensor of shape (layers, frames, batch, components)
        Holds what comes from the inputs, and becomes the activations.
    transitions : Tensor of shape (layers, components, components)
    state : Tensor of shape (batch, components)
        Activations before the first frame.
    """
    steps, matrices = [layer.unbind(0) for layer in activations], transitions.unbind(0)
    for t in range(activations.shape[1]):
        for layer, matrix in zip(steps, matrices, strict=True):
            state = layer[t].addmm_(state, matrix).relu_()


@replayed(writes=2)
def gram_backward(inner, flow, matrices, earlier):
    """Compute gradients in the Gram form.

    Parameters
    ----------
    inner : Tensor of shape (layers, frames, batch, components)
        Holds the signs of the activations, and becomes the gradients inside the rectifiers.
    flow : Tensor of shape (batch, components)
        The gradient of the last frame's activations; becomes that of those before the first.
    matrices : Tensor of shape (layers, components, components)
        The transitions, transposed.
    earlier : Tensor of shape (frames, batch, components)
        What reaches the activations of the frames before from outside.
    """
    steps, earlier = [layer.unbind(0) for layer in inner], earlier.unbind(0)
    layers = list(enumerate(matrices.unbind(0)))[::-1]
    for t in reversed(range(inner.shape[1])):
        for k, matrix in layers:
            step = steps[k][t].mul_(flow)
            if k:
                torch.mm(step, matrix, out=flow)
            else:
                torch.addmm(earlier[t], step, matrix, out=flow)


@replayed(writes=2)
def residual_forward(
    activations, residuals, magnitude, components, step_sizes, biases, dynamics, state
):
    """Compute activations through the bins.

    Parameters
    ----------
    activations : Tensor of shape (layers, frames, batch, components)
    residuals : Tensor of shape (layers, frames, batch, bins)
        Become what each layer's activations, and what it has yet to explain.
    magnitude : Tensor of shape (batch, frames, bins)
    components : Tensor of shape (layers, components, bins)
    step_sizes : Tensor of shape (layers,)
    biases : Tensor of shape (layers, components)
    dynamics : Tensor of shape (components,) or None
        What activations are multiplied by when they enter a frame.
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
    inner, outer, flow, by_dynamics, components, step_sizes, dynamics, begun, earlier
):
    """Compute gradients through the bins.

    Parameters
    ----------
    inner : Tensor of shape (layers, frames, batch, components)
        Holds the signs of the activations, and becomes the gradients inside the rectifiers.
    outer : Tensor of shape (layers, frames, batch, bins)
        Becomes the gradients of the residuals.
    flow : Tensor of shape (batch, components)
        The gradient of the last frame's activations; becomes that of those before the first.
    by_dynamics : Tensor of shape (components,) or None
        To which the gradient of the dynamics is added.
    components : Tensor of shape (layers, components, bins)
    step_sizes : Tensor of shape (layers,)
    dynamics : Tensor of shape (components,) or None
    begun : Tensor of shape (frames, batch, components) or None
        Activations of the frames before, where there are dynamics.
    earlier : Tensor of shape (frames, batch, components)
        What reaches the activations of the frames before from outside.
    """
    steps, errors = ([layer.unbind(0) for layer in x] for x in (inner, outer))
    layers = list(enumerate(zip(components, components.mT, step_sizes, strict=True)))[::-1]
    for t in reversed(range(inner.shape[1])):
        for k, (synthesis, analysis, step_size) in layers:
            step = steps[k][t].mul_(flow)
            error = torch.mm(step, synthesis, out=errors[k][t]).mul_(step_size)
            torch.addmm(step, error, analysis, alpha=-1, out=flow)
        if dynamics is not None:
            by_dynamics += (flow * begun[t]).sum(0)
            flow *= dynamics
        flow += earlier[t]
