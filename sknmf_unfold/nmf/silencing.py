"""Warn where the sparsity weight leaves (nearly) no activation, though the data are not silent."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.validation.warn import warn_user

# Activations below this part of the frames' norms are as good as none.
MIN_SHARE = 1e-3
# So few frames may be a pause, however loud; up to so many where no frame's norm comes near this
# part of the sparsity weight.
FEW_FRAMES, MIN_FRAMES, NEAR = 10, 100, 0.5
# Sparsity weight that leaves most of the frames' components, relative to the frames' norm.
SUGGESTED = 0.1
# Frames that are looked at together.
BLOCK = 1024


class Silencing:
    """Sums of the activations of a call, and of the frames that they are for.

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
    def add(self, frames: np.ndarray, activations: np.ndarray) -> None:
        """Take some frames and the activations that were inferred for them.

        Parameters
        ----------
        frames : ndarray of shape (n_frames, n_freqs)
        activations : ndarray of shape (n_frames, n_components)
            Negative ones count as 0.
        """
        squares = np.einsum("tf,tf->t", frames, frames, dtype=np.float64)
        norms = np.sqrt(squares)
        self._n_frames += int(np.count_nonzero(squares))
        self._norms += float(norms.sum())
        self._squares += float(squares.sum())
        self._peak = max(self._peak, float(norms.max(initial=0.0)))
        self._active += float(activations.max(axis=1, initial=0.0).sum(dtype=np.float64))

    @property
    def found(self) -> bool:
        """Whether (nearly) all activations are 0 though the frames are not."""
        # Where squares overflow, no sparsity weight within its bounds silences.
        is_measured = self._n_frames > 0 and self._squares < np.inf
        return is_measured and self.sparsity > 0 and self._active < MIN_SHARE * self._norms

    @property
    def is_pause(self) -> bool:
        """Whether the frames are so few and so quiet that they need no activation."""
        is_quiet = self._peak < NEAR * self.sparsity
        return self._n_frames < (MIN_FRAMES if is_quiet else FEW_FRAMES)

    def warn(self, pause_too: bool = False) -> None:
        """Tell the user what to do about it.

        Parameters
        ----------
        pause_too : bool, default=False
            Whether a few quiet frames are all that there is to learn from.
        """
        if not self.found or (self.is_pause and not pause_too):
            return
        suggested = SUGGESTED * (self._squares / self._n_frames) ** 0.5
        warn_user(
            f"(Nearly) all activations are 0 though X is not: `sparsity`={self.sparsity:g} is in "
            f"the units of the frames (rows), which have norms of up to {self._peak:.3g} (at the "
            f"reference level, to which separators bring them). Use a smaller `sparsity`, for "
            f"these data about {suggested:.1g}, or for SparseNMF scale X up.",
            topic="silencing",
        )


def silencing_of(frames, W, sparsity):
    """Find out, for beta = 2, whether the best activations of frames are (nearly) all 0.

    Those of a frame are 0 where no correlation with a component is above the sparsity weight.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Components, rows of unit norm.
    sparsity : float
        Weight of the l1 penalty.

    Returns
    -------
    silencing : Silencing
    """
    silencing = Silencing(sparsity)
    for start in range(0, len(frames), BLOCK):
        part = frames[start : start + BLOCK]
        with np.errstate(over="ignore"):
            above = part @ W.T
        above -= sparsity
        silencing.add(part, above)
    return silencing


def is_blank(statistics):
    """Whether statistics of batches, for beta = 2, know of frames but of no activation.

    Parameters
    ----------
    statistics : dict or None
        Of `online`.

    Returns
    -------
    is_blank : bool
    """
    return "products" in (statistics or {}) and not statistics["products"].any()


class Watched:
    """A step for blocks of frames that warns of silencing at the end of a call.

    Parameters
    ----------
    step : callable
        ``step(magnitude, state) -> (result, state)``, see `separators._blocks`.
    silencing : Silencing
        What the step brings up to date.
    """

    def __init__(self, step, silencing):
        self._step, self.silencing = step, silencing

    def __call__(self, magnitude, state):
        """Take the step."""
        return self._step(magnitude, state)

    def finish(self):
        """Warn if all blocks together call for it."""
        self.silencing.warn()
