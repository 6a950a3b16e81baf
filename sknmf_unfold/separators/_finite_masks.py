"""Refusal of masks that are not finite, and a lower bound of those that are."""

from __future__ import annotations

import numpy as np

from ._blocks import after


class FiniteMasks:
    """A step whose masks are refused where they are no numbers, and raised to a floor."""

    def __init__(self, step, reason, floor=None):
        self._step, self._reason, self._floor = step, reason, floor

    def __call__(self, magnitude, state):
        masks, state = self._step(magnitude, state)
        return after(masks, self._checked), state

    def _checked(self, masks):
        check_masks(masks, self._reason)
        return masks if self._floor is None else np.maximum(masks, self._floor)

    def finish(self):
        """Let the step that makes them warn."""
        finish(self._step)


def check_masks(masks: np.ndarray, reason: str) -> None:
    """Raise ``ValueError`` where masks are no numbers, with the reason that a separator gives.

    Parameters
    ----------
    masks : ndarray
    reason : str
    """
    if not np.isfinite(masks).all():
        raise ValueError(f"The masks of these mixtures are no numbers: {reason}")


def finish(step):
    """Let a step that watches its results warn of them."""
    if hasattr(step, "finish"):
        step.finish()
