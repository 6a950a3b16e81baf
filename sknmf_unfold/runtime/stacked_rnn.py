"""Masks of a stacked LSTM or ReLU RNN frame by frame, in numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit

# Rows of a layer's weights for each unit, by the kind of layer. Those of an LSTM are the input
# gate, the forget gate, the cell and the output gate, in this order.
N_GATES = {"lstm": 4, "relu": 1}
# The weights of layer k have these names and the suffix ``_l{k}``.
LAYER_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class RunningStackedRNN:
    """A stack of recurrent layers with a sigmoid mask, which keeps its state from call to call.

    The inputs are logarithms of magnitudes, standardised bin by bin.

    Parameters
    ----------
    weights : mapping of str to ndarray
        As in ``LSTMSeparator.weights_``; the shapes tell an LSTM from a ReLU RNN.
    n_streams : int
        Number of independent streams.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], n_streams: int):
        self._floor, self._offset = weights["floor"], weights["offset"]
        self._scale = weights["scale"]
        n_layers = sum(name.startswith("weight_hh") for name in weights)
        rows, n_units = weights["weight_hh_l0"].shape
        self._is_lstm = rows == N_GATES["lstm"] * n_units
        self._layers = []
        for k in range(n_layers):
            inputs, state, *biases = (weights[f"{name}_l{k}"] for name in LAYER_WEIGHTS)
            self._layers.append((inputs.T.copy(), state.T.copy(), sum(biases)))
        self._output, self._output_bias = (
            weights["output_weights"].T.copy(),
            weights["output_biases"],
        )
        size = n_layers, n_streams, n_units
        self._state, self._cells = (np.zeros(size, self._output.dtype) for _ in range(2))

    def reset(self) -> None:
        """Return to the state before the first frame, 0."""
        self._state[...] = 0
        self._cells[...] = 0

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Estimate the masks of the next frames.

        Parameters
        ----------
        magnitude : ndarray of shape (n_streams, n_frames, n_freqs)

        Returns
        -------
        masks : ndarray of shape (n_streams, n_frames, n_freqs)
        """
        units = (np.log(magnitude + self._floor) - self._offset) / self._scale
        for k, (input_weights, state_weights, bias) in enumerate(self._layers):
            projected = units @ input_weights
            projected += bias
            units = np.empty((*magnitude.shape[:2], self._state.shape[-1]), projected.dtype)
            for t in range(magnitude.shape[1]):
                self._advance(k, projected[:, t] + self._state[k] @ state_weights)
                units[:, t] = self._state[k]
        return expit(units @ self._output + self._output_bias)

    def _advance(self, k, sums):
        """Update the state of a layer from the summed inputs of its units."""
        if not self._is_lstm:
            np.maximum(sums, 0, out=self._state[k])
            return
        write, forget, cell, output = np.split(sums, N_GATES["lstm"], axis=1)
        self._cells[k] = expit(forget) * self._cells[k] + expit(write) * np.tanh(cell)
        self._state[k] = expit(output) * np.tanh(self._cells[k])
