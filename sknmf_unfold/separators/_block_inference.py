"""Inference on blocks of frames by the network of a fitted separator, for `run_in_blocks`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from sknmf_unfold.base.tensors import as_numpy, to_tensor
from sknmf_unfold.networks.drnmf import DRNMF
from sknmf_unfold.networks.protocol import MaskNetwork
from sknmf_unfold.runtime.from_fitted import build_recurrence

from ._blocks import finished

# ``infer(magnitude, state) -> (hidden, state)``: hidden units (frames, batch, units) of magnitudes
# (batch, frames, bins), or a callable that computes them in another thread.
Infer = Callable[[np.ndarray, Any], tuple[Any, Any]]
# ``step(magnitude, state) -> (result, state)``, see `run_in_blocks`.
Step = Callable[[np.ndarray, Any], tuple[Callable[[], np.ndarray], Any]]


def mask_step(network: MaskNetwork, infer: Infer) -> Step:
    """Make the step that estimates the target's mask.

    Parameters
    ----------
    network : MaskNetwork
    infer : callable

    Returns
    -------
    step : callable
    """
    with torch.no_grad():
        weights = network.output_weights()
    return output_step(infer, lambda hidden: network.target_mask(hidden, weights))


def output_step(infer: Infer, output: Callable[[torch.Tensor], torch.Tensor]) -> Step:
    """Make the step that applies a function of each frame to hidden units.

    Parameters
    ----------
    infer : callable
    output : callable
        Maps hidden units (frames, batch, units) to a result (frames, batch, anything).

    Returns
    -------
    step : callable
    """

    # For each call and in the calling thread only.
    @torch.no_grad()
    def step(magnitude, state):
        hidden, state = infer(magnitude, state)
        return functools.partial(compute, hidden), state

    @torch.no_grad()
    def compute(hidden):
        return as_numpy(output(finished(hidden)).transpose(0, 1))

    return step


def network_inference(network: MaskNetwork) -> Infer:
    """Make the inference of a network that carries a state from block to block.

    Parameters
    ----------
    network : MaskNetwork

    Returns
    -------
    infer : callable
    """
    return lambda magnitude, state: network.run(_frames(magnitude, network), state)


def framewise_inference(network: MaskNetwork) -> Infer:
    """Make the inference of a network without a state, which other threads can compute.

    Parameters
    ----------
    network : MaskNetwork

    Returns
    -------
    infer : callable
    """

    def infer(magnitude, state):
        return lambda: network.run(to_tensor(magnitude, network.device))[0], None

    return infer


def drnmf_inference(network: DRNMF, weights: Mapping[str, np.ndarray]) -> Infer:
    """Make the inference of a `DRNMF` by the recurrence that is fastest for each batch.

    Parameters
    ----------
    network : DRNMF
    weights : mapping of str to ndarray
        Its weights, for `runtime.from_fitted.build_recurrence`.

    Returns
    -------
    infer : callable
    """
    with torch.no_grad():
        recurrence = network.recurrence()
    running = functools.cache(lambda: build_recurrence(weights))
    n_past = network.context - 1

    def single(frames, activations):
        # Torch's calls take longer than their products for a single sequence.
        past, now = np.split(as_numpy(frames), [n_past], axis=1)
        infer = running().fresh(n_streams=1)
        infer.resume(as_numpy(activations), past)
        return to_tensor(infer(now).swapaxes(0, 1), network.device)

    def infer(magnitude, state):
        is_single = len(magnitude) == 1 and network.device.type == "cpu"
        return network.run(_frames(magnitude, network), state, single if is_single else recurrence)

    return infer


def drnmf_layer_step(network: DRNMF, infer: Infer, first_layers: DRNMF) -> Step:
    """Make the step that infers the activations after a layer of a `DRNMF` that is not the last.

    The activations of the last layer are inferred first: every frame starts from those of the
    frame before. So the frames do not depend on each other any more, and the first layers take
    them as so many recordings of one frame.

    Parameters
    ----------
    network : DRNMF
        With all layers.
    infer : callable
        From `drnmf_inference`.
    first_layers : DRNMF
        With the layers up to that one.

    Returns
    -------
    step : callable
    """
    with torch.no_grad():
        recurrence = first_layers.recurrence()

    @torch.no_grad()
    def step(magnitude, state):
        hidden, after = infer(magnitude, state)
        frames, before = _layer_inputs(network, _frames(magnitude, network), state, hidden)
        activations = recurrence(frames.flatten(0, 1), before.flatten(0, 1))[0]
        return as_numpy(activations.unflatten(0, before.shape[:2]).transpose(0, 1)), after

    return step


def _layer_inputs(network, magnitude, state, hidden):
    """Return windows of the last frames, and the activations before each frame.

    Their shapes are (frames, batch, context, bins) and (frames, batch, components).
    """
    activations, past, _ = network.split_state(magnitude, state)
    frames = torch.cat([past, magnitude.transpose(0, 1)]).unfold(0, network.context, 1)
    before = torch.cat([activations[None], hidden[:-1, :, : network.n_components]])
    return frames.movedim(-1, 2), before


def _frames(magnitude, network):
    """Turn magnitudes into a tensor; blocks have frames first in memory, so nothing is copied."""
    return to_tensor(magnitude.swapaxes(0, 1), network.device).transpose(0, 1)
