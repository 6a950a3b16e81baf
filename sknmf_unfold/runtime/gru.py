"""Gated recurrent units frame by frame, in numpy; in torch they are `networks.gru`.

References
----------
.. [1] Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, "Learning phrase
   representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

# Names of the weights of a layer, in the order in which `RunningGRU` takes them.
GRU_WEIGHTS = ("gru_weight_ih", "gru_weight_hh", "gru_bias")
# The rows of a weight matrix are those of the reset gate, the update gate and the candidate.
N_GATES = 3


def gru_shapes(n_inputs: int, n_units: int) -> list[tuple[int, int]]:
    """List the shapes of `GRU_WEIGHTS`.

    Parameters
    ----------
    n_inputs, n_units : int

    Returns
    -------
    shapes : list of tuple
        Rows are those of the reset gate, the update gate and the candidate, in this order. Of the
        two rows of biases the first belongs to the inputs, the second to the state.

    Examples
    --------
    >>> gru_shapes(5, 2)
    [(6, 5), (6, 2), (2, 6)]
    """
    rows = N_GATES * n_units
    return [(rows, n_inputs), (rows, n_units), (2, rows)]


class RunningGRU:
    """A layer of gated recurrent units that keeps its state from call to call.

    The next state of a unit is ``z * state + (1 - z) * candidate``, with the update gate
    ``z = sigmoid(weight_ih[1] @ x + weight_hh[1] @ state + biases)``. Its candidate is
    ``tanh(weight_ih[2] @ x + bias[0, 2] + r * (weight_hh[2] @ state + bias[1, 2]))`` with the reset
    gate r, which is computed as z is.

    Parameters
    ----------
    weight_ih : ndarray of shape (3 * n_units, n_inputs)
    weight_hh : ndarray of shape (3 * n_units, n_units)
    bias : ndarray of shape (2, 3 * n_units)
        See `gru_shapes`.
    n_streams : int
        Number of independent streams.

    Examples
    --------
    >>> gru = RunningGRU(np.ones((3, 1)), np.zeros((3, 1)), np.zeros((2, 3)), n_streams=1)
    >>> gru(np.array([[[0.0], [1.0], [1.0]]])).round(3)
    array([[[0.   ],
            [0.205],
            [0.355]]])
    """

    def __init__(
        self, weight_ih: np.ndarray, weight_hh: np.ndarray, bias: np.ndarray, n_streams: int
    ):
        self._weight_ih, self._weight_hh = weight_ih.T.copy(), weight_hh.T.copy()
        self._input_bias, self._state_bias = bias
        self._state = np.zeros((n_streams, weight_hh.shape[1]), weight_ih.dtype)

    def reset(self) -> None:
        """Return to the state before the first frame, 0."""
        self._state[...] = 0

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Compute the units of the next frames.

        Parameters
        ----------
        inputs : ndarray of shape (n_streams, n_frames, n_inputs)

        Returns
        -------
        units : ndarray of shape (n_streams, n_frames, n_units)
        """
        projected = inputs @ self._weight_ih
        projected += self._input_bias
        n_units, units = self._state.shape[1], []
        for frame in projected.swapaxes(0, 1):
            carried = self._state @ self._weight_hh
            carried += self._state_bias
            gates = expit(frame[:, : 2 * n_units] + carried[:, : 2 * n_units])
            reset, update = gates[:, :n_units], gates[:, n_units:]
            candidate = np.tanh(frame[:, 2 * n_units :] + reset * carried[:, 2 * n_units :])
            self._state = candidate + update * (self._state - candidate)
            units.append(self._state)
        return np.stack(units, axis=1)
