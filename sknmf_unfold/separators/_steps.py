"""Networks at work: steps for blocks of frames in torch, DR-NMF frame by frame in numpy."""

from __future__ import annotations

import functools

import numpy as np
import torch

from sknmf_unfold.base.tensors import as_numpy, to_numpy, to_tensor
from sknmf_unfold.networks.gru import GRU_WEIGHTS, RunningGates
from sknmf_unfold.networks.masks import QUIET
from sknmf_unfold.runtime.masks import EvidenceLogOdds, FrameMasks, PowerShare
from sknmf_unfold.runtime.recurrence import FrameByFrame

from ._blocks import BLOCK, finished


def mask_step(network, infer):
    """Make the step of `run_in_blocks` that estimates the target's mask.

    Parameters
    ----------
    network : torch.nn.Module
        With `output_weights` and `target_mask`, see `training.batch_loss`.
    infer : callable
        ``infer(magnitude, state) -> (hidden, state)``, hidden units (frames, batch, units).

    Returns
    -------
    step : callable
    """
    with torch.no_grad():
        weights = network.output_weights()
    return _step(infer, lambda hidden: network.target_mask(hidden, weights))


def hidden_step(infer, n_units=None):
    """Make the step that gives the hidden units themselves, as `mask_step`, or the first of them.

    Parameters
    ----------
    infer : callable
        As for `mask_step`.
    n_units : int, optional
        How many; by default all.

    Returns
    -------
    step : callable
    """
    return _step(infer, lambda hidden: hidden[..., :n_units])


def terms_step(network, infer):
    """Make the step that gives the terms of the log odds of the mask side by side.

    Parameters
    ----------
    network : DRNMF
    infer : callable
        As for `mask_step`.

    Returns
    -------
    step : callable
    """
    return _step(infer, network.log_odds_terms)


def _step(infer, finish):
    # For each call and in the calling thread only.
    @torch.no_grad()
    def step(magnitude, state):
        hidden, state = infer(magnitude, state)
        return functools.partial(compute, hidden), state

    @torch.no_grad()
    def compute(hidden):
        return as_numpy(finish(finished(hidden)).transpose(0, 1))

    return step


def unfolded_inference(network):
    """Make the inference of a `DRNMF`, which takes what is fastest for each batch.

    Parameters
    ----------
    network : DRNMF

    Returns
    -------
    infer : callable
        For `mask_step` and `hidden_step`.
    """
    with torch.no_grad():
        recurrence = network.recurrence()
    alone = functools.cache(lambda: _frame_by_frame(network, 1, BLOCK))

    def infer(magnitude, state):
        # The way that blocks lie in memory, so that nothing is copied.
        frames = to_tensor(magnitude.swapaxes(0, 1), network.device).transpose(0, 1)
        frames, activations, units = network.enter(frames, state)
        if len(magnitude) > 1 or network.device.type != "cpu":
            hidden = recurrence(frames, activations)
        else:
            # For a single sequence torch's calls take longer than their products.
            past, now = np.split(as_numpy(frames), [network.context - 1], axis=1)
            alone().go_on_from(activations, past)
            # Copied: the next call overwrites what the mask of this block is made of.
            hidden = to_tensor(alone()(now).swapaxes(0, 1), network.device).clone()
        hidden = network.with_units(hidden, units)
        return hidden, network.next_state(frames, hidden)

    return infer


def frame_masks(network, n_streams, max_frames):
    """Make what estimates the masks of streams.

    Parameters
    ----------
    network : DRNMF
    n_streams : int
    max_frames : int
        The most frames of a call.

    Returns
    -------
    masks : FrameMasks
    """
    values = network.values()
    infer = _frame_by_frame(network, n_streams, max_frames)
    dtype = to_numpy(values["components"]).dtype
    target, rest = np.split(to_numpy(values["output_components"]), 2)
    share = PowerShare(to_numpy(values["mask_exponent"]))
    return FrameMasks(infer, target, rest, share, _votes(values, n_streams, dtype))


def _votes(values, n_streams, dtype):
    """Make what components and GRU units vote with, None where they have no vote."""
    evidence, gru_evidence = (to_numpy(values[name]) for name in ("evidence", "gru_evidence"))
    if not len(evidence):
        return None
    gates = None
    if len(gru_evidence):
        inputs, transitions, biases = (to_numpy(values[name]) for name in GRU_WEIGHTS)
        gates = RunningGates(inputs, transitions, biases, n_streams)
    return EvidenceLogOdds(evidence, dtype.type(QUIET), gates, gru_evidence)


def _frame_by_frame(network, n_streams, max_frames):
    values = network.values()
    return FrameByFrame(
        to_numpy(values["components"]),
        to_numpy(values["step_sizes"]),
        to_numpy(values["sparsity"]),
        to_numpy(values["initial_activations"]),
        n_streams=n_streams,
        max_frames=max_frames,
        dynamics=to_numpy(values["dynamics"]),
        envelopes=to_numpy(values["envelopes"]) if network.context > 1 else None,
    )
