"""Gated recurrent units of DR-NMF: memory of earlier frames, in torch.

A frame alone often does not tell which source its sound belongs to. A layer of gated recurrent
units [1]_ takes the share of each component in the activations, which does not depend on the level,
and its gates learn what to keep of it and for how long.

References
----------
.. [1] Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, "Learning phrase
   representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014.
"""

from __future__ import annotations

import numpy as np
import torch

from sknmf_unfold.runtime.gru import GRU_WEIGHTS, gru_shapes


def draw_gru(
    components: torch.Tensor, n_units: int, rng: np.random.RandomState | None
) -> dict[str, torch.Tensor]:
    """Draw the weights of GRU units that have no evidence yet.

    Parameters
    ----------
    components : Tensor of shape (n_components, n_freqs)
        Tells dtype and device.
    n_units : int
        With 0 all arrays are empty.
    rng : numpy.random.RandomState or None
        Draws the weights, uniformly between plus and minus ``n_units ** -0.5``, for inputs of unit
        variance. May be None if there are no units.

    Returns
    -------
    values : dict of Tensor
        Those of `GRU_WEIGHTS`, and ``gru_evidence`` of shape (n_units, n_freqs).
    """
    n_components, n_freqs = components.shape
    values = {"gru_evidence": components.new_zeros(n_units, n_freqs)}
    shapes = zip(GRU_WEIGHTS, gru_shapes(n_components, n_units), strict=True)
    for (name, shape), scale in zip(shapes, _scales(n_components, n_units), strict=True):
        drawn = np.zeros(shape) if rng is None else scale * rng.uniform(-1, 1, shape)
        values[name] = components.new_tensor(drawn)
    return values


def _scales(n_components, n_units):
    """Magnitudes of the weights, and so of the steps of training relative to each other.

    Shares of unit norm have a variance of 1 / n_components.
    """
    scale = max(n_units, 1) ** -0.5
    return n_components**0.5 * scale, scale, scale


class GRU(torch.nn.Module):
    """A layer of gated recurrent units, see `runtime.gru.RunningGRU` for the equations.

    The trained parameter holds all weights divided by the scale that they are drawn with, side by
    side in memory as cuDNN wants them.

    Parameters
    ----------
    weight_ih : Tensor of shape (3 * units, components)
    weight_hh : Tensor of shape (3 * units, units)
    bias : Tensor of shape (2, 3 * units)
        See `runtime.gru.gru_shapes`.

    Examples
    --------
    >>> values = draw_gru(torch.ones(4, 9), 2, np.random.RandomState(0))
    >>> gru = GRU(*(values[name] for name in GRU_WEIGHTS))
    >>> tuple(gru(torch.ones(7, 3, 4), torch.zeros(3, 2)).shape)
    (7, 3, 2)
    """

    def __init__(self, weight_ih: torch.Tensor, weight_hh: torch.Tensor, bias: torch.Tensor):
        super().__init__()
        self.n_units = weight_hh.shape[1]
        weights = weight_ih, weight_hh, bias
        self.shapes = [tuple(weight.shape) for weight in weights]
        self.scales = _scales(weight_ih.shape[1], self.n_units)
        pairs = zip(weights, self.scales, strict=True)
        raw = torch.cat([(weight / scale).flatten() for weight, scale in pairs])
        self.raw = torch.nn.Parameter(raw, requires_grad=self.n_units > 0)

    def weights(self) -> list[torch.Tensor]:
        """Compute the weights.

        Returns
        -------
        weights : list of Tensor
            ``weight_ih``, ``weight_hh`` and ``bias``, views of one piece of memory.
        """
        sizes = [rows * columns for rows, columns in self.shapes]
        scales = [self.raw.new_full((n,), x) for n, x in zip(sizes, self.scales, strict=True)]
        parts = (self.raw * torch.cat(scales)).split(sizes)
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def forward(self, shares: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        """Compute the units of all frames.

        Parameters
        ----------
        shares : Tensor of shape (frames, batch, components)
            From `masks.component_shares`.
        units : Tensor of shape (batch, units)
            Of the frame before the first.

        Returns
        -------
        units : Tensor of shape (frames, batch, units)
        """
        weight_ih, weight_hh, bias = self.weights()
        weights = weight_ih, weight_hh, *bias.unbind()
        # One layer, no dropout, one direction, frames first.
        settings = True, 1, 0.0, self.training, False, False
        return torch.gru(shares, units[None].contiguous(), weights, *settings)[0]
