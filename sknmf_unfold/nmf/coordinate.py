"""Coordinate descent for the activations of a fixed dictionary, beta = 2: pure functions.

Minimises ``1/2 ||x - h W||^2 + sparsity * sum(h)`` over ``h >= 0`` for every frame x. In here a
block of frames lies component by component, ``(n_components, n_frames)``, so that the update of one
component touches contiguous memory.
"""

from __future__ import annotations

import numpy as np

from .multiplicative import initial_activations

# Frames that are worked on together, few enough to stay in a processor's cache.
BLOCK = 2048
# Components whose influence on each other is followed one by one; that of all others is a matrix
# product.
WIDTH = 32
# Sweeps between two looks at how far from optimal the activations are.
CHECK_EVERY = 5
# Momentum at most. More overshoots.
MOMENTUM = 0.5


def solve_activations(X, W, *, sparsity, initial=None, tol=1e-3, max_iter=200):
    """Find the optimal activations for a fixed dictionary.

    Every frame is a convex problem of its own; its result does not depend on the frames around it.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
        Magnitudes.
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.
    initial : ndarray of shape (n_frames, n_components), optional
        Where to start from.
    tol : float, default=1e-3
        A frame is done when no activation is further from the best value for its component, given
        the others, than `tol` times the largest activation of the frame.
    max_iter : int, default=200
        Sweeps at most.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
        Exactly 0 where the optimum is.

    References
    ----------
    .. [1] Cichocki, Phan, "Fast local algorithms for large scale nonnegative matrix and tensor
       factorizations", IEICE Transactions E92-A(3), 2009: the sweep.
    .. [2] O'Donoghue, Candes, "Adaptive restart for accelerated gradient schemes", Foundations of
       Computational Mathematics 15, 2015: the restart, here for each frame.

    Examples
    --------
    >>> W = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> solve_activations(np.array([[2.0, 0.0], [0.6, 0.8]]), W, sparsity=0.0, tol=1e-9).round(6)
    array([[2., 0.],
           [0., 1.]])
    """
    power, couplings = couplings_of(W)
    H = np.empty((len(X), len(W)), dtype=X.dtype)
    for start in range(0, len(X), BLOCK):
        frames = slice(start, start + BLOCK)
        first = initial_activations(X[frames], W) if initial is None else initial[frames]
        targets = (W @ X[frames].T - X.dtype.type(sparsity)) / power
        H[frames] = _solve_block(first.T.copy(), targets, power, couplings, tol, max_iter).T
    return H


def optimality_gap(X, W, H, sparsity):
    """Measure how far activations are from optimal.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components).
    sparsity : float
        Weight of the l1 penalty.

    Returns
    -------
    gap : ndarray of shape (n_frames,)
        Largest distance of an activation from the best value for its component, given the others,
        in units of the largest activation of the frame; 0 is optimal, by the conditions of Karush,
        Kuhn and Tucker.
    """
    power, couplings = couplings_of(W)
    targets = (W @ X.T - X.dtype.type(sparsity)) / power
    return _gap(H.T, targets, couplings)


def sweep(H, targets, couplings):
    """Give each component in turn its best activations, given those of the others.

    Parameters
    ----------
    H : ndarray of shape (n_components, n_frames)
        Changed in place.
    targets : ndarray of shape (n_components, n_frames)
        Best activation of each component if the others were 0 (negative ones not clipped).
    couplings : ndarray of shape (n_components, n_components)
        What an activation takes from the others' targets; zeros on the diagonal.
    """
    for start in range(0, len(H), WIDTH):
        rows = slice(start, start + WIDTH)
        best = targets[rows] - couplings[rows] @ H
        # The product saw the old activations of these rows: the changes so far are still to count.
        changes = np.empty_like(best)
        inner = couplings[rows, rows]
        for i, (h, value) in enumerate(zip(H[rows], best, strict=True)):
            if i:
                value -= inner[i, :i] @ changes[:i]
            np.maximum(value, 0, out=value)
            np.subtract(value, h, out=changes[i])
            h[:] = value


def couplings_of(W):
    """Split the Gram matrix of the components.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)

    Returns
    -------
    power : ndarray of shape (n_components, 1)
        Its diagonal.
    couplings : ndarray of shape (n_components, n_components)
        The rest, each row divided by its element of the diagonal.
    """
    gram = W @ W.T
    power = gram.diagonal()[:, np.newaxis].copy()
    gram /= power
    np.fill_diagonal(gram, 0)
    return power, gram


def _solve_block(H, targets, power, couplings, tol, max_iter):
    """Sweep with momentum until every frame is done; leave out frames that are."""
    result, active = H.copy(), np.arange(H.shape[1])
    point, age = H.copy(), np.zeros(H.shape[1], dtype=H.dtype)
    limit, value = np.full_like(age, MOMENTUM), np.full_like(age, np.inf)
    for i in range(1, max_iter + 1):
        new = point.copy()
        sweep(new, targets, couplings)
        step = new - H
        # Where the step turned against the momentum, the momentum starts anew.
        turned = np.einsum("nt,nt->t", point - new, step) > 0
        age = np.where(turned, 0, age + 1).astype(H.dtype)
        H, point = new, np.maximum(new + np.minimum(age / (age + 3), limit) * step, 0)
        if i % CHECK_EVERY == 0:
            gap, now = _gap(H, targets, couplings), _objective(H, targets, power, couplings)
            # Momentum may go round in circles, which a restart does not see; less of it does not.
            limit = np.where(now < value, limit, limit / 2).astype(H.dtype)
            keep = gap > tol
            if keep.sum() < 0.7 * len(keep):
                result[:, active] = H
                active, age, limit, now = (a[keep] for a in (active, age, limit, now))
                H, point, targets = (a[:, keep] for a in (H, point, targets))
            if not len(active):
                return result
            value = now
    result[:, active] = H
    return result


def _objective(H, targets, power, couplings):
    """Half the squared error and the penalty of each frame, but for what H does not change."""
    return np.einsum("nt,nt->t", H, power * (0.5 * (couplings @ H + H) - targets))


def _gap(H, targets, couplings):
    best = np.maximum(targets - couplings @ H, 0)
    largest = H.max(axis=0)
    difference = np.abs(best - H).max(axis=0)
    return np.divide(difference, largest, out=np.sign(difference), where=largest > 0)
