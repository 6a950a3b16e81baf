"""Nodes of ONNX graphs: the operations of one frame of DR-NMF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .gru import N_GATES
from .ista import transition_matrix
from .level import MIN_RELATIVE_LEVEL, REFERENCE_LEVEL
from .masks import EVIDENCE_FADE_NORM

# The oldest operators that suffice, so that old runtimes read the file.
OPSET, IR_VERSION = 13, 8


class Graph:
    """Nodes and constants, each result under a name of its own.

    Parameters
    ----------
    onnx : module
        The package ``onnx``.
    """

    def __init__(self, onnx: Any):
        self._onnx = onnx
        self._nodes: list = []
        self._constants: list = []

    def model(
        self,
        name: str,
        inputs: Mapping[str, list],
        outputs: Mapping[str, list],
        facts: Mapping[str, str],
    ) -> Any:
        """Make the model of all nodes so far.

        Parameters
        ----------
        name : str
            Of the graph.
        inputs, outputs : mapping of str to list of int or str
            Shapes by name, all of float32; a text names a size that may vary.
        facts : mapping of str to str
            The model's metadata.

        Returns
        -------
        model : onnx.ModelProto
        """
        helper = self._onnx.helper
        ends = [self._infos(inputs), self._infos(outputs)]
        model = helper.make_model(
            helper.make_graph(self._nodes, name, *ends, self._constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sknmf_unfold",
        )
        helper.set_model_props(model, dict(facts))
        self._onnx.checker.check_model(model)
        return model

    def _infos(self, shapes):
        info, float32 = self._onnx.helper.make_tensor_value_info, self._onnx.TensorProto.FLOAT
        return [info(name, float32, shape) for name, shape in shapes.items()]

    def constant(self, name, array, dtype=np.float32):
        array = np.ascontiguousarray(array, dtype)
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, operator, inputs, output, **attributes):
        outputs = output if isinstance(output, list) else [output]
        made = self._onnx.helper.make_node(operator, inputs, outputs, **attributes)
        self._nodes.append(made)
        return output

    def split(self, whole, sizes, names):
        """Columns of an array."""
        sizes = self.constant(f"sizes_{names[0]}", sizes, np.int64)
        return self.node("Split", [whole, sizes], names, axis=1)

    def parts(self, whole, widths):
        """Columns of an array by their names, None where there are none."""
        kept = {name: width for name, width in widths.items() if width}
        if len(kept) > 1:
            self.split(whole, list(kept.values()), list(kept))
        else:
            self.node("Identity", [whole], next(iter(kept)))
        return [name if width else None for name, width in widths.items()]

    def at_level(self, magnitude, past, level):
        """Bring the frame to the reference level, as `InputLevel`."""
        if level.scale != 1:
            magnitude = self.node("Mul", [magnitude, self.constant("scale", level.scale)], "scaled")
        if not level.n_frames:
            return magnitude
        mean = self.node("ReduceMean", [magnitude], "mean", axes=[1], keepdims=1)
        levels = mean if past is None else self.node("Concat", [past, mean], "levels", axis=1)
        if past is not None:
            bounds = {"first_level": 1, "last_level": level.n_frames, "level_axis": 1}
            named = [self.constant(name, [value], np.int64) for name, value in bounds.items()]
            self.node("Slice", [levels, *named], "levels_kept")
        # Relative to the largest, so that no square overflows.
        tiny = self.constant("tiny", np.finfo(np.float32).tiny)
        peak = self.node("ReduceMax", [levels], "largest_level", axes=[1], keepdims=1)
        peak = self.node("Max", [peak, tiny], "peak_level")
        shares = self.node("Div", [levels, peak], "level_shares")
        squares = self.node("Mul", [shares, shares], "level_squares")
        squares = self.sum_columns(squares, "squares")
        plain = self.node("Max", [self.sum_columns(shares, "plain"), tiny], "some")
        running = self.node("Mul", [self.node("Div", [squares, plain], "share"), peak], "running")
        least = self.constant("faintest", MIN_RELATIVE_LEVEL * REFERENCE_LEVEL)
        running = self.node("Max", [running, least], "running_level")
        reference = self.constant("reference", REFERENCE_LEVEL)
        gain = self.node("Div", [reference, running], "gain")
        return self.node("Mul", [magnitude, gain], "at_level")

    def sum_columns(self, array, name):
        """Sum of each row."""
        axes = self.constant(f"{name}_axes", [1], np.int64)
        return self.node("ReduceSum", [array, axes], name, keepdims=1)

    def context_inputs(self, magnitude, past, weights):
        """Compute the inputs of the layers from this frame and the kept projections."""
        encoders = weights["step_sizes"][:, np.newaxis, np.newaxis] * weights["components"]
        n_layers, n_components, n_freqs = encoders.shape
        width, context = n_layers * n_components, weights["envelopes"].shape[2]
        encoders = self.constant("analysis", encoders.reshape(width, n_freqs).T)
        latest = self.node("MatMul", [magnitude, encoders], "latest")
        projections = self.node("Concat", [past, latest], "projections", axis=1)
        # No split: old runtimes reuse the memory of an output that nobody reads too early.
        bounds = {"starts": width, "ends": context * width, "axes": 1}
        named = [self.constant(name, [value], np.int64) for name, value in bounds.items()]
        self.node("Slice", [projections, *named], "kept")
        shape = self.constant("frames_apart", [0, context, width], np.int64)
        projections = self.node("Reshape", [projections, shape], "frames_of_components")
        envelopes = weights["envelopes"].reshape(width, context).T
        envelopes = self.constant("envelopes", envelopes)
        projections = self.node("Mul", [projections, envelopes], "weighted")
        frames = self.constant("over_frames", [1], np.int64)
        projections = self.node("ReduceSum", [projections, frames], "gathered", keepdims=0)
        names = [f"projected_{k}" for k in range(n_layers)]
        return self.parts(projections, dict.fromkeys(names, n_components))

    def next_state(self, state, n_past, n_levels, n_units):
        """Activations, projections that the next frame still needs, levels, and units."""
        parts = [state, *["kept"][:n_past], *["levels_kept"][:n_levels], *["units"][:n_units]]
        return self.node("Concat", parts, "next_state", axis=1)

    def enter(self, state, dynamics):
        """Activations of the frame before, as they begin this one."""
        if dynamics.ndim == 1 and (dynamics == 1).all():
            return state
        operator = "MatMul" if dynamics.ndim == 2 else "Mul"
        return self.node(operator, [state, self.constant("dynamics", dynamics)], "entered")

    def layer(self, k, magnitude, projected, state, components, envelopes, step_size, sparsity):
        """One iteration of soft-thresholding, by whichever form takes fewer multiplications."""
        bias = self.constant(f"bias_{k}", -step_size * sparsity)
        carried = state
        if projected is not None or len(components) <= components.shape[1]:
            shape = None if projected is None else envelopes
            transition = transition_matrix(components, step_size, shape)
            transition = self.constant(f"transition_{k}", transition)
            carried = self.node("MatMul", [state, transition], f"carried_{k}")
        else:
            synthesis = self.constant(f"synthesis_{k}", components)
            explained = self.node("MatMul", [state, synthesis], f"explained_{k}")
            magnitude = self.node("Sub", [magnitude, explained], f"residual_{k}")
        if projected is None:
            scaled = self.constant(f"analysis_{k}", (step_size * components).T)
            projected = self.node("MatMul", [magnitude, scaled], f"projected_{k}")
        added = self.node("Add", [projected, bias], f"biased_{k}")
        total = self.node("Add", [carried, added], f"sum_{k}")
        return self.node("Relu", [total], f"activations_{k}")

    def log_odds(self, state, units, weights):
        """Log-odds of the target from the evidence, as `masks.EvidenceLogOdds`."""
        norm = self.node("ReduceL2", [state], "norm", axes=[1], keepdims=1)
        norm = self.node(
            "Add", [norm, self.constant("fade_norm", EVIDENCE_FADE_NORM)], "offset_norm"
        )
        shares = self.node("Div", [state, norm], "shares")
        evidence = self.constant("evidence", weights["evidence"])
        log_odds = self.node("MatMul", [shares, evidence], "log_odds")
        if units is None:
            return log_odds
        units = self.gru(shares, units, weights)
        evidence = self.constant("gru_evidence", weights["gru_evidence"])
        of_units = self.node("MatMul", [units, evidence], "gru_log_odds")
        return self.node("Add", [log_odds, of_units], "all_log_odds")

    def gru(self, shares, units, weights):
        """GRU units of this frame, as `gru.RunningGRU`."""
        n_units = weights["gru_weight_hh"].shape[1]
        # ONNX has the update gate first, and wants one direction of one layer.
        order = np.arange(N_GATES * n_units).reshape(N_GATES, n_units)[[1, 0, 2]].reshape(-1)
        names = ("gru_weight_ih", "gru_weight_hh")
        matrices = [self.constant(name, weights[name][order][np.newaxis]) for name in names]
        biases = self.constant("gru_bias", weights["gru_bias"][:, order].reshape(1, -1))
        first = self.constant("first_axis", [0], np.int64)
        frame = self.node("Unsqueeze", [shares, first], "shares_of_one_frame")
        before = self.node("Unsqueeze", [units, first], "units_of_one_layer")
        inputs = [frame, *matrices, biases, "", before]
        self.node("GRU", inputs, ["", "units_after"], hidden_size=n_units, linear_before_reset=1)
        return self.node("Squeeze", ["units_after", first], "units")

    def masks(self, state, output, exponent, log_odds, least):
        """Each source's share of the powers of the estimates, as `masks.PowerMask`."""
        n_target = len(output) // 2
        parts = self.split(state, [n_target, len(output) - n_target], ["target", "rest"])
        floor = self.constant("floor", np.finfo(np.float32).eps ** 2)
        exponent = self.constant("exponent", exponent)
        axis = self.constant("axis", [1], np.int64)
        logs = []
        for part, dictionary in zip(parts, (output[:n_target], output[n_target:]), strict=True):
            dictionary = self.constant(f"{part}_components", dictionary)
            estimate = self.node("MatMul", [part, dictionary], f"{part}_estimate")
            estimate = self.node("Add", [estimate, floor], f"{part}_floored")
            estimate = self.node("Log", [estimate], f"{part}_log")
            estimate = self.node("Mul", [estimate, exponent], f"{part}_power")
            if part == "target" and log_odds is not None:
                estimate = self.node("Add", [estimate, log_odds], "target_odds")
            logs.append(self.node("Unsqueeze", [estimate, axis], f"{part}_source"))
        logs = self.node("Concat", logs, "powers", axis=1)
        if not least:
            return self.node("Softmax", [logs], "masks", axis=1)
        return self.bounded(self.node("Softmax", [logs], "free_masks", axis=1), least)

    def bounded(self, masks, least):
        """Raise the target's mask to `least`, and lower the other's, so that they sum to 1."""
        low = self.constant("least_masks", np.array([least, 0.0])[:, np.newaxis])
        high = self.constant("largest_masks", np.array([1.0, 1.0 - least])[:, np.newaxis])
        return self.node("Min", [self.node("Max", [masks, low], "raised"), high], "masks")
