"""Warning of a sparsity weight that sets (nearly) all activations to 0, though X is not silent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from sknmf_unfold.validation.warn import warn_user

from .matrices import row_squares

# Activations below this share of the frames' norms count as 0.
MIN_ACTIVE_SHARE = 1e-3
# Fewer frames than the first number may be a pause, whatever their level; fewer than the second if
# all their norms are below this share of the sparsity weight.
MIN_FRAMES, MIN_QUIET_FRAMES, QUIET_SHARE = 10, 100, 0.5
# Sparsity weight with which most frames have activations, relative to the frames' norm.
SUGGESTED_SHARE = 0.1
# Frames of a block.
BLOCK_FRAMES = 1024


class Silencing:
    """Detector of a sparsity weight that sets (nearly) all activations to 0.

    It sums the frames of a call and their activations, block by block.

    Parameters
    ----------
    sparsity : float
        Weight of the l1 penalty.

    Examples
    --------
    >>> silencing = Silencing(1.0)
    >>> silencing.add(np.array([[0.6, 0.8], [0.0, 0.0]]), np.zeros((2, 5)))
    >>> silencing.found, Silencing(1.0).found
    (True, False)
    """

    def __init__(self, sparsity: float) -> None:
        self.sparsity = sparsity
        self._n_frames = 0
        self._norms = self._squares = self._peak = self._active = 0.0

    @np.errstate(over="ignore", invalid="ignore")
    def add(self, frames: np.ndarray | csr_array, activations: np.ndarray) -> None:
        """Add some frames and their activations.

        Parameters
        ----------
        frames : ndarray or csr_array of shape (n_frames, n_freqs)
        activations : ndarray of shape (n_frames, n_components)
            Negative ones count as 0.
        """
        squares = row_squares(frames)
        norms = np.sqrt(squares)
        self._n_frames += int(np.count_nonzero(squares))
        self._norms += float(norms.sum())
        self._squares += float(squares.sum())
        self._peak = max(self._peak, float(norms.max(initial=0.0)))
        self._active += float(activations.max(axis=1, initial=0.0).sum(dtype=np.float64))

    def __add__(self, other: Silencing) -> Silencing:
        """Return the detector of the frames of both."""
        both = Silencing(self.sparsity)
        for name in ("_n_frames", "_norms", "_squares", "_active"):
            setattr(both, name, getattr(self, name) + getattr(other, name))
        both._peak = max(self._peak, other._peak)
        return both

    @property
    def found(self) -> bool:
        """Whether (nearly) all activations are 0 though the frames are not."""
        # Where squares overflow, no sparsity weight within its bounds silences.
        is_measured = self._n_frames > 0 and self._squares < np.inf
        return is_measured and self.sparsity > 0 and self._active < MIN_ACTIVE_SHARE * self._norms

    @property
    def is_pause(self) -> bool:
        """Whether the frames may be a pause: few, or rather few and all of them quiet."""
        is_quiet = self._peak < QUIET_SHARE * self.sparsity
        return self._n_frames < (MIN_QUIET_FRAMES if is_quiet else MIN_FRAMES)

    def warn(self, pause_too: bool = False) -> None:
        """Warn the user if it was detected, and suggest a sparsity weight.

        Parameters
        ----------
        pause_too : bool, default=False
            Whether to warn where `is_pause`, too.
        """
        if not self.found or (self.is_pause and not pause_too):
            return
        suggested = SUGGESTED_SHARE * (self._squares / self._n_frames) ** 0.5
        warn_user(
            f"(Nearly) all activations are 0 though X is not: `sparsity`={self.sparsity:g} is in "
            f"the units of the frames (rows), which have norms of up to {self._peak:.3g} (at the "
            f"reference level, to which separators bring them). Use a smaller `sparsity`, for "
            f"these data about {suggested:.1g}, or for SparseNMF scale X up.",
            topic="silencing",
        )


def silencing_of(
    frames: np.ndarray | csr_array, W: np.ndarray, sparsity: float, beta: float = 2.0
) -> Silencing:
    """Detect whether the best activations of frames are (nearly) all 0, without inferring them.

    For beta = 2 those of a frame are 0 where no correlation with a component is above the sparsity
    weight. For other divergences there is no such rule, and nothing is detected.

    Parameters
    ----------
    frames : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Components, rows of unit norm.
    sparsity : float
        Weight of the l1 penalty.
    beta : float, default=2.0
        Divergence.

    Returns
    -------
    silencing : Silencing
    """
    silencing = Silencing(sparsity)
    if beta != 2:
        return silencing
    for start in range(0, frames.shape[0], BLOCK_FRAMES):
        part = frames[start : start + BLOCK_FRAMES]
        with np.errstate(over="ignore"):
            above = part @ W.T
        above -= sparsity
        silencing.add(part, above)
    return silencing


def is_blank(statistics: dict | None) -> bool:
    """Whether all activations so far were 0, according to the statistics of batches for beta = 2.

    Parameters
    ----------
    statistics : dict or None
        See `batch_statistics.products_and_gram`.

    Returns
    -------
    is_blank : bool
    """
    return statistics is not None and "products" in statistics and not statistics["products"].any()


class WatchedStep:
    """Step of a separator on blocks of frames, with a warning of silencing at the end of a call.

    Parameters
    ----------
    step : callable
        ``step(magnitude, state) -> (result, state)``, see `separators._blocks`. It adds to
        `silencing`.
    silencing : Silencing
    """

    def __init__(self, step: Callable, silencing: Silencing) -> None:
        self._step, self.silencing = step, silencing

    def __call__(self, magnitude, state):
        """Take the step."""
        return self._step(magnitude, state)

    def finish(self) -> None:
        """Warn if (nearly) all activations of all blocks are 0."""
        self.silencing.warn()
