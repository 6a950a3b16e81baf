"""Gated recurrent units that listen to activations, to remember what was heard in frames before.

A frame alone often does not tell whose sound it has. A layer of gated recurrent units [1]_ hears
each component's part of the activations, whatever the level, and its gates learn what to keep of it
and for how long.

References
----------
.. [1] Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, "Learning phrase
   representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit

# What a layer of gates is made of, in this order.
GRU_WEIGHTS = ("gru_weight_ih", "gru_weight_hh", "gru_bias")
# The reset gate, the update gate and what a unit would become.
N_GATES = 3


def gate_shapes(n_components, n_units):
    """Tell the shapes of `GRU_WEIGHTS`.

    Parameters
    ----------
    n_components, n_units : int

    Returns
    -------
    shapes : list of tuple
        Rows are those of the reset gate, the update gate and the candidate, one below the other;
        the biases of what comes in are before those of what is carried.

    Examples
    --------
    >>> gate_shapes(5, 2)
    [(6, 5), (6, 2), (2, 6)]
    """
    rows = N_GATES * n_units
    return [(rows, n_components), (rows, n_units), (2, rows)]


def draw_gates(components, n_units, rng):
    """Draw gates whose units say nothing yet.

    Parameters
    ----------
    components : Tensor of shape (n_components, n_freqs)
        Tells dtype and device.
    n_units : int
        With 0 all arrays are empty.
    rng : numpy.random.RandomState or None
        Draws the weights, uniformly between plus and minus ``n_units ** -0.5``, for inputs of unit
        variance. None will do for no units.

    Returns
    -------
    values : dict of Tensor
        Those of `GRU_WEIGHTS`, and ``gru_evidence`` of shape (n_units, n_freqs).
    """
    n_components, n_freqs = components.shape
    values = {"gru_evidence": components.new_zeros(n_units, n_freqs)}
    scales = _scales(n_components, n_units)
    for name, shape, scale in zip(
        GRU_WEIGHTS, gate_shapes(n_components, n_units), scales, strict=True
    ):
        drawn = np.zeros(shape) if rng is None else scale * rng.uniform(-1, 1, shape)
        values[name] = components.new_tensor(drawn)
    return values


def _scales(n_components, n_units):
    """How large the weights are about, and how large steps of training are beside each other.

    Shares of unit norm have a variance of 1 / n_components.
    """
    scale = max(n_units, 1) ** -0.5
    return n_components**0.5 * scale, scale, scale


class Gates(torch.nn.Module):
    """A layer of gated recurrent units.

    The new activity of a unit is ``z * before + (1 - z) * candidate``, with the update gate
    ``z = sigmoid(inputs[1] @ x + transitions[1] @ before + biases)``; its candidate is
    ``tanh(inputs[2] @ x + biases[0, 2] + r * (transitions[2] @ before + biases[1, 2]))`` with the
    reset gate r, which is computed as z is.

    Weights are kept in units of what they are drawn from, side by side in memory as cuDNN wants
    them.

    Parameters
    ----------
    inputs : Tensor of shape (3 * units, components)
    transitions : Tensor of shape (3 * units, units)
    biases : Tensor of shape (2, 3 * units)
        See `gate_shapes`.

    Examples
    --------
    >>> values = draw_gates(torch.ones(4, 9), 2, np.random.RandomState(0))
    >>> gates = Gates(*(values[name] for name in GRU_WEIGHTS))
    >>> tuple(gates(torch.ones(7, 3, 4), torch.zeros(3, 2)).shape)
    (7, 3, 2)
    """

    def __init__(self, inputs, transitions, biases):
        super().__init__()
        self.n_units = transitions.shape[1]
        self.shapes = [tuple(value.shape) for value in (inputs, transitions, biases)]
        self.scales = _scales(inputs.shape[1], self.n_units)
        values = zip((inputs, transitions, biases), self.scales, strict=True)
        raw = torch.cat([(value / scale).flatten() for value, scale in values])
        self.raw = torch.nn.Parameter(raw, requires_grad=self.n_units > 0)

    def weights(self):
        """Compute inputs, transitions and biases.

        Returns
        -------
        weights : list of Tensor
            Views of one piece of memory.
        """
        sizes = [rows * columns for rows, columns in self.shapes]
        scales = [self.raw.new_full((n,), x) for n, x in zip(sizes, self.scales, strict=True)]
        parts = (self.raw * torch.cat(scales)).split(sizes)
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def forward(self, shares, units):
        """Go through the frames.

        Parameters
        ----------
        shares : Tensor of shape (frames, batch, components)
        units : Tensor of shape (batch, units)
            Their activity before the first frame.

        Returns
        -------
        units : Tensor of shape (frames, batch, units)
        """
        inputs, transitions, biases = self.weights()
        weights = inputs, transitions, *biases.unbind()
        # One layer, no dropout, one direction, and frames come first.
        settings = True, 1, 0.0, self.training, False, False
        return torch.gru(shares, units[None].contiguous(), weights, *settings)[0]


class RunningGates:
    """The same for frames as they come, in numpy.

    Parameters
    ----------
    inputs : ndarray of shape (3 * units, components)
    transitions : ndarray of shape (3 * units, units)
    biases : ndarray of shape (2, 3 * units)
        See `Gates`.
    n_streams : int

    Examples
    --------
    >>> gates = RunningGates(np.ones((3, 1)), np.zeros((3, 1)), np.zeros((2, 3)), n_streams=1)
    >>> gates(np.array([[[0.0], [1.0], [1.0]]])).round(3)
    array([[[0.   ],
            [0.205],
            [0.355]]])
    """

    def __init__(self, inputs, transitions, biases, n_streams):
        self._inputs, self._transitions = inputs.T.copy(), transitions.T.copy()
        self._input_biases, self._biases = biases
        self._units = np.zeros((n_streams, transitions.shape[1]), inputs.dtype)

    def reset(self):
        """Begin again before the first frame."""
        self._units[...] = 0

    def __call__(self, shares):
        """Go through the next frames.

        Parameters
        ----------
        shares : ndarray of shape (n_streams, n_frames, n_components)

        Returns
        -------
        units : ndarray of shape (n_streams, n_frames, n_units)
        """
        heard = shares @ self._inputs
        heard += self._input_biases
        n_units, result = self._units.shape[1], []
        for frame in heard.swapaxes(0, 1):
            carried = self._units @ self._transitions
            carried += self._biases
            opened = expit(frame[:, : 2 * n_units] + carried[:, : 2 * n_units])
            reset, update = opened[:, :n_units], opened[:, n_units:]
            candidate = np.tanh(frame[:, 2 * n_units :] + reset * carried[:, 2 * n_units :])
            self._units = candidate + update * (self._units - candidate)
            result.append(self._units)
        return np.stack(result, axis=1)
