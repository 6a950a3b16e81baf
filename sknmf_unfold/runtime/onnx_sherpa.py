"""DR-NMF as an ONNX model that sherpa-onnx runs as a speech denoiser.

sherpa-onnx computes the STFT and its inverse and calls the model for each frame. It takes models
with the inputs, outputs and metadata of GTCRN (Rong, Sun, Zhang, Hu, Zhu, Lu, "GTCRN: a speech
enhancement model requiring ultralow computational resources", ICASSP 2024): a complex frame and
three caches, which it sets to zeros before the first frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sknmf_unfold.signal.windows import analysis_window
from sknmf_unfold.validation.messages import shown

from ._onnx_graph import Graph
from .level import InputLevel
from .onnx import add_step, facts_of, import_onnx, initial_state

# Windows that differ by less are the same to float32 audio.
MAX_WINDOW_DIFFERENCE = 1e-6


def onnx_denoiser(
    weights: Mapping[str, np.ndarray],
    level: InputLevel,
    settings: dict | None,
    max_attenuation: float | None = None,
) -> Any:
    """Make the model of a frame that sherpa-onnx takes for a GTCRN model.

    The cache ``conv_cache`` holds the state. ``tra_cache`` is 0 before the first frame and 1 after
    it, so that a stream of zero caches starts from the learned initial activations; nothing is in
    ``inter_cache``.

    Parameters
    ----------
    weights : mapping of str to ndarray
    level : InputLevel
    settings : dict or None
    max_attenuation : float, optional
        As for `onnx.onnx_step`.

    Returns
    -------
    model : onnx.ModelProto
        Inputs ``mix`` (1, n_freqs, 1, 2), real and imaginary parts of a frame of the mixture,
        ``conv_cache`` (1, n_state), ``tra_cache`` (1,) and ``inter_cache`` (1,); outputs ``enh``,
        the target's frame, and the next caches, whose names end in ``_out``; all float32.

    Raises
    ------
    ValueError
        If sherpa-onnx does not have such an STFT.
    """
    check_sherpa_stft(settings)
    graph = Graph(import_onnx())
    frame = [1, weights["output_components"].shape[1], 1, 2]
    initial = initial_state(weights, level)
    graph.node("ReduceL2", ["mix"], "magnitude", axes=[2, 3], keepdims=0)
    _add_state(graph, initial)
    add_step(graph, weights, level, max_attenuation)
    _add_outputs(graph, frame)
    caches = {"conv_cache": [1, len(initial)], "tra_cache": [1], "inter_cache": [1]}
    shapes = {f"{name}_shape": ",".join(map(str, shape)) for name, shape in caches.items()}
    facts = facts_of(settings, max_attenuation) | _sherpa_facts(settings) | shapes
    outputs = {f"{name}_out": shape for name, shape in caches.items()}
    return graph.model("drnmf_denoiser", {"mix": frame} | caches, {"enh": frame} | outputs, facts)


def check_sherpa_stft(settings: dict | None) -> None:
    """Raise unless sherpa-onnx has this STFT: half overlap, square-root Hann window.

    Its online STFT returns the first samples after the second frame and divides by no sum of
    windows, so that only frames of two hops with such a window are inverted without a delay.

    Parameters
    ----------
    settings : dict or None
        STFT settings; None for a model of magnitudes without any.

    Raises
    ------
    ValueError
        If it does not.

    Examples
    --------
    >>> settings = {"n_fft": 512, "hop_length": 128, "window": "sqrt_hann", "sample_rate": 16000}
    >>> check_sherpa_stft(settings | {"hop_length": 256})
    >>> check_sherpa_stft(settings)
    Traceback (most recent call last):
    ...
    ValueError: `runtime`='sherpa' needs a model of an STFT with hop_length = n_fft / 2 and \
window='sqrt_hann'; this one has n_fft=512, hop_length=128, window='sqrt_hann'. Fit it on \
STFT(512, 256), or export it with runtime='onnxruntime'.
    """
    if settings is None:
        got = "was fitted on magnitudes without STFT settings"
    else:
        n_fft, hop_length, window = (settings[n] for n in ("n_fft", "hop_length", "window"))
        if 2 * hop_length == n_fft and _is_sqrt_hann(window, n_fft):
            return
        got = f"has n_fft={n_fft}, hop_length={hop_length}, window={shown(window)}"
    raise ValueError(
        f"`runtime`='sherpa' needs a model of an STFT with hop_length = n_fft / 2 and "
        f"window='sqrt_hann'; this one {got}. Fit it on STFT(512, 256), or export it with "
        f"runtime='onnxruntime'."
    )


def _is_sqrt_hann(window, n_fft):
    difference = analysis_window(window, n_fft) - analysis_window("sqrt_hann", n_fft)
    return np.abs(difference).max() < MAX_WINDOW_DIFFERENCE


def _add_state(graph, initial):
    """Add the node ``state``: the cache, or the initial state before the first frame."""
    one = graph.constant("one", [1.0])
    graph.node("Sub", [one, "tra_cache"], "is_first")
    initial = graph.constant("initial_state", initial[np.newaxis])
    graph.node("Mul", [initial, "is_first"], "state_of_first")
    graph.node("Add", ["conv_cache", "state_of_first"], "state")


def _add_outputs(graph, frame):
    """Add the target's frame, and the caches of the next one."""
    bounds = {"first_source": 0, "second_source": 1, "source_axis": 1}
    named = [graph.constant(name, [value], np.int64) for name, value in bounds.items()]
    graph.node("Slice", ["masks", *named], "target_mask")
    shape = graph.constant("mask_shape", [*frame[:3], 1], np.int64)
    graph.node("Reshape", ["target_mask", shape], "target_mask_of_bins")
    graph.node("Mul", ["mix", "target_mask_of_bins"], "enh")
    graph.node("Identity", ["next_state"], "conv_cache_out")
    graph.node("Max", ["tra_cache", "one"], "tra_cache_out")
    graph.node("Identity", ["inter_cache"], "inter_cache_out")


def _sherpa_facts(settings):
    """Metadata that sherpa-onnx reads."""
    facts = {"model_type": "gtcrn", "version": 1, "window_type": "hann_sqrt"}
    facts |= {name: settings[name] for name in ("sample_rate", "n_fft", "hop_length")}
    facts["window_length"] = settings["n_fft"]
    return {name: str(fact) for name, fact in facts.items()}
