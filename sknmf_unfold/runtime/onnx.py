"""The step of DR-NMF for one frame as an ONNX graph, for runtimes without Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sknmf_unfold.base.atomic_files import replacing

from ._onnx_graph import Graph
from .level import InputLevel
from .masks import mask_floor


def import_onnx() -> Any:
    """Import ``onnx``, or raise ImportError naming the extra.

    Returns
    -------
    onnx : module
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError('`export_onnx` needs onnx: pip install "sknmf_unfold[onnx]".') from error
    return onnx


def onnx_step(
    weights: Mapping[str, np.ndarray],
    level: InputLevel,
    settings: dict | None,
    max_attenuation: float | None = None,
) -> Any:
    """Make the model ``(magnitude, state) -> (masks, next_state)`` of a frame.

    Parameters
    ----------
    weights : mapping of str to ndarray
        The arguments of `networks.drnmf.DRNMF` as arrays.
    level : InputLevel
        Brings frames to the level that the network works at.
    settings : dict or None
        STFT settings; kept as metadata ``stft`` in JSON, beside the ``initial_state``.
    max_attenuation : float, optional
        In dB, see `masks.mask_floor`; kept as metadata too.

    Returns
    -------
    model : onnx.ModelProto
        Inputs ``magnitude`` (streams, n_freqs) and ``state`` (streams, n_state), outputs ``masks``
        (streams, 2, n_freqs), the target's first, and ``next_state``, all float32.
    """
    graph = Graph(import_onnx())
    add_step(graph, weights, level, max_attenuation)
    initial = initial_state(weights, level)
    n_freqs = weights["output_components"].shape[1]
    state = ["streams", len(initial)]
    return graph.model(
        "drnmf_step",
        {"magnitude": ["streams", n_freqs], "state": state},
        {"masks": ["streams", 2, n_freqs], "next_state": state},
        {"initial_state": json.dumps(initial.tolist()), **facts_of(settings, max_attenuation)},
    )


def add_step(
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    level: InputLevel,
    max_attenuation: float | None = None,
) -> None:
    """Add the nodes of a step, from ``magnitude`` and ``state`` to ``masks`` and ``next_state``.

    Parameters
    ----------
    graph : Graph
        Its inputs or nodes so far have ``magnitude`` (streams, n_freqs) and ``state`` (streams,
        n_state).
    weights : mapping of str to ndarray
    level : InputLevel
    max_attenuation : float, optional
        As for `onnx_step`.
    """
    widths = state_widths(weights, level)
    before, past, levels, units = graph.parts("state", widths)
    _, n_past, n_levels, n_units = widths.values()
    n_layers = len(weights["envelopes"])
    magnitude = graph.at_level("magnitude", levels, level)
    state = graph.enter(before, weights["dynamics"])
    inputs = graph.context_inputs(magnitude, past, weights) if n_past else [None] * n_layers
    names = "components", "envelopes", "step_sizes", "sparsity"
    for k, layer in enumerate(zip(*(weights[name] for name in names), strict=True)):
        state = graph.layer(k, magnitude, inputs[k], state, *layer)
    log_odds = graph.log_odds(state, units, weights) if len(weights["evidence"]) else None
    graph.next_state(state, n_past, n_levels, n_units)
    output = weights["output_components"], weights["mask_exponent"]
    graph.masks(state, *output, log_odds, mask_floor(max_attenuation))


def state_widths(weights: Mapping[str, np.ndarray], level: InputLevel) -> dict[str, int]:
    """Count the columns of each part of the state, in their order.

    Parameters
    ----------
    weights : mapping of str to ndarray
    level : InputLevel

    Returns
    -------
    widths : dict of int
        Activations, projections of the frames before, their levels, and GRU units.
    """
    n_layers, n_components, context = weights["envelopes"].shape
    return {
        "before": n_components,
        "past": (context - 1) * n_layers * n_components,
        "levels_before": max(level.n_frames - 1, 0),
        "units_before": len(weights["gru_evidence"]),
    }


def initial_state(weights: Mapping[str, np.ndarray], level: InputLevel) -> np.ndarray:
    """Return the state before the first frame: learned activations, and zeros.

    Parameters
    ----------
    weights : mapping of str to ndarray
    level : InputLevel

    Returns
    -------
    state : ndarray of shape (n_state,), float32
    """
    state = np.zeros(sum(state_widths(weights, level).values()), np.float32)
    activations = weights["initial_activations"]
    state[: len(activations)] = activations
    return state


def facts_of(settings: dict | None, max_attenuation: float | None) -> dict[str, str]:
    """Write the metadata of every exported model in JSON.

    Parameters
    ----------
    settings : dict or None
        STFT settings.
    max_attenuation : float or None

    Returns
    -------
    facts : dict of str
    """
    facts = {"stft": settings, "max_attenuation": max_attenuation}
    return {name: json.dumps(fact) for name, fact in facts.items()}


def write_model(path: Path, model: Any) -> None:
    """Write a model to a file, which is replaced when the new one is complete.

    Parameters
    ----------
    path : Path
    model : onnx.ModelProto

    Raises
    ------
    OSError
        If there can be no file of that name.
    """
    with replacing(path) as unfinished:
        unfinished.write_bytes(model.SerializeToString())
