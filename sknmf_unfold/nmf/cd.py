"""Sparse NMF by coordinate descent with extrapolation, beta = 2: pure functions.

Activations and components are swept in turn, and both are carried a bit further in the direction
they have just taken. For a component of unit norm the best value, given all others, has a closed
form: the rectified correlation of its activations with what the others leave of the data, scaled to
unit norm.
"""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.threads import one_thread_a_product

from .blocks import Blocks, block_length
from .cd_inference import solve_activations
from .couplings import couplings_of
from .mu import CHECK_EVERY
from .mu_updates import squares, total, unit_rows

# Sweeps over the activations for one over the components: a product with the data costs as much as
# two or three sweeps.
SWEEPS = 2
# The components are found on a part of the frames, and finished on all of them: the part, its
# frames at most (a copy is made of them), and the gain of a step, relative to the objective, below
# which all are due.
PART, MAX_PART = 1 / 8, 20_000
ENOUGH = 2e-3
# Fewer frames a component than this tell too little about it.
FRAMES_A_COMPONENT = 10
# Length of the extrapolation at first, and how it changes after a step that lowered the objective
# and after one that did not.
LENGTH, GROWTH, LIMIT_GROWTH, SHRINK = 0.5, 1.05, 1.01, 1.5


@one_thread_a_product()
@np.errstate(over="ignore", invalid="ignore")
def factorize(X, W, *, sparsity, rng, n_fixed=0, max_iter=200, tol=1e-4, callback=None):
    """Factorise with components of unit norm.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Components to start from, rows of unit norm.
    sparsity : float
        Weight of the l1 penalty.
    rng : numpy.random.RandomState
        Draws the frames that the components are found on.
    n_fixed : int, default=0
        The first rows of W that stay as they are.
    max_iter : int, default=200
        Steps at most, on the part and on all frames.
    tol : float, default=1e-4
        Stop once 10 steps on all frames lowered the objective by less than `tol` times its value
        before the first of them; 0 never stops.
    callback : callable, optional
        ``callback(objective, W)`` after each step on all frames; what is true stops.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    H : ndarray of shape (n_frames, n_components)
    curve : ndarray of shape (n_iter + 1,)
        The objective before and after each step on all frames.

    References
    ----------
    .. [1] Cichocki, Phan, "Fast local algorithms for large scale nonnegative matrix and tensor
       factorizations", IEICE Transactions E92-A(3), 2009.
    .. [2] Gillis, Glineur, "Accelerated multiplicative updates and hierarchical ALS algorithms for
       nonnegative matrix factorization", Neural Computation 24(4), 2012.
    .. [3] Ang, Gillis, "Accelerating nonnegative matrix factorization algorithms using
       extrapolation", Neural Computation 31(2), 2019.

    Examples
    --------
    >>> rng = np.random.RandomState(0)
    >>> X = rng.gamma(0.3, 1.0, (200, 3)) @ unit_rows(rng.gamma(0.3, 1.0, (3, 20)))
    >>> start = unit_rows(rng.uniform(0.1, 1.0, (3, 20)))
    >>> W, H, curve = factorize(X, start, sparsity=0.0, rng=rng, tol=0)
    >>> bool(np.linalg.norm(X - H @ W) < 1e-3 * np.linalg.norm(X))
    True
    """
    order = rng.permutation(len(X))
    n_frames = min(int(PART * len(X)), MAX_PART)
    if n_frames >= FRAMES_A_COMPONENT * len(W):
        part = X[np.sort(order[:n_frames])]
        descent = Descent(part, W, sparsity=sparsity, n_fixed=n_fixed)
        W = _descend(descent, max_iter, ENOUGH * CHECK_EVERY, relative_to_last=True).W
    descent = Descent(X, W, sparsity=sparsity, n_fixed=n_fixed)
    curve = [descent.objective]
    _descend(descent, max_iter, tol, curve, callback)
    return descent.W, descent.H.T.copy(), np.array(curve)


