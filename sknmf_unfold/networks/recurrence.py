"""The unfolded recurrence in two forms, each with a backward pass of its own.

Autograd would record every small product of the loop over frames. Here the loop has only what
depends on time: everything else, the gradients of the weights above all, is gathered over many
frames into large products. One array of activations is kept for the backward pass, which goes
through time in parts, so that no second one is needed.

Both forms compute the same ``h <- relu(h + step * (x - h @ D) @ D.T + bias)``. The Gram form
multiplies out ``h @ (I - step * D @ D.T)`` and takes the rest before the loop; the residual form
goes through the bins, which takes fewer multiplications where a dictionary has more components than
bins, and finds it in the cache the second time.
"""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable

from sknmf_unfold.base.tensors import empty_like

from . import cuda_graphs, recurrence_loops
from .envelopes import add_inputs, inputs_backward, project

# Rows (frames times batch) of the products outside the loop: large enough to run at full speed,
# small enough to stay in the cache and to need little memory beside the activations.
ROWS = 2048


def unfolded_recurrence(components, step_sizes, biases, dynamics=None, envelopes=None):
    """Prepare the recurrence of some layers.

    Parameters
    ----------
    components : Tensor of shape (layers, components, bins)
        Dictionary of each layer.
    step_sizes : Tensor of shape (layers,)
    biases : Tensor of shape (layers, components)
        For iterative soft-thresholding the step times the threshold, negative.
    dynamics : Tensor of shape (components,) or (components, components), optional
        What the activations of a frame are multiplied by to begin the next one, ``h * dynamics`` or
        ``h @ dynamics``. A matrix always takes the Gram form, whose products have room for it.
    envelopes : Tensor of shape (layers, components, context), optional
        How strong a component is in each of the frames that it explains, the oldest first. They
        take the Gram form too.

    Returns
    -------
    activations : callable
        ``activations(magnitude, initial)`` computes those of the last layer, of shape (frames,
        batch, components), from magnitudes of shape (batch, context - 1 + frames, bins), which
        begin with the frames before the first one, and the activations before that,
        (batch, components).

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
    """Multiply out what `GramRecurrence` takes, the dynamics with the first transition."""
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
            Of frames that inputs are gathered from, the oldest first; without them each frame is
            an input of its own.

        Returns
        -------
        activations : Tensor of shape (frames, batch, components)
        """
        n_past = 0 if envelopes is None else envelopes.shape[-1] - 1
        activations, state = _empty_activations(magnitude, biases, n_past), initial
        inputs = list(zip(activations, biases, encoders, strict=True))
        for frames in _parts(magnitude, n_past):
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
        by_encoders, by_transitions = torch.zeros_like(encoders), torch.zeros_like(transitions)
        by_biases = torch.zeros_like(encoders[:, 0])
        by_magnitude = torch.zeros_like(magnitude) if ctx.needs_input_grad[0] else None
        by_envelopes = None if envelopes is None else torch.zeros_like(envelopes)
        n_past = 0 if envelopes is None else envelopes.shape[-1] - 1
        flow = gradient[-1].clone()
        matrices = transitions.mT.contiguous()
        room = empty_like(activations[:, _parts(magnitude, n_past)[0]])
        for frames in reversed(_parts(magnitude, n_past)):
            # Gradients of what goes into the rectifiers, which pass none where they gave 0.
            inner = _signs(activations[:, frames], room)
            recurrence_loops.gram_backward(inner, flow, matrices, _earlier(gradient, None, frames))
            _add_products(by_transitions.mT, inner, _entered(activations, initial, frames))
            by_biases += inner.sum(dim=(1, 2))
            rows = _rows(magnitude, frames, n_past)
            if envelopes is not None:
                projections = project(rows, encoders, inner.shape[1] + n_past)
                inner = inputs_backward(inner, projections, envelopes, by_envelopes)
            _add_products(by_encoders.mT, inner, [rows] * len(inner))
            if by_magnitude is not None:
                by_rows = (inner @ encoders.mT[:, None]).sum(0)
                by_magnitude[:, frames.start : frames.stop + n_past] += by_rows.transpose(0, 1)
        return by_magnitude, by_encoders, by_biases, by_transitions, flow, by_envelopes


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
            What activations are multiplied by when they enter a frame.
        initial : Tensor of shape (batch, components)

        Returns
        -------
        activations : Tensor of shape (frames, batch, components)
        """
        activations, state = _empty_activations(magnitude, biases), initial
        residuals = empty_like(magnitude, (*activations.shape[:3], magnitude.shape[-1]))
        for frames in _parts(magnitude):
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
        by_biases = torch.zeros_like(components[..., 0])
        by_dynamics = None if dynamics is None else torch.zeros_like(dynamics)
        by_magnitude = torch.empty_like(magnitude) if ctx.needs_input_grad[0] else None
        flow = gradient[-1].clone()
        rooms = [empty_like(x[:, _parts(magnitude)[0]]) for x in (activations, residuals)]
        for frames in reversed(_parts(magnitude)):
            # Gradients of what goes into the rectifiers, which pass none where they gave 0, and of
            # the residuals.
            inner = _signs(activations[:, frames], rooms[0])
            outer = rooms[1][:, : inner.shape[1]]
            begun = None if dynamics is None else _earlier(activations[-1], initial, frames)
            written = inner, outer, flow, by_dynamics
            rest = components, step_sizes, dynamics, begun, _earlier(gradient, None, frames)
            recurrence_loops.residual_backward(*written, *rest)
            entered = _entered(activations, initial, frames)
            if dynamics is not None:
                entered[0] = entered[0] * dynamics
            _add_products(products[0], inner, residuals[:, frames].flatten(1, 2))
            _add_products(products[1].mT, outer, entered)
            by_biases += inner.sum(dim=(1, 2))
            if by_magnitude is not None:
                by_magnitude[:, frames] = outer.sum(0).transpose(0, 1)
        by_steps = (products[0] * components).sum(dim=(1, 2))
        by_components = step_sizes[:, None, None] * products[0] - products[1]
        return by_magnitude, by_components, by_steps, by_biases, by_dynamics, flow


def _empty_activations(magnitude, biases, n_past=0):
    """Make room for the activations: of a layer all frames, of a frame the whole batch."""
    n_layers, n_components = biases.shape
    n_batch, n_frames, _ = magnitude.shape
    return empty_like(magnitude, (n_layers, n_frames - n_past, n_batch, n_components))


def _parts(magnitude, n_past=0):
    """Slices of the frames with about `ROWS` rows each; of the first ones there are only inputs."""
    n_batch, n_frames, _ = magnitude.shape
    n_frames -= n_past
    length = max(ROWS // n_batch, 1)
    if not cuda_graphs.are_wanted(magnitude):
        return [slice(i, min(i + length, n_frames)) for i in range(0, n_frames, length)]
    # Each length takes a recording of its own: of powers of two there are few.
    length, parts, start = 1 << (length.bit_length() - 1), [], 0
    while start < n_frames:
        while length > n_frames - start:
            length //= 2
        parts.append(slice(start, start + length))
        start += length
    return parts


def _rows(magnitude, frames, n_past=0):
    """Return some frames and those before as rows, the batch of each side by side.

    A copy unless frames come first in memory.
    """
    frames = slice(frames.start, frames.stop + n_past)
    return magnitude[:, frames].transpose(0, 1).flatten(0, 1)


def _signs(activations, room):
    """Write the signs of some frames to memory for at least as many."""
    return torch.sign(activations, out=room[:, : activations.shape[1]])


def _entered(activations, initial, frames):
    """Return what entered each layer, as rows: of the layer before, or of the frame before."""
    before = [layer[frames].flatten(0, 1) for layer in activations[:-1]]
    return [_earlier(activations[-1], initial, frames).flatten(0, 1), *before]


def _earlier(values, initial, frames):
    """Return what stands one frame earlier; before the first one `initial`, or zeros for None."""
    if frames.start:
        return values[frames.start - 1 : frames.stop - 1]
    first = torch.zeros_like(values[:1]) if initial is None else initial[None]
    return torch.cat([first, values[: frames.stop - 1]])


def _add_products(sums, left, right):
    """Add ``left[k].T @ right[k]`` to the sum of each layer k, rows being (frame, batch)."""
    for total, one, other in zip(sums, left, right, strict=True):
        total.addmm_(one.flatten(0, 1).T, other)
