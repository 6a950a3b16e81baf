"""Data and activations of a factorisation by multiplicative updates.

An iteration needs sums over all frames, which have a fixed size (`mu_sums`). `Passes` computes
them: over frames in memory here, over the chunks of a Dask array in `dask_mu`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from .blocks import Blocks
from .divergence import MIN_MAGNITUDE
from .mu_sums import BetaSums, FrobeniusSums
from .mu_updates import MIN_ENTRY, quadratic
from .problem import Problem


class Activations(Protocol):
    """Activations of all frames, and the objective and gradient of components for them.

    `propose` and `advance` alternate. `propose` may be called several times with other components
    before `advance`, which belongs to the last ones.
    """

    # Magnitude of the terms of the objective, to which its rounding errors are relative.
    scale: float

    @property
    def H(self) -> Any:
        """Current activations: an array of shape (n_frames, n_components), or chunks of it."""

    def propose(self, W: np.ndarray) -> float:
        """Compute the objective of the components W and the current activations."""

    def advance(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Update the activations for W; return the parts of the gradient with respect to W."""


class Passes(Protocol):
    """Passes over all frames, which sum results over them."""

    # Current activations.
    H: Any

    def first(self) -> list:
        """Return the sums of the initial activations."""

    def step(self, W: np.ndarray) -> list:
        """Compute the next activations for W, to be adopted or not; return their sums."""

    def adopt(self) -> None:
        """Make the last activations of `step` the current ones."""


class MemoryPasses:
    """`Passes` over frames in memory.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    H : ndarray of shape (n_frames, n_components)
        Initial activations.
    sums : FrobeniusSums or BetaSums

    Attributes
    ----------
    H : ndarray of shape (n_frames, n_components)
        Current activations.
    """

    def __init__(self, X: np.ndarray | csr_array, H: np.ndarray, sums: FrobeniusSums) -> None:
        self._X, self._sums = X, sums
        self.H, self._spare = np.maximum(H, MIN_ENTRY), np.empty_like(H)
        self._blocks = Blocks.of_data(X, H.shape[1])

    def first(self) -> list:
        """Return the sums of the initial activations.

        Returns
        -------
        sums : list
        """
        return self._sums.first(self._X, self.H, self._blocks)

    def step(self, W: np.ndarray) -> list:
        """Compute the next activations for W.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        sums : list
        """
        return self._sums.step(self._X, self.H, W, self._blocks, self._spare)

    def adopt(self) -> None:
        """Make the last activations of `step` the current ones."""
        self.H, self._spare = self._spare, self.H


class FrobeniusActivations:
    """`Activations` for beta = 2: sums over frames that do not depend on W give the objective.

    Parameters
    ----------
    passes : Passes
        With `FrobeniusSums`.
    sparsity : float
        Weight of the l1 penalty.

    Attributes
    ----------
    scale : float
        Magnitude of the terms of the objective, to which its rounding errors are relative.
    """

    def __init__(self, passes: Passes, sparsity: float) -> None:
        self._passes, self._sparsity = passes, sparsity
        *self._sums, self.scale = passes.first()

    @property
    def H(self) -> Any:
        """Current activations."""
        return self._passes.H

    def propose(self, W: np.ndarray) -> float:
        """Compute the objective of the components W and the current activations.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        products, gram, activity = self._sums
        return self.scale + quadratic(W, products, gram) + self._sparsity * activity

    def advance(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Update the activations once for the components W.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        negative, positive : ndarray of shape (n_components, n_freqs), in float64
            Parts of the gradient of the divergence with respect to W, at the new activations.
        """
        self._sums = self._passes.step(W)
        self._passes.adopt()
        return self._sums[0], self._sums[1] @ W.astype(np.float64)


class BetaActivations:
    """`Activations` for any other beta.

    One pass over the data computes the objective and the next update of the activations, as both
    need the approximation ``H W``.

    Parameters
    ----------
    passes : Passes
        With `BetaSums`.
    n_entries : int
        Number of entries of the data, ``n_frames * n_freqs``.
    beta : float
        Divergence.

    Attributes
    ----------
    scale : float
        Magnitude of the terms of the objective, to which its rounding errors are relative.
    """

    def __init__(self, passes: Passes, n_entries: int, beta: float) -> None:
        self._passes, self.scale = passes, 0.0
        (level,) = passes.first()
        # `gradient_parts` leaves this out for beta = 1.
        self._offset = (MIN_MAGNITUDE * n_entries - level) * (beta == 1)

    @property
    def H(self) -> Any:
        """Current activations."""
        return self._passes.H

    def propose(self, W: np.ndarray) -> float:
        """Compute the objective of W and the current activations, and prepare their update.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        value, *self._parts = self._passes.step(W)
        self.scale = value + self._offset
        return self.scale

    def advance(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adopt the update that `propose` has prepared.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)
            The components proposed last.

        Returns
        -------
        negative, positive : ndarray of shape (n_components, n_freqs), in float64
            Parts of the gradient of the divergence with respect to W, at the new activations.
        """
        self._passes.adopt()
        return self._parts[0], np.broadcast_to(self._parts[1], W.shape)


def choose_sums(problem: Problem, X: Any) -> FrobeniusSums:
    """Choose the sums that an iteration needs.

    Parameters
    ----------
    problem : Problem
    X : ndarray, csr_array or DaskFrames
        Its ``min()`` tells whether magnitudes are too small for beta <= 0.

    Returns
    -------
    sums : FrobeniusSums or BetaSums
    """
    if problem.beta == 2:
        return FrobeniusSums(problem.sparsity)
    clips = bool(problem.beta <= 0 and X.min() < MIN_MAGNITUDE)
    return BetaSums(problem.sparsity, problem.beta, clips)


def choose_activations(
    passes: Passes, shape: tuple[int, int], problem: Problem
) -> FrobeniusActivations | BetaActivations:
    """Choose the activations that suit the divergence.

    Parameters
    ----------
    passes : Passes
        With the sums of `choose_sums`.
    shape : tuple of int
        Shape of the data.
    problem : Problem

    Returns
    -------
    activations : FrobeniusActivations or BetaActivations
    """
    if problem.beta == 2:
        return FrobeniusActivations(passes, problem.sparsity)
    return BetaActivations(passes, shape[0] * shape[1], problem.beta)
