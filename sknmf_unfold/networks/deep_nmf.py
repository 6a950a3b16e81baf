"""Deep NMF: multiplicative updates unfolded into a network that looks at each frame alone."""

from __future__ import annotations

import torch

from .drnmf import log_or_epsilon
from .masks import PowerMaskOutput


class DeepNMF(PowerMaskOutput, torch.nn.Module):
    """Multiplicative updates of the activations of a frame, the last ones with trained weights.

    Trained weights are kept as logarithms, so that training cannot make them negative; the
    dictionaries of the layers are normalised to unit rows on use.

    Parameters
    ----------
    components : Tensor of shape (n_components, n_freqs)
        Dictionary of the updates that are not trained, the target's components first.
    layer_components : Tensor of shape (n_trained_updates, n_components, n_freqs)
        Dictionary of each of the last updates.
    output_components : Tensor of shape (n_components, n_freqs)
        Turn activations into the estimates that make the masks.
    mask_exponent : Tensor of shape ()
        Power of the estimates that the masks share, see `power_masks`.
    n_fixed_updates : int
        Updates before those.
    beta : float
        Of the divergence that the updates lower, from 1 to 2.
    sparsity : float
        Weight of the l1 penalty.
    learn_mask_exponent : bool, default=False
        Whether `mask_exponent` is trained too.

    References
    ----------
    .. [1] Le Roux, Hershey, Weninger, "Deep NMF for speech separation", ICASSP 2015.

    Examples
    --------
    >>> layers = torch.eye(4).repeat(2, 1, 1)
    >>> settings = {"n_fixed_updates": 3, "beta": 1.0, "sparsity": 0.0}
    >>> network = DeepNMF(layers[0], layers, layers[0], torch.tensor(1.0), **settings)
    >>> masks, state = network(torch.rand(3, 5, 4))
    >>> tuple(masks.shape), state is None
    ((3, 2, 5, 4), True)
    """

    components: torch.Tensor

    def __init__(
        self,
        components,
        layer_components,
        output_components,
        mask_exponent,
        n_fixed_updates,
        beta,
        sparsity,
        learn_mask_exponent=False,
    ):
        super().__init__()
        self.register_buffer("components", components.clone())
        self.log_components = torch.nn.Parameter(log_or_epsilon(layer_components))
        self.log_output = torch.nn.Parameter(log_or_epsilon(output_components))
        self.log_exponent = torch.nn.Parameter(
            log_or_epsilon(mask_exponent), requires_grad=learn_mask_exponent
        )
        self.n_fixed_updates = n_fixed_updates
        self.beta = beta
        self.sparsity = sparsity

    @torch.no_grad()
    def values(self):
        """Return the tensors that the constructor takes, as they are now.

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
    def device(self):
        """Where the weights are."""
        return self.log_output.device

    def layer_components(self):
        """Compute the dictionaries of the trained updates.

        Returns
        -------
        components : Tensor of shape (n_trained_updates, n_components, n_freqs)
            Non-negative, rows of unit l2-norm.
        """
        return torch.nn.functional.normalize(self.log_components.exp(), dim=-1)

    def hidden(self, magnitude):
        """Infer the activations of every frame.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)

        Returns
        -------
        activations : Tensor of shape (frames, batch, components)
        """
        frames = magnitude.transpose(0, 1)
        rows = frames.reshape(-1, frames.shape[2])
        with torch.no_grad():
            # All alike, at the level of the frame.
            activations = (rows.sum(1, keepdim=True) / self.components.sum()).expand(
                -1, len(self.components)
            )
            for _ in range(self.n_fixed_updates):
                activations = self._update(activations, rows, self.components)
        for components in self.layer_components():
            activations = self._update(activations, rows, components)
        return activations.unflatten(0, frames.shape[:2])

    def _update(self, activations, rows, components):
        """Multiply the activations by the ratio of the two parts of the gradient."""
        # Small enough to vanish beside any level, large enough to divide by.
        floor = torch.finfo(rows.dtype).eps ** 2
        model = activations @ components + floor
        if self.beta == 1:
            up, down = (rows / model) @ components.T, components.sum(1)
        elif self.beta == 2:
            up, down = rows @ components.T, model @ components.T
        else:
            power = model ** (self.beta - 1)
            up, down = (rows / model * power) @ components.T, power @ components.T
        return activations * up / (down + (self.sparsity + floor))

    def forward(self, magnitude, state=None):
        """Compute masks that sum to 1 over both sources.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : None
            Frames do not depend on each other.

        Returns
        -------
        masks : Tensor of shape (batch, 2, frames, bins)
        state : None
        """
        mask = self.target_mask(self.hidden(magnitude), self.output_weights()).transpose(0, 1)
        return torch.stack([mask, 1 - mask], dim=1), None