class Descent:
    """Alternating descent on some frames.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Components to start from, rows of unit norm.
    sparsity : float
        Weight of the l1 penalty.
    n_fixed : int, default=0
        The first rows of W that stay as they are.

    Attributes
    ----------
    W, H : ndarray
        Of shapes (n_components, n_freqs), (n_components, n_frames).
    objective : float
        For them, the lowest so far.
    """

    def __init__(self, X, W, *, sparsity, n_fixed=0):
        self.X, self.sparsity, self.n_fixed = X, X.dtype.type(sparsity), n_fixed
        H = solve_activations(X, W, sparsity=sparsity, max_iter=SWEEPS, tol=0)
        block = block_length(len(W))
        starts = range(0, len(X), block)
        self._activations = {start: H[start : start + block].T.copy() for start in starts}
        self._blocks = Blocks(len(X), block)
        (self.power,) = self._blocks.sum(lambda frames, _: (0.5 * squares(X[frames]),))
        statistics = self._gather(lambda frames, _: self._activations[frames.start])
        self.W, self.objective = W, self._objective(W, *statistics)
        # Where the next step begins: further than the last one ended.
        self._ahead = W
        self._length, self._limit = LENGTH, 1.0

    @property
    def H(self):
        """Activations of all frames, one block after the other."""
        return np.concatenate([H for _, H in sorted(self._activations.items())], axis=1)

    def step(self):
        """Sweep activations and components; keep the result if the objective fell."""
        couplings = couplings_of(self._ahead, self.sparsity)
        length = self.X.dtype.type(self._length)
        activations = {}

        def further(frames, workspace):
            before = self._activations[frames.start]
            targets = couplings.targets(self.X[frames], workspace)
            H = before.copy()
            for _ in range(SWEEPS):
                couplings.sweep(H, targets, workspace)
            step = workspace.array("step", *H.shape, dtype=H.dtype)
            np.subtract(H, before, out=step)
            step *= length
            H += step
            np.maximum(H, 0, out=H)
            activations[frames.start] = H
            return H

        products, gram, activity = self._gather(further)
        W = self._ahead.copy()
        sweep_components(W, products.astype(W.dtype), gram.astype(W.dtype), self.n_fixed)
        objective = self._objective(W, products, gram, activity)
        if objective > self.objective:
            self._limit, self._length = self._length, self._length / SHRINK
            self._ahead = self.W
            return
        ahead = unit_rows(np.maximum(W + self.X.dtype.type(self._length) * (W - self.W), 0))
        ahead[: self.n_fixed] = W[: self.n_fixed]
        self._length = min(self._limit, self._length * GROWTH)
        self._limit = min(1.0, self._limit * LIMIT_GROWTH)
        self.W, self.objective, self._ahead, self._activations = W, objective, ahead, activations

    def _gather(self, activations_of):
        """Sum over all frames what components and objective need to know of them."""

        def statistics(frames, workspace):
            H = activations_of(frames, workspace)
            return H @ self.X[frames], H @ H.T, total(H)

        return self._blocks.sum(statistics)

    def _objective(self, W, products, gram, activity):
        W = W.astype(np.float64)
        quadratic = 0.5 * np.sum(gram * (W @ W.T)) - np.sum(products * W)
        return self.power + float(quadratic) + float(self.sparsity) * activity


def sweep_components(W, products, gram, n_fixed=0):
    """Give each component in turn its best direction, given the others.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Rows of unit norm; changed in place.
    products : ndarray of shape (n_components, n_freqs)
        ``H.T @ X`` for activations H of shape (n_frames, n_components).
    gram : ndarray of shape (n_components, n_components)
        ``H.T @ H``.
    n_fixed : int, default=0
        The first rows that stay as they are.
    """
    for k in range(n_fixed, len(W)):
        best = products[k] - gram[k] @ W + gram[k, k] * W[k]
        np.maximum(best, 0, out=best)
        norm = np.linalg.norm(best)
        # What nothing asks for stays as it is, and may be asked for later.
        if norm > 0:
            np.divide(best, norm, out=W[k])


def _descend(descent, max_iter, tol, curve=None, callback=None, relative_to_last=False):
    """Take steps until `CHECK_EVERY` of them gain less than `tol` of the objective."""
    curve = [descent.objective] if curve is None else curve
    for i in range(1, max_iter + 1):
        descent.step()
        curve.append(descent.objective)
        if callback is not None and callback(descent.objective, descent.W):
            break
        if i % CHECK_EVERY == 0:
            gain = curve[-1 - CHECK_EVERY] - curve[-1]
            if gain < tol * (curve[-1] if relative_to_last else curve[0]):
                break
    return descent
