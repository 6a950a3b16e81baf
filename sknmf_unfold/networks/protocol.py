"""The protocol that all networks keep, and the methods that networks of two sources share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch


class MaskNetwork(Protocol):
    """A network that estimates masks of the target and the interference.

    It goes through time by `run`, and turns the hidden units of each frame into a mask by
    `target_mask`. Training calls `hidden`, `output_weights` and `target_mask`, separators call
    `run`, `output_weights` and `target_mask`.
    """

    @property
    def device(self) -> torch.device:
        """Device of the weights."""

    def run(self, magnitude: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Compute hidden units (frames, batch, units) of magnitudes (batch, frames, bins).

        The second result is the state after the last frame, which a later call takes.
        """

    def hidden(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Compute the hidden units from the beginning of recordings."""

    def output_weights(self) -> tuple[torch.Tensor, ...]:
        """Compute what `target_mask` takes beside hidden units."""

    def target_mask(self, hidden: torch.Tensor, weights: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the target's mask (frames, batch, bins)."""

    def forward(self, magnitude: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Compute masks (batch, sources, frames, bins), the target's first, and the state."""

    def values(self) -> dict[str, torch.Tensor]:
        """Return the arguments of the constructor, as they are now."""


class TwoSourceNetwork(torch.nn.Module):
    """The methods of a `MaskNetwork` that follow from `run`, `output_weights`, `target_mask`."""

    def __init__(self) -> None:
        super().__init__()

    run: Callable[..., tuple[torch.Tensor, Any]]
    output_weights: Callable[[], tuple[torch.Tensor, ...]]
    target_mask: Callable[[torch.Tensor, tuple[torch.Tensor, ...]], torch.Tensor]

    def hidden(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Compute the hidden units from the beginning of recordings.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)

        Returns
        -------
        hidden : Tensor of shape (frames, batch, units)
        """
        return self.run(magnitude)[0]

    def forward(self, magnitude: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Compute masks that sum to 1 over both sources, and the state after the last frame.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor, optional
            Result of an earlier call.

        Returns
        -------
        masks : Tensor of shape (batch, 2, frames, bins)
            The target's first.
        state : Tensor or None
        """
        hidden, state = self.run(magnitude, state)
        mask = self.target_mask(hidden, self.output_weights()).transpose(0, 1)
        return torch.stack([mask, 1 - mask], dim=1), state
