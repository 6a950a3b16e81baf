"""Sparse NMF by multiplicative updates, block by block of frames.

No array as large as the data is made: all that an iteration needs of a block it computes while the
block is in the cache.
"""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.threads import one_thread_a_product

from .blocks import Blocks, block_length
from .mu_torch import DescentOnDevice
from .mu_updates import (
    FLOOR,
    TINY,
    exponent,
    gradient_parts,
    gram_factors,
    scale_components,
    squares,
    step_of_activations,
    times_gram,
    total,
)

# Convergence is looked at this often: changes of one iteration are too small to tell.
CHECK_EVERY = 10


class SquaredError:
    """Data, activations, and what the components need to know of them; beta = 2.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    H : ndarray of shape (n_frames, n_components)
        Activations to start from.
    sparsity : float
        Weight of the l1 penalty.

    Attributes
    ----------
    H : ndarray of shape (n_frames, n_components)
        The activations now.
    scale : float
        What rounding errors of the objective are relative to.
    """

    def __init__(self, X, H, sparsity):
        self._X, self._sparsity, self._beta = X, sparsity, 2
        self.H, self._spare = np.maximum(H, TINY), np.empty_like(H)
        self._blocks = Blocks(len(X), block_length(max(H.shape[1], X.shape[1])))

        def statistics(frames, workspace):
            x, h = X[frames], H[frames]
            return h.T @ x, h.T @ h, 0.5 * squares(x), total(h)

        *self._statistics, self.scale, self._activity = self._blocks.sum(statistics)

    def propose(self, W):
        """Compute the objective of these components and the activations.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        products, gram = self._statistics
        W = W.astype(np.float64)
        quadratic = 0.5 * np.sum((gram @ W) * W) - np.sum(products * W)
        return self.scale + float(quadratic) + self._sparsity * self._activity

    def _step(self, W, H, negative, positive, **memory):
        settings = {"beta": self._beta, "sparsity": self._sparsity}
        return step_of_activations(W, H, negative, positive, **settings, **memory)

    def advance(self, W):
        """Take a step of the activations, for the components proposed last.

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


class Divergence(SquaredError):
    """The same for any other beta, where one pass over the data looks at components and goes on.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    H : ndarray of shape (n_frames, n_components)
        Activations to start from.
    sparsity : float
        Weight of the l1 penalty.
    beta : float
        Divergence.
    """

    def __init__(self, X, H, sparsity, beta):
        self._X, self._sparsity, self._beta = X, sparsity, beta
        self.H, self._spare = np.maximum(H, TINY), np.empty_like(H)
        self.scale = 0.0
        self._blocks = Blocks(len(X), block_length(max(H.shape[1], X.shape[1])))
        self._offset = FLOOR * X.size - self._blocks.sum(lambda frames, _: (total(X[frames]),))[0]
        self._offset *= beta == 1
        self._is_floored = beta <= 0 and X.min() < FLOOR

    def propose(self, W):
        """Compute the objective of these components and the activations, and go on from there.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        prices = self._sparsity + W.sum(axis=1, dtype=np.float64) * (self._beta == 1)

        def step(frames, workspace):
            x, h = self._X[frames], self.H[frames]
            if self._is_floored:
                x = np.maximum(x, FLOOR, out=workspace.array("X", *x.shape, dtype=x.dtype))
            negative, positive, value = gradient_parts(x, W, h, self._beta, workspace, True)
            value += float(h.sum(axis=0, dtype=np.float64) @ prices)
            settings = {"workspace": workspace, "out": self._spare[frames]}
            h = self._step(W, h, negative, positive, **settings)
            negative, positive, _ = gradient_parts(x, W, h, self._beta, workspace)
            summed = h.sum(axis=0)[:, np.newaxis] if positive is None else h.T @ positive
            return value, h.T @ negative, summed

        value, *self._parts = self._blocks.sum(step)
        self.scale = value + self._offset
        return self.scale

    def advance(self, W):
        """Adopt the step that `propose` has taken.

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


# What overflows shows in the curve.
@one_thread_a_product()
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def factorize(
    X, W, H, *, beta, sparsity, n_fixed=0, max_iter=200, tol=1e-4, callback=None, device=None
):
    """Alternate the two updates.

    Parameters
    ----------
    X, W, H : ndarray
        Data, components of unit norm, and activations to start from.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    n_fixed : int, default=0
        The first rows of W that stay as they are.
    max_iter : int, default=200
        Number of iterations.
    tol : float, default=1e-4
        Stop once 10 iterations lowered the objective by less than `tol` times its first value; 0
        never stops.
    callback : callable, optional
        ``callback(objective, W)`` after each iteration; what is true stops.
    device : torch.device, optional
        Where torch computes; numpy does if None.

    Returns
    -------
    W, H : ndarray
    curve : ndarray of shape (n_iter + 1,)
        The objective at the start and after each iteration.
    """
    descent: SquaredError | DescentOnDevice
    if device is not None:
        descent = DescentOnDevice(X, H, sparsity, beta, device)
    else:
        descent = SquaredError(X, H, sparsity) if beta == 2 else Divergence(X, H, sparsity, beta)
    curve = [descent.propose(W)]
    for i in range(1, max_iter + 1):
        parts = descent.advance(W)
        W, value = _descend(descent, W, parts, curve[-1], exponent(beta), n_fixed)
        curve.append(value)
        if callback is not None and callback(curve[-1], W):
            break
        if i % CHECK_EVERY == 0 and curve[-1 - CHECK_EVERY] - curve[-1] < tol * curve[0]:
            break
    return W, descent.H, np.array(curve)


def _descend(descent, W, parts, value, power, n_fixed):
    """Shorten the step of the components until it does not raise the objective."""
    limit = value + 10 * np.finfo(W.dtype).eps * abs(descent.scale)
    negative, positive = parts
    for _ in range(20 if n_fixed < len(W) else 0):
        new = scale_components(W, negative, positive, power, n_fixed)
        after = descent.propose(new)
        if after <= limit:
            return new, after
        power /= 2
    return W, descent.propose(W)
