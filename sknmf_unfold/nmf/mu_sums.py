"""Multiplicative updates of activations, and sums over the frames, block by block of frames.

No array as large as the data is made: everything that an iteration needs of a block is computed
while the block is in the cache.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from .blocks import Blocks
from .divergence import MIN_MAGNITUDE
from .matrices import gram_factors, squares, times_gram, total
from .mu_updates import gradient_parts, step_of_activations


class FrobeniusSums:
    """Updates of the activations of some frames and sums over these, for beta = 2.

    Parameters
    ----------
    sparsity : float
        Weight of the l1 penalty.
    """

    beta = 2.0

    def __init__(self, sparsity: float) -> None:
        self.sparsity = sparsity

    def first(self, X: np.ndarray | csr_array, H: np.ndarray, blocks: Blocks) -> list:
        """Sum what the objective of any components needs, and what never changes.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_frames, n_freqs)
        H : ndarray of shape (n_frames, n_components)
        blocks : Blocks
            Of these frames.

        Returns
        -------
        products, gram : ndarray
            ``H.T @ X`` and ``H.T @ H``, in float64.
        activity, power : float
            The sum of H, and half the squares of X.
        """

        def sums(frames, workspace):
            x, h = X[frames], H[frames]
            return h.T @ x, h.T @ h, total(h), 0.5 * squares(x)

        return blocks.sum(sums)

    def step(
        self,
        X: np.ndarray | csr_array,
        H: np.ndarray,
        W: np.ndarray,
        blocks: Blocks,
        out: np.ndarray,
    ) -> list:
        """Update activations once for the components W.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_frames, n_freqs)
        H : ndarray of shape (n_frames, n_components)
        W : ndarray of shape (n_components, n_freqs)
        blocks : Blocks
            Of these frames.
        out : ndarray of shape (n_frames, n_components)
            Gets the new activations.

        Returns
        -------
        products, gram : ndarray
        activity : float
            As in `first`.
        """
        factors = gram_factors(W)

        def step(frames, workspace):
            x, h = X[frames], H[frames]
            positive = times_gram(h, factors, workspace)
            h = self._step(W, h, x, positive, workspace=workspace, out=out[frames])
            return h.T @ x, h.T @ h, total(h)

        return blocks.sum(step)

    def _step(self, W, H, negative, positive, **settings):
        settings |= {"beta": self.beta, "sparsity": self.sparsity}
        return step_of_activations(W, H, negative, positive, **settings)


class BetaSums(FrobeniusSums):
    """Updates of the activations of some frames and sums over these, for any other beta.

    Parameters
    ----------
    sparsity : float
        Weight of the l1 penalty.
    beta : float
        Divergence.
    clips : bool
        Whether magnitudes may be below `MIN_MAGNITUDE` where that is not allowed.
    """

    def __init__(self, sparsity: float, beta: float, clips: bool) -> None:
        super().__init__(sparsity)
        self.beta, self.clips = beta, clips

    def first(self, X: np.ndarray | csr_array, H: np.ndarray, blocks: Blocks) -> list:
        """Sum the magnitudes.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_frames, n_freqs)
        H : ndarray of shape (n_frames, n_components)
        blocks : Blocks
            Of these frames.

        Returns
        -------
        level : float
            In a list.
        """
        return blocks.sum(lambda frames, _: (total(X[frames]),))

    def step(
        self,
        X: np.ndarray | csr_array,
        H: np.ndarray,
        W: np.ndarray,
        blocks: Blocks,
        out: np.ndarray,
    ) -> list:
        """Compute the objective of W and H, and the next activations.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_frames, n_freqs)
        H : ndarray of shape (n_frames, n_components)
        W : ndarray of shape (n_components, n_freqs)
        blocks : Blocks
            Of these frames.
        out : ndarray of shape (n_frames, n_components)
            Gets the new activations.

        Returns
        -------
        value : float
            The objective, for beta = 1 without the terms of `BetaActivations`.
        negative, positive : ndarray of shape (n_components, n_freqs) or (n_components, 1)
            Parts of the gradient of the divergence with respect to W, at the new activations.
        """
        weights = self.sparsity + W.sum(axis=1, dtype=np.float64) * (self.beta == 1)

        def step(frames, workspace):
            x, h = X[frames], H[frames]
            if self.clips:
                x = np.maximum(x, MIN_MAGNITUDE, out=workspace.array("X", *x.shape, dtype=x.dtype))
            negative, positive, value = gradient_parts(x, W, h, self.beta, workspace, True)
            value = (value or 0.0) + float(h.sum(axis=0, dtype=np.float64) @ weights)
            settings = {"workspace": workspace, "out": out[frames]}
            h = self._step(W, h, negative, positive, **settings)
            negative, positive, _ = gradient_parts(x, W, h, self.beta, workspace)
            summed = h.sum(axis=0)[:, np.newaxis] if positive is None else h.T @ positive
            return value, h.T @ negative, summed

        return blocks.sum(step)
