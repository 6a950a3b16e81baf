"""Stacked LSTM or ReLU RNN that estimates a mask, the conventional networks beside DR-NMF."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from sknmf_unfold.runtime.stacked_rnn import LAYER_WEIGHTS, N_GATES

from .protocol import TwoSourceNetwork

# Added to magnitudes before the logarithm, as a part of the mean magnitude.
LOG_FLOOR_SHARE = 1e-2
# A bin of a smaller standard deviation, in nats, is constant: it tells nothing.
MIN_DEVIATION = 1e-6


def draw_stacked_rnn(
    frames: np.ndarray,
    n_layers: int,
    n_units: int,
    rng: np.random.RandomState,
    kind: str = "lstm",
) -> dict[str, np.ndarray]:
    """Draw the values of a `StackedRNN` before training.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_freqs)
        Magnitudes, whose logarithms tell how to standardise the inputs.
    n_layers, n_units : int
    rng : numpy.random.RandomState
        Draws the weights, uniformly between plus and minus ``n_units ** -0.5``.
    kind : {"lstm", "relu"}, default="lstm"
        Kind of the layers.

    Returns
    -------
    values : dict of ndarray
        In the dtype of the frames.
    """
    n_freqs, bound = frames.shape[1], n_units**-0.5
    mean = max(float(frames.mean(dtype=np.float64)), float(np.finfo(frames.dtype).tiny))
    floor = LOG_FLOOR_SHARE * mean
    logs = np.log(frames.astype(np.float64) + floor)
    # A scale of 1 keeps constant bins at 0.
    deviation = logs.std(axis=0)
    values = {
        "floor": np.array(floor),
        "offset": logs.mean(axis=0),
        "scale": np.where(deviation > MIN_DEVIATION, deviation, 1.0),
    }
    rows = N_GATES[kind] * n_units
    for k in range(n_layers):
        shapes = (rows, n_units if k else n_freqs), (rows, n_units), (rows,), (rows,)
        for name, shape in zip(LAYER_WEIGHTS, shapes, strict=True):
            values[f"{name}_l{k}"] = rng.uniform(-bound, bound, shape)
    values["output_weights"] = rng.uniform(-bound, bound, (n_freqs, n_units))
    values["output_biases"] = rng.uniform(-bound, bound, n_freqs)
    return {name: value.astype(frames.dtype) for name, value in values.items()}


class StackedRNN(TwoSourceNetwork):
    """Stacked LSTM or ReLU RNN with a sigmoid mask.

    Parameters
    ----------
    values : dict of Tensor
        See `draw_stacked_rnn`; the shapes tell the kind of layer. ``floor``, ``offset``
        and ``scale`` are not trained.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017; equation 5 is the ReLU RNN.

    Examples
    --------
    >>> frames = np.ones((5, 9), np.float32)
    >>> values = draw_stacked_rnn(frames, n_layers=2, n_units=3, rng=np.random.RandomState(0))
    >>> values = {name: torch.from_numpy(np.array(x)) for name, x in values.items()}
    >>> masks, state = StackedRNN(values)(torch.ones(4, 5, 9))
    >>> tuple(masks.shape), tuple(state.shape)
    ((4, 2, 5, 9), (4, 2, 2, 3))
    """

    floor: torch.Tensor
    offset: torch.Tensor
    scale: torch.Tensor

    def __init__(self, values: Mapping[str, torch.Tensor]):
        super().__init__()
        n_freqs, n_units = values["output_weights"].shape
        n_layers = sum(name.startswith("weight_hh") for name in values)
        like = values["output_weights"]
        rows, columns = values["weight_hh_l0"].shape
        self.is_lstm = rows == N_GATES["lstm"] * columns
        # On no device torch draws no weights, for which it would use its global random state.
        settings = {"device": "meta", "dtype": like.dtype}
        sizes = n_freqs, n_units, n_layers
        empty: torch.nn.RNNBase = torch.nn.RNN(*sizes, nonlinearity="relu", **settings)
        if self.is_lstm:
            empty = torch.nn.LSTM(*sizes, **settings)
        self.layers = empty.to_empty(device=like.device)
        with torch.no_grad():
            for name, parameter in self.layers.named_parameters():
                parameter.copy_(values[name])
        self.output = torch.nn.Parameter(values["output_weights"].clone())
        self.bias = torch.nn.Parameter(values["output_biases"].clone())
        for name in ("floor", "offset", "scale"):
            self.register_buffer(name, values[name].clone())

    def values(self) -> dict[str, torch.Tensor]:
        """Return the values of the constructor, as they are now.

        Returns
        -------
        values : dict of Tensor
            Detached from the network.
        """
        named = dict(self.layers.named_parameters()) | dict(self.named_buffers())
        named |= {"output_weights": self.output, "output_biases": self.bias}
        return {name: value.detach() for name, value in named.items()}

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.output.device

    def run(
        self, magnitude: torch.Tensor, state: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the units of all frames.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, 2 or 1, layers, units), optional
            Result of an earlier call.

        Returns
        -------
        hidden : Tensor of shape (frames, batch, units)
            Of the last layer.
        state : Tensor of shape (batch, 2 or 1, layers, units)
            Units and, of an LSTM, cells of all layers after the last frame.
        """
        frames = torch.log(magnitude.transpose(0, 1) + self.floor)
        hidden, last = self.layers((frames - self.offset) / self.scale, self._as_torch(state))
        parts = last if self.is_lstm else (last,)
        return hidden, torch.stack(list(parts)).permute(2, 0, 1, 3)

    def _as_torch(self, state):
        """Return a state as torch's layers take it."""
        if state is None:
            return None
        parts = tuple(part.contiguous() for part in state.permute(1, 2, 0, 3))
        return parts if self.is_lstm else parts[0]

    def output_weights(self) -> tuple[torch.Tensor, ...]:
        """Return what `target_mask` takes beside hidden units.

        Returns
        -------
        weights : tuple of Tensor
            Of shapes (bins, units) and (bins,).
        """
        return self.output, self.bias

    def target_mask(self, hidden: torch.Tensor, weights: tuple[torch.Tensor, ...]) -> torch.Tensor:
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
