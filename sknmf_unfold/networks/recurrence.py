"""The unfolded recurrence, with a backward pass of its own."""

from __future__ import annotations

import torch
from torch.autograd.function import once_differentiable


class UnfoldedRecurrence(torch.autograd.Function):
    """``h <- relu(h @ transitions[k] + inputs[t, k])`` for every frame t and layer k.

    Autograd would record every small product; this keeps one array of activations and gathers the
    weight gradients of all frames into one product a layer.
    """

    @staticmethod
    def forward(ctx, inputs, transitions, initial):
        """Compute the activations of the last layer.

        Parameters
        ----------
        inputs : Tensor of shape (frames, layers, batch, components)
        transitions : Tensor of shape (layers, components, components)
        initial : Tensor of shape (batch, components)

        Returns
        -------
        activations : Tensor of shape (frames, batch, components)
        """
        n_layers = len(transitions)
        # Contiguous whatever the inputs are, so that `results` are views and not copies.
        activations = torch.empty_like(inputs, memory_format=torch.contiguous_format)
        steps = inputs.flatten(0, 1).unbind(0)
        results = activations.flatten(0, 1).unbind(0)
        matrices = transitions.unbind(0)
        state = initial
        for i, (step, result) in enumerate(zip(steps, results, strict=True)):
            torch.addmm(step, state, matrices[i % n_layers], out=result).relu_()
            state = result
        ctx.save_for_backward(activations, transitions, initial)
        return activations[:, -1]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Gradients with respect to inputs, transitions and initial activations."""
        activations, transitions, initial = ctx.saved_tensors
        n_layers = len(transitions)
        # 1 where the rectifier let through, turned into the gradient of its argument in place.
        step_gradients = (activations > 0).to(activations.dtype)
        steps = step_gradients.flatten(0, 1).unbind(0)
        frames = gradient.unbind(0)
        matrices = [matrix.T for matrix in transitions.unbind(0)]
        flow = torch.zeros_like(initial)
        for i in range(len(steps) - 1, -1, -1):
            frame, layer = divmod(i, n_layers)
            if layer == n_layers - 1:
                flow = flow + frames[frame]
            steps[i].mul_(flow)
            flow = steps[i] @ matrices[layer]
        return step_gradients, _transition_gradients(activations, step_gradients, initial), flow


def _transition_gradients(activations, step_gradients, initial):
    """Sum over frames and batch of (what entered layer k)' @ (gradient of its argument)."""
    n_layers = activations.shape[1]
    gradients = []
    for layer in range(n_layers):
        if layer:
            entered = activations[:, layer - 1]
        else:
            entered = torch.cat([initial[None], activations[:-1, -1]])
        gradients.append(entered.flatten(0, 1).T @ step_gradients[:, layer].flatten(0, 1))
    return torch.stack(gradients)
