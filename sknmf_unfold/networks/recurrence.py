"""The recurrence of DR-NMF in torch: two forms, each with its own backward pass.

Autograd would record every small product of the loop over frames. Here the loop contains only what
depends on time: everything else, above all the gradients of the weights, becomes large products
over many frames. One array of activations is kept for the backward pass, which goes back in chunks
of frames, so that no second array of that size is needed.

Both forms compute the same ``h <- relu(h + step * (x - h @ D) @ D.T + bias)``. The Gram form
multiplies out ``h @ (I - step * D @ D.T)`` and computes the rest before the loop. The residual form
multiplies by the dictionary twice, which takes fewer multiplications where a dictionary has more
components than bins.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable

from sknmf_unfold.base.tensors import empty_like

from . import recurrence_loops
from .envelopes import add_inputs, inputs_backward, project
from .recurrence_loops import chunks


def unfolded_recurrence(
    components: torch.Tensor,
    step_sizes: torch.Tensor,
    biases: torch.Tensor,
    dynamics: torch.Tensor | None = None,
    envelopes: torch.Tensor | None = None,
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Prepare the recurrence of all layers.

    Parameters
    ----------
    components : Tensor of shape (layers, components, bins)
        Dictionary of each layer.
    step_sizes : Tensor of shape (layers,)
    biases : Tensor of shape (layers, components)
        For iterative soft-thresholding minus the step size times the sparsity weight.
    dynamics : Tensor of shape (components,) or (components, components), optional
        Transition of the activations from one frame to the next, ``h * dynamics`` or
        ``h @ dynamics``. A matrix always takes the Gram form, where it costs nothing.
    envelopes : Tensor of shape (layers, components, context), optional
        Amplitude of each component over the frames that it explains, the oldest first. They take
        the Gram form too.

    Returns
    -------
    activations : callable
        ``activations(magnitude, initial)`` computes the activations of the last layer, of shape
        (frames, batch, components). It takes magnitudes of shape (batch, context - 1 + frames,
        bins), the frames before the first one included, and the activations of the frame before
        the first one, of shape (batch, components).

    Examples
    --------
    >>> bias = torch.full((1, 2), -1.0)
    >>> activations = unfolded_recurrence(torch.eye(2)[None], torch.ones(1), bias)
    >>> activations(torch.tensor([[[3.0, 0.5]]]), torch.zeros(1, 2))
    tensor([[[2., 0.]]])
    """
    is_matrix = dynamics is not None and dynamics.ndim == 2
    recurrence: type[torch.autograd.Function] = ResidualRecurrence
    weights = components, step_sizes, biases, dynamics
    last: tuple = ()
    if components.shape[1] <= components.shape[2] or is_matrix or envelopes is not None:
        recurrence, weights = GramRecurrence, _gram_weights(*weights, envelopes)
        last = (envelopes,)

    def activations(magnitude, initial):
        return recurrence.apply(magnitude, *weights, initial, *last)

    return activations


def _gram_weights(components, step_sizes, biases, dynamics, envelopes):
    """Multiply out the weights of `GramRecurrence`, the dynamics with the first transition."""
    encoders = step_sizes[:, None, None] * components.mT
    identity = torch.eye(components.shape[1], dtype=components.dtype, device=components.device)
    gram = components @ encoders
    if envelopes is not None:
        gram = gram * (envelopes @ envelopes.mT)
    transitions = identity - gram
    if dynamics is not None:
        first = transitions[0]
        first = dynamics @ first if dynamics.ndim == 2 else dynamics[:, None] * first
        transitions = torch.cat([first[None], transitions[1:]])
    return encoders.contiguous(), biases, transitions


