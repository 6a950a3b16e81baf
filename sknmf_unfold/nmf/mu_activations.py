"""Data and activations of a factorisation by multiplicative updates, block by block of frames.

No array as large as the data is made: everything that an iteration needs of a block is computed
while the block is in the cache.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from .blocks import Blocks
from .divergence import MIN_MAGNITUDE
from .matrices import gram_factors, squares, times_gram, total
from .mu_updates import MIN_ENTRY, gradient_parts, quadratic, step_of_activations


class Activations(Protocol):
    """Activations of all frames, and the objective and gradient of components for them.

    `propose` and `advance` alternate. `propose` may be called several times with other components
    before `advance`, which belongs to the last ones.
    """

    # Magnitude of the terms of the objective, to which its rounding errors are relative.
    scale: float

    @property
    def H(self) -> np.ndarray:
        """Current activations, of shape (n_frames, n_components)."""

    def propose(self, W: np.ndarray) -> float:
        """Compute the objective of the components W and the current activations."""

    def advance(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Update the activations for W; return the parts of the gradient with respect to W."""


class FrobeniusActivations:
    """`Activations` for beta = 2: sums over frames that do not depend on W give the objective.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    H : ndarray of shape (n_frames, n_components)
        Initial activations.
    sparsity : float
        Weight of the l1 penalty.

    Attributes
    ----------
    H : ndarray of shape (n_frames, n_components)
        Current activations.
    scale : float
        Magnitude of the terms of the objective, to which its rounding errors are relative.
    """

    def __init__(self, X: np.ndarray | csr_array, H: np.ndarray, sparsity: float) -> None:
        self._X, self._sparsity, self._beta = X, sparsity, 2.0
        self.H, self._spare = np.maximum(H, MIN_ENTRY), np.empty_like(H)
        self._blocks = Blocks.of_data(X, H.shape[1])

        def statistics(frames, workspace):
            x, h = X[frames], H[frames]
            return h.T @ x, h.T @ h, 0.5 * squares(x), total(h)

        *self._statistics, self.scale, self._activity = self._blocks.sum(statistics)

    def propose(self, W: np.ndarray) -> float:
        """Compute the objective of the components W and the current activations.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        return self.scale + quadratic(W, *self._statistics) + self._sparsity * self._activity

    def _step(self, W, H, negative, positive, **settings):
        settings |= {"beta": self._beta, "sparsity": self._sparsity}
        return step_of_activations(W, H, negative, positive, **settings)

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
        new, factors = self._spare, gram_factors(W)

        def step(frames, workspace):
            x, h = self._X[frames], self.H[frames]
            positive = times_gram(h, factors, workspace)
            h = self._step(W, h, x, positive, workspace=workspace, out=new[frames])
            return h.T @ x, h.T @ h, total(h)

        *self._statistics, self._activity = self._blocks.sum(step)
        self.H, self._spare = new, self.H
        return self._statistics[0], self._statistics[1] @ W.astype(np.float64)


class BetaActivations(FrobeniusActivations):
    """`Activations` for any other beta.

    One pass over the data computes the objective and the next update of the activations, as both
    need the approximation ``H W``.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    H : ndarray of shape (n_frames, n_components)
        Initial activations.
    sparsity : float
        Weight of the l1 penalty.
    beta : float
        Divergence.
    """

    def __init__(
        self, X: np.ndarray | csr_array, H: np.ndarray, sparsity: float, beta: float
    ) -> None:
        self._X, self._sparsity, self._beta = X, sparsity, beta
        self.H, self._spare = np.maximum(H, MIN_ENTRY), np.empty_like(H)
        self.scale = 0.0
        self._blocks = Blocks.of_data(X, H.shape[1])
        (level,) = self._blocks.sum(lambda frames, _: (total(X[frames]),))
        # `gradient_parts` leaves this out for beta = 1.
        self._offset = (MIN_MAGNITUDE * X.shape[0] * X.shape[1] - level) * (beta == 1)
        self._is_clipped = beta <= 0 and X.min() < MIN_MAGNITUDE

    def propose(self, W: np.ndarray) -> float:
        """Compute the objective of W and the current activations, and prepare their update.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        weights = self._sparsity + W.sum(axis=1, dtype=np.float64) * (self._beta == 1)

        def step(frames, workspace):
            x, h = self._X[frames], self.H[frames]
            if self._is_clipped:
                x = np.maximum(x, MIN_MAGNITUDE, out=workspace.array("X", *x.shape, dtype=x.dtype))
            negative, positive, value = gradient_parts(x, W, h, self._beta, workspace, True)
            value = (value or 0.0) + float(h.sum(axis=0, dtype=np.float64) @ weights)
            settings = {"workspace": workspace, "out": self._spare[frames]}
            h = self._step(W, h, negative, positive, **settings)
            negative, positive, _ = gradient_parts(x, W, h, self._beta, workspace)
            summed = h.sum(axis=0)[:, np.newaxis] if positive is None else h.T @ positive
            return value, h.T @ negative, summed

        value, *self._parts = self._blocks.sum(step)
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
        self.H, self._spare = self._spare, self.H
        return self._parts[0], np.broadcast_to(self._parts[1], W.shape)
