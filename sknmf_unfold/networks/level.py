"""Scaling of frames to the reference level, in torch; in numpy it is `runtime.level`."""

from __future__ import annotations

from typing import Any

import torch

from sknmf_unfold.runtime.level import MIN_RELATIVE_LEVEL, REFERENCE_LEVEL


def at_running_level(magnitude: torch.Tensor, n_frames: int) -> torch.Tensor:
    """Divide each frame by the level of the last frames, as `runtime.level.InputLevel` does.

    Parameters
    ----------
    magnitude : Tensor of shape (batch, frames, bins)
        From the beginning of recordings on.
    n_frames : int
        Number of frames of the running level; 0 leaves frames as they are.

    Returns
    -------
    magnitude : Tensor of shape (batch, frames, bins)

    Examples
    --------
    >>> at_running_level(torch.tensor([[[1.0], [1.0], [2.0]]]), 2).flatten()
    tensor([0.6000, 0.6000, 0.7200])
    """
    if not n_frames:
        return magnitude
    # Not every device has float64.
    dtype = magnitude.dtype if magnitude.device.type == "mps" else torch.float64
    levels = magnitude.mean(dim=-1).to(dtype)
    width = min(n_frames, levels.shape[1])
    windows = torch.nn.functional.pad(levels, (width - 1, 0)).unfold(1, width, 1)
    # Relative to the largest, so that no square overflows.
    peak = windows.amax(dim=-1).clamp(min=torch.finfo(dtype).tiny)
    shares = windows / peak[..., None]
    plain = shares.sum(-1)
    running = shares.square().sum(-1) / torch.where(plain > 0, plain, torch.ones_like(plain))
    gains = REFERENCE_LEVEL / (peak * running).clamp(min=MIN_RELATIVE_LEVEL * REFERENCE_LEVEL)
    return magnitude * gains.to(magnitude.dtype)[..., None]


class LevelledNetwork(torch.nn.Module):
    """A network on frames that are scaled to the reference level, for training.

    Parameters
    ----------
    network : MaskNetwork
        As `training.batch_loss` describes it.
    n_frames : int
        Number of frames of the running level; 0 leaves frames as they are.

    Examples
    --------
    >>> from sknmf_unfold.networks.drnmf import DRNMF
    >>> from sknmf_unfold.networks.initial_weights import unfold
    >>> network = DRNMF(unfold(torch.eye(4), n_layers=2, sparsity=0.1, step_size=1.0))
    >>> frames, levelled = torch.rand(3, 5, 4), LevelledNetwork(network, n_frames=4)
    >>> torch.allclose(levelled(frames)[0], levelled(8 * frames)[0])
    True
    """

    def __init__(self, network: Any, n_frames: int):
        super().__init__()
        self.network, self.n_frames = network, n_frames

    def hidden(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Compute the network's hidden units from the beginning of recordings.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)

        Returns
        -------
        hidden : Tensor of shape (frames, batch, units)
        """
        return self.network.hidden(at_running_level(magnitude, self.n_frames))

    def values(self) -> dict[str, torch.Tensor]:
        """Return the network's ``values``.

        Returns
        -------
        values : dict of Tensor
        """
        return self.network.values()

    def output_weights(self) -> tuple[torch.Tensor, ...]:
        """Compute the network's ``output_weights``.

        Returns
        -------
        weights : tuple of Tensor
        """
        return self.network.output_weights()

    def target_mask(self, hidden: torch.Tensor, weights: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the network's mask of the target.

        Parameters
        ----------
        hidden : Tensor of shape (frames, batch, units)
        weights : tuple of Tensor

        Returns
        -------
        mask : Tensor of shape (frames, batch, bins)
        """
        return self.network.target_mask(hidden, weights)

    def forward(self, magnitude: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Compute masks from the beginning of recordings.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)

        Returns
        -------
        masks : Tensor of shape (batch, sources, frames, bins)
        state : Tensor or None
            The network's, after the last frame.
        """
        return self.network(at_running_level(magnitude, self.n_frames))