class GramRecurrence(torch.autograd.Function):
    """``h <- relu(x @ encoders[k] + biases[k] + h @ transitions[k])`` for all frames, layers."""

    @staticmethod
    def forward(ctx, magnitude, encoders, biases, transitions, initial, envelopes=None):
        """Compute the activations of the last layer.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, context - 1 + frames, bins)
        encoders : Tensor of shape (layers, bins, components)
        biases : Tensor of shape (layers, components)
        transitions : Tensor of shape (layers, components, components)
        initial : Tensor of shape (batch, components)
        envelopes : Tensor of shape (layers, components, context), optional
            Amplitude of components over the last frames, the oldest first; without them components
            explain one frame.

        Returns
        -------
        activations : Tensor of shape (frames, batch, components)
        """
        n_past = 0 if envelopes is None else envelopes.shape[-1] - 1
        activations, state = _empty_activations(magnitude, biases, n_past), initial
        inputs = list(zip(activations, biases, encoders, strict=True))
        for frames in chunks(magnitude, n_past):
            rows = _rows(magnitude, frames, n_past)
            if envelopes is None:
                for layer, bias, encoder in inputs:
                    torch.addmm(bias, rows, encoder, out=layer[frames].flatten(0, 1))
            else:
                part = activations[:, frames].copy_(biases[:, None, None])
                add_inputs(part, project(rows, encoders, part.shape[1] + n_past), envelopes)
            recurrence_loops.gram_forward(activations[:, frames], transitions, state)
            state = activations[-1, frames.stop - 1]
        saved = magnitude, encoders, transitions, initial, envelopes, activations
        ctx.save_for_backward(*saved)
        return activations[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Gradients with respect to all arguments."""
        magnitude, encoders, transitions, initial, envelopes, activations = ctx.saved_tensors
        grad_encoders, grad_transitions = torch.zeros_like(encoders), torch.zeros_like(transitions)
        grad_biases = torch.zeros_like(encoders[:, 0])
        grad_magnitude = torch.zeros_like(magnitude) if ctx.needs_input_grad[0] else None
        grad_envelopes = None if envelopes is None else torch.zeros_like(envelopes)
        n_past = 0 if envelopes is None else envelopes.shape[-1] - 1
        grad_state = gradient[-1].clone()
        matrices = transitions.mT.contiguous()
        buffer = empty_like(activations[:, chunks(magnitude, n_past)[0]])
        for frames in reversed(chunks(magnitude, n_past)):
            # Rectifiers pass no gradient where they gave 0.
            grad_pre_activation = _signs(activations[:, frames], buffer)
            recurrence_loops.gram_backward(
                grad_pre_activation, grad_state, matrices, _frames_before(gradient, None, frames)
            )
            inputs_of_layers = _layer_inputs(activations, initial, frames)
            _add_products(grad_transitions.mT, grad_pre_activation, inputs_of_layers)
            grad_biases += grad_pre_activation.sum(dim=(1, 2))
            rows = _rows(magnitude, frames, n_past)
            if grad_envelopes is not None:
                projections = project(rows, encoders, grad_pre_activation.shape[1] + n_past)
                grad_pre_activation = inputs_backward(
                    grad_pre_activation, projections, envelopes, grad_envelopes
                )
            _add_products(grad_encoders.mT, grad_pre_activation, [rows] * len(grad_pre_activation))
            if grad_magnitude is not None:
                grad_rows = (grad_pre_activation @ encoders.mT[:, None]).sum(0)
                grad_magnitude[:, frames.start : frames.stop + n_past] += grad_rows.transpose(0, 1)
        gradients = grad_magnitude, grad_encoders, grad_biases, grad_transitions
        return *gradients, grad_state, grad_envelopes


class ResidualRecurrence(torch.autograd.Function):
    """``h <- relu(h + steps[k] * (x - h @ D[k]) @ D[k].T + biases[k])`` for all frames, layers.

    Before the first layer of every frame ``h <- h * dynamics``.
    """

    @staticmethod
    def forward(ctx, magnitude, components, step_sizes, biases, dynamics, initial):
        """Compute the activations of the last layer.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        components : Tensor of shape (layers, components, bins)
            D of each layer.
        step_sizes : Tensor of shape (layers,)
        biases : Tensor of shape (layers, components)
        dynamics : Tensor of shape (components,) or None
            Transition of the activations from one frame to the next.
        initial : Tensor of shape (batch, components)

        Returns
        -------
        activations : Tensor of shape (frames, batch, components)
        """
        activations, state = _empty_activations(magnitude, biases), initial
        residuals = empty_like(magnitude, (*activations.shape[:3], magnitude.shape[-1]))
        for frames in chunks(magnitude):
            written = activations[:, frames], residuals[:, frames]
            rest = components, step_sizes, biases, dynamics, state
            recurrence_loops.residual_forward(*written, magnitude[:, frames], *rest)
            state = activations[-1, frames.stop - 1]
        saved = (magnitude, components, step_sizes, dynamics, initial, activations, residuals)
        ctx.save_for_backward(*saved)
        return activations[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Gradients with respect to all arguments."""
        magnitude, components, step_sizes, dynamics, initial, *rest = ctx.saved_tensors
        activations, residuals = rest
        products = [torch.zeros_like(components) for _ in range(2)]
        grad_biases = torch.zeros_like(components[..., 0])
        grad_dynamics = None if dynamics is None else torch.zeros_like(dynamics)
        grad_magnitude = torch.empty_like(magnitude) if ctx.needs_input_grad[0] else None
        grad_state = gradient[-1].clone()
        first = chunks(magnitude)[0]
        buffers = [empty_like(x[:, first]) for x in (activations, residuals)]
        entered_buffer = None if dynamics is None else empty_like(activations[-1, first])
        for frames in reversed(chunks(magnitude)):
            # Rectifiers pass no gradient where they gave 0.
            grad_pre_activation = _signs(activations[:, frames], buffers[0])
            n_frames = grad_pre_activation.shape[1]
            grad_residual = buffers[1][:, :n_frames]
            grad_entered = None if entered_buffer is None else entered_buffer[:n_frames]
            written = grad_pre_activation, grad_residual, grad_state, grad_entered
            weights = components, step_sizes, dynamics
            grad_before = _frames_before(gradient, None, frames)
            recurrence_loops.residual_backward(*written, *weights, grad_before)
            inputs_of_layers = _layer_inputs(activations, initial, frames)
            if grad_entered is not None:
                before = inputs_of_layers[0]
                grad_dynamics += (grad_entered.flatten(0, 1) * before).sum(0)
                inputs_of_layers[0] = before * dynamics
            _add_products(products[0], grad_pre_activation, residuals[:, frames].flatten(1, 2))
            _add_products(products[1].mT, grad_residual, inputs_of_layers)
            grad_biases += grad_pre_activation.sum(dim=(1, 2))
            if grad_magnitude is not None:
                grad_magnitude[:, frames] = grad_residual.sum(0).transpose(0, 1)
        grad_steps = (products[0] * components).sum(dim=(1, 2))
        grad_components = step_sizes[:, None, None] * products[0] - products[1]
        return grad_magnitude, grad_components, grad_steps, grad_biases, grad_dynamics, grad_state


def _empty_activations(magnitude, biases, n_past=0):
    """Allocate the activations: of a layer all frames, of a frame the whole batch."""
    n_layers, n_components = biases.shape
    n_batch, n_frames, _ = magnitude.shape
    return empty_like(magnitude, (n_layers, n_frames - n_past, n_batch, n_components))


def _rows(magnitude, frames, n_past=0):
    """Return some frames and those before as rows, the batch of each side by side.

    A copy unless frames come first in memory.
    """
    frames = slice(frames.start, frames.stop + n_past)
    return magnitude[:, frames].transpose(0, 1).flatten(0, 1)


def _signs(activations, buffer):
    """Write the signs of some frames to memory for at least as many."""
    return torch.sign(activations, out=buffer[:, : activations.shape[1]])


def _layer_inputs(activations, initial, frames):
    """Return the inputs of each layer as rows: of the layer before, or of the frame before."""
    before = [layer[frames].flatten(0, 1) for layer in activations[:-1]]
    return [_frames_before(activations[-1], initial, frames).flatten(0, 1), *before]


def _frames_before(values, initial, frames):
    """Return values one frame earlier; before the first frame `initial`, or zeros for None."""
    if frames.start:
        return values[frames.start - 1 : frames.stop - 1]
    first = torch.zeros_like(values[:1]) if initial is None else initial[None]
    return torch.cat([first, values[: frames.stop - 1]])


def _add_products(sums, left, right):
    """Add ``left[k].T @ right[k]`` to the sum of each layer k, rows being (frame, batch)."""
    for total, one, other in zip(sums, left, right, strict=True):
        total.addmm_(one.flatten(0, 1).T, other)
