"""Stacked recurrent layers that make a mask, to compare DR-NMF with: LSTM, or a plain ReLU RNN."""

from __future__ import annotations

import numpy as np
import torch

# The weights of a layer, by the names that torch gives them.
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
# What the network hears is the logarithm of a magnitude plus this part of the mean magnitude.
FLOOR = 1e-2


# Rows of a layer's weights for each unit, by the kind of layer.
N_GATES = {"lstm": 4, "relu": 1}


def draw_stacked(frames, n_layers, n_units, rng, kind="lstm"):
    """Draw the values of a `StackedNetwork` before training.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_freqs)
        Magnitudes, which tell how to standardise what goes in.
    n_layers, n_units : int
    rng : numpy.random.RandomState
        Draws the weights, uniformly between plus and minus ``n_units ** -0.5``.
    kind : {"lstm", "relu"}, default="lstm"
        What the layers are.

    Returns
    -------
    values : dict of ndarray
        In the dtype of the frames.
    """
    n_freqs, bound = frames.shape[1], n_units**-0.5
    floor = FLOOR * max(float(frames.mean(dtype=np.float64)), float(np.finfo(frames.dtype).tiny))
    logs = np.log(frames.astype(np.float64) + floor)
    # A bin that never changes tells nothing; a scale of 1 keeps it at 0.
    deviation = logs.std(axis=0)
    values = {
        "floor": np.array(floor),
        "offset": logs.mean(axis=0),
        "scale": np.where(deviation > 1e-6, deviation, 1.0),
    }
    rows = N_GATES[kind] * n_units
    for k in range(n_layers):
        shapes = (rows, n_units if k else n_freqs), (rows, n_units), (rows,), (rows,)
        for name, shape in zip(WEIGHTS, shapes, strict=True):
            values[f"{name}_l{k}"] = rng.uniform(-bound, bound, shape)
    values["output_weights"] = rng.uniform(-bound, bound, (n_freqs, n_units))
    values["output_biases"] = rng.uniform(-bound, bound, n_freqs)
    return {name: value.astype(frames.dtype) for name, value in values.items()}


class StackedNetwork(torch.nn.Module):
    """Stacked LSTM or ReLU RNN with a sigmoid mask.

    Parameters
    ----------
    values : dict of Tensor
        See `draw_stacked`, whose kind of layer their shapes tell; ``floor``, ``offset`` and
        ``scale`` are not trained.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017; equation 5 is the ReLU RNN.

    Examples
    --------
    >>> frames = np.ones((5, 9), np.float32)
    >>> values = draw_stacked(frames, n_layers=2, n_units=3, rng=np.random.RandomState(0))
    >>> values = {name: torch.from_numpy(np.array(x)) for name, x in values.items()}
    >>> masks, state = StackedNetwork(values)(torch.ones(4, 5, 9))
    >>> tuple(masks.shape), tuple(state.shape)
    ((4, 2, 5, 9), (4, 2, 2, 3))
    """

    floor: torch.Tensor
    offset: torch.Tensor
    scale: torch.Tensor

    def __init__(self, values):
        super().__init__()
        n_freqs, n_units = values["output_weights"].shape
        n_layers = sum(name.startswith("weight_hh") for name in values)
        like = values["output_weights"]
        rows, columns = values["weight_hh_l0"].shape
        self.has_memory = rows == N_GATES["lstm"] * columns
        # On no device torch draws no weights, for which it would use its global random state.
        settings = {"device": "meta", "dtype": like.dtype}
        sizes = n_freqs, n_units, n_layers
        empty: torch.nn.RNNBase = torch.nn.RNN(*sizes, nonlinearity="relu", **settings)
        if self.has_memory:
            empty = torch.nn.LSTM(*sizes, **settings)
        self.layers = empty.to_empty(device=like.device)
        with torch.no_grad():
            for name, parameter in self.layers.named_parameters():
                parameter.copy_(values[name])
        self.output = torch.nn.Parameter(values["output_weights"].clone())
        self.bias = torch.nn.Parameter(values["output_biases"].clone())
        for name in ("floor", "offset", "scale"):
            self.register_buffer(name, values[name].clone())

    def values(self):
        """Return what the constructor takes, as it is now.

        Returns
        -------
        values : dict of Tensor
            Detached from the network.
        """
        named = dict(self.layers.named_parameters()) | dict(self.named_buffers())
        named |= {"output_weights": self.output, "output_biases": self.bias}
        return {name: value.detach() for name, value in named.items()}

    @property
    def device(self):
        """Where the weights are."""
        return self.output.device

    def run(self, magnitude, state=None):
        """Go through the frames.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, 2 or 1, layers, units), optional
            What an earlier call returned.

        Returns
        -------
        hidden : Tensor of shape (frames, batch, units)
            Of the last layer.
        state : Tensor of shape (batch, 2 or 1, layers, units)
            The outputs and, of an LSTM, the memories of all layers after the last frame.
        """
        frames = torch.log(magnitude.transpose(0, 1) + self.floor)
        frames = (frames - self.offset) / self.scale
        if state is not None:
            state = tuple(part.contiguous() for part in state.permute(1, 2, 0, 3))
            state = state if self.has_memory else state[0]
        hidden, state = self.layers(frames, state)
        state = state if self.has_memory else (state,)
        return hidden, torch.stack(state).permute(2, 0, 1, 3)

    def hidden(self, magnitude):
        """Compute the outputs of the last layer from the beginning.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)

        Returns
        -------
        hidden : Tensor of shape (frames, batch, units)
        """
        return self.run(magnitude)[0]

    def output_weights(self):
        """Return what `target_mask` needs beside hidden units.

        Returns
        -------
        weights : tuple of Tensor
            Of shapes (bins, units) and (bins,).
        """
        return self.output, self.bias

    def target_mask(self, hidden, weights):
        """Compute the target's mask.

        Parameters
        ----------
        hidden : Tensor of shape (frames, batch, units)
        weights : tuple of Tensor
            From `output_weights`.

        Returns
        -------
        mask : Tensor of shape (frames, batch, bins)
        """
        return torch.sigmoid(torch.nn.functional.linear(hidden, *weights))

    def forward(self, magnitude, state=None):
        """Compute masks that sum to 1 over both sources, and the state to go on from.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, 2 or 1, layers, units), optional

        Returns
        -------
        masks : Tensor of shape (batch, 2, frames, bins)
        state : Tensor of shape (batch, 2 or 1, layers, units)
        """
        hidden, state = self.run(magnitude, state)
        mask = self.target_mask(hidden, self.output_weights()).transpose(0, 1)
        return torch.stack([mask, 1 - mask], dim=1), state
