"""Deep NMF: multiplicative updates unfolded into a network that treats every frame alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .masks import PowerMaskOutput
from .positive import log_parameter, unit_rows


class DeepNMF(PowerMaskOutput):
    """Multiplicative updates of the activations of a frame, the last ones with trained weights.

    Weights are trained as logarithms, so that they stay positive; the dictionaries of the layers
    are normalised to unit rows when used.

    Parameters
    ----------
    values : mapping of str to Tensor
        ``components`` of shape (n_components, n_freqs)
            Dictionary of the updates that are not trained, the target's components first.
        ``layer_components`` of shape (n_trained_updates, n_components, n_freqs)
            Dictionary of each of the last updates.
        ``output_components`` of shape (n_components, n_freqs)
            Turn activations into the estimates that make the masks.
        ``mask_exponent`` of shape ()
            Power of the estimates in the masks, see `masks.power_mask`.
    n_fixed_updates : int
        Number of updates that are not trained.
    beta : float
        Of the divergence that the updates lower, from 1 to 2.
    sparsity : float
        Weight of the l1 penalty.
    learn_mask_exponent : bool, default=False
        Whether ``mask_exponent`` is trained too.

    References
    ----------
    .. [1] Le Roux, Hershey, Weninger, "Deep NMF for speech separation", ICASSP 2015.

    Examples
    --------
    >>> values = {"components": torch.eye(4), "layer_components": torch.eye(4).repeat(2, 1, 1)}
    >>> values |= {"output_components": torch.eye(4), "mask_exponent": torch.tensor(1.0)}
    >>> network = DeepNMF(values, n_fixed_updates=3, beta=1.0, sparsity=0.0)
    >>> masks, state = network(torch.rand(3, 5, 4))
    >>> tuple(masks.shape), state is None
    ((3, 2, 5, 4), True)
    """

    components: torch.Tensor

    def __init__(
        self,
        values: Mapping[str, torch.Tensor],
        n_fixed_updates: int,
        beta: float,
        sparsity: float,
        learn_mask_exponent: bool = False,
    ):
        super().__init__()
        self.register_buffer("components", values["components"].clone())
        self.log_components = log_parameter(values["layer_components"])
        self.log_output = log_parameter(values["output_components"])
        self.log_exponent = log_parameter(values["mask_exponent"], learn_mask_exponent)
        self.n_fixed_updates = n_fixed_updates
        self.beta = beta
        self.sparsity = sparsity

    @torch.no_grad()
    def values(self) -> dict[str, torch.Tensor]:
        """Return the values of the constructor, as they are now.

        Returns
        -------
        values : dict of Tensor
            Detached from the network.
        """
        return {
            "components": self.components,
            "layer_components": self.layer_components(),
            "output_components": self.log_output.exp(),
            "mask_exponent": self.log_exponent.exp(),
        }

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.log_output.device

    def layer_components(self) -> torch.Tensor:
        """Compute the dictionaries of the trained updates.

        Returns
        -------
        components : Tensor of shape (n_trained_updates, n_components, n_freqs)
            Non-negative, rows of unit l2-norm.
        """
        return unit_rows(self.log_components)

    def run(self, magnitude: torch.Tensor, state: None = None) -> tuple[torch.Tensor, None]:
        """Infer the activations of every frame.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : None
            Frames do not depend on each other.

        Returns
        -------
        activations : Tensor of shape (frames, batch, components)
        state : None
        """
        frames = magnitude.transpose(0, 1)
        rows = frames.reshape(-1, frames.shape[2])
        with torch.no_grad():
            # All alike, at the level of the frame.
            level = rows.sum(1, keepdim=True) / self.components.sum()
            activations = level.expand(-1, len(self.components))
            for _ in range(self.n_fixed_updates):
                activations = self._update(activations, rows, self.components)
        for components in self.layer_components():
            activations = self._update(activations, rows, components)
        return activations.unflatten(0, frames.shape[:2]), None

    def _update(self, activations, rows, components):
        """Multiply by the ratio of the negative to the positive part of the gradient."""
        # Negligible beside any level, and large enough to divide by.
        floor = torch.finfo(rows.dtype).eps ** 2
        model = activations @ components + floor
        if self.beta == 1:
            negative, positive = (rows / model) @ components.T, components.sum(1)
        elif self.beta == 2:
            negative, positive = rows @ components.T, model @ components.T
        else:
            power = model ** (self.beta - 1)
            negative, positive = (rows / model * power) @ components.T, power @ components.T
        return activations * negative / (positive + (self.sparsity + floor))
