"""Components that last several frames: a spectrum, and an envelope of amplitudes over the frames.

Such a component explains a stretch of frames by the outer product of both. The input of a layer is
then the sum of the inner products of spectrum and frames, weighted by the envelope. Each inner
product is computed once, whatever the length of the stretch.
"""

from __future__ import annotations

import torch

from sknmf_unfold.base.tensors import empty_like


def project(rows: torch.Tensor, encoders: torch.Tensor, n_frames: int) -> torch.Tensor:
    """Compute the grad_pre_activation products of frames and spectra.

    Parameters
    ----------
    rows : Tensor of shape (frames * batch, bins)
    encoders : Tensor of shape (layers, bins, components)
    n_frames : int

    Returns
    -------
    projections : Tensor of shape (layers, frames, batch, components)
    """
    n_layers, _, n_components = encoders.shape
    projections = empty_like(rows, (n_layers, len(rows), n_components))
    for encoder, projection in zip(encoders, projections, strict=True):
        torch.mm(rows, encoder, out=projection)
    return projections.unflatten(1, (n_frames, -1))


def add_inputs(inputs: torch.Tensor, projections: torch.Tensor, envelopes: torch.Tensor) -> None:
    """Add the inputs of layers from each frame and those before it.

    Parameters
    ----------
    inputs : Tensor of shape (layers, frames, batch, components)
        Modified.
    projections : Tensor of shape (layers, context - 1 + frames, batch, components)
        Of the frames before the first one too.
    envelopes : Tensor of shape (layers, components, context)
        The oldest frame first.

    Examples
    --------
    >>> inputs = torch.zeros(1, 2, 1, 1)
    >>> projections = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    >>> add_inputs(inputs, projections, torch.tensor([[[10.0, 1.0]]]))
    >>> inputs.flatten().tolist()
    [12.0, 23.0]
    """
    n_frames = inputs.shape[1]
    for i, weights in enumerate(envelopes.unbind(-1)):
        inputs.addcmul_(projections[:, i : i + n_frames], weights[:, None, None])


def inputs_backward(
    gradient: torch.Tensor,
    projections: torch.Tensor,
    envelopes: torch.Tensor,
    grad_envelopes: torch.Tensor,
) -> torch.Tensor:
    """Compute the gradients of `add_inputs`.

    Parameters
    ----------
    gradient : Tensor of shape (layers, frames, batch, components)
        With respect to the inputs.
    projections : Tensor of shape (layers, context - 1 + frames, batch, components)
    envelopes : Tensor of shape (layers, components, context)
    grad_envelopes : Tensor of shape (layers, components, context)
        The gradient with respect to the envelopes is added to it.

    Returns
    -------
    grad_projections : Tensor of shape (layers, context - 1 + frames, batch, components)
    """
    n_frames = gradient.shape[1]
    grad_projections, product = torch.zeros_like(projections), empty_like(gradient)
    for i, weights in enumerate(envelopes.unbind(-1)):
        part = slice(i, i + n_frames)
        torch.mul(gradient, projections[:, part], out=product)
        grad_envelopes[..., i] += product.sum(dim=(1, 2))
        grad_projections[:, part].addcmul_(gradient, weights[:, None, None])
    return grad_projections
