"""Sparse NMF of a stream of frames: what is kept of them does not grow with their number.

Each batch's activations are inferred once, for the components at hand, and added to statistics in
which the distant past fades; the components that suit the statistics come next.
"""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.threads import one_thread_a_product

from . import cd, mu
from .blocks import Blocks, block_length
from .cd_inference import solve_activations
from .mu_inference import infer_activations
from .mu_updates import (
    FLOOR,
    TINY,
    exponent,
    gradient_parts,
    initial_activations,
    objective,
    scale_components,
    total,
)

# Frames seen n batches ago weigh about ``(1 - n / n_batches) ** FADE``: the first ones were
# explained by components that were not good yet.
FADE = 3.0
# Iterations on the first batch, and for the activations of the others.
FIRST_ITERATIONS, ITERATIONS = 50, 30
# Consecutive frames that are drawn together.
RUN = 64


@one_thread_a_product()
def factorize(X, W, *, batch_size, max_iter, tol, callback=None, rng, **settings):
    """Factorise in passes over random batches.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Components to start from, rows of unit norm.
    batch_size : int
        Frames of a batch.
    max_iter : int
        Passes at most.
    tol : float
        Stop once a pass lowered the objective by less than 10 `tol` times that of the first; 0
        never stops.
    callback : callable, optional
        ``callback(objective, W)`` after each pass; what is true stops.
    rng : numpy.random.RandomState
        Draws the batches.
    **settings
        See `learn_batch`.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    curve : ndarray of shape (n_iter,)
        The objective, summed over the batches of each pass.
    divergence : float
        Summed over those of the last pass.
    statistics : dict
    """
    statistics, curve = {"n_frames": 0}, []
    for i in range(max_iter):
        divergence = value = 0.0
        for indices in random_batches(len(X), batch_size, rng):
            batch = X[indices]
            if not statistics["n_frames"]:
                W = first_components(batch, W, rng=rng, **settings)
            W, *of_batch = learn_batch(batch, W, statistics, **settings)
            divergence, value = divergence + of_batch[0], value + of_batch[1]
        curve.append(value)
        if callback is not None and callback(value, W):
            break
        if i and curve[-2] - curve[-1] < 10 * tol * curve[0]:
            break
    return W, np.array(curve), divergence, statistics


def first_components(X, W, *, beta, sparsity, n_fixed, rng):
    """Find components that the first batch asks for, from which learning goes on.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
        The batch.
    W : ndarray of shape (n_components, n_freqs)
        Components to start from, rows of unit norm.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    n_fixed : int
        The first rows of W that stay as they are.
    rng : numpy.random.RandomState
        Draws parts of the batch.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    """
    settings = {"sparsity": sparsity, "n_fixed": n_fixed, "max_iter": FIRST_ITERATIONS}
    if beta == 2:
        return cd.factorize(X, W, rng=rng, **settings)[0]
    return mu.factorize(X, W, initial_activations(X, W), beta=beta, **settings)[0]


@one_thread_a_product()
def learn_batch(X, W, statistics, *, beta, sparsity, n_fixed):
    """Learn from a batch.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
        The batch.
    W : ndarray of shape (n_components, n_freqs)
        Components so far, rows of unit norm.
    statistics : dict
        Of all batches so far, for none ``{"n_frames": 0}``; changed.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    n_fixed : int
        The first rows of W that stay as they are.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    divergence, value : float
        Divergence and objective of the batch, before components were learned from it.

    References
    ----------
    .. [1] Mairal, Bach, Ponce, Sapiro, "Online learning for matrix factorization and sparse
       coding", Journal of Machine Learning Research 11, 2010: beta = 2, and the fading.
    .. [2] Lefevre, Bach, Fevotte, "Online algorithms for nonnegative matrix factorization with the
       Itakura-Saito divergence", WASPAA 2011: the statistics of multiplicative updates.
    """
    statistics["n_frames"] += len(X)
    past = (1 - len(X) / statistics["n_frames"]) ** FADE
    if beta == 2:
        H = solve_activations(X, W, sparsity=sparsity, tol=1e-2, max_iter=ITERATIONS)
        new = _learn_squared_error(X, W, H, statistics, past, n_fixed)
    else:
        H = infer_activations(X, W, beta=beta, sparsity=sparsity, n_iter=ITERATIONS)
        new = _learn_divergence(X, W, H, statistics, past, beta, n_fixed)
    divergence = objective(X, W, H, beta, 0.0)
    return new, divergence, divergence + sparsity * total(H)


def _add(statistics, past, **parts):
    for name, part in parts.items():
        statistics[name] = past * statistics.get(name, 0.0) + part


def _learn_squared_error(X, W, H, statistics, past, n_fixed):
    def parts(frames, _):
        return H[frames].T @ X[frames], H[frames].T @ H[frames]

    products, gram = Blocks(len(X), block_length(len(W))).sum(parts)
    _add(statistics, past, products=products, gram=gram)
    products, gram = (statistics[i].astype(W.dtype) for i in ("products", "gram"))
    W = W.copy()
    for _ in range(2):
        cd.sweep_components(W, products, gram, n_fixed)
    return W


def _learn_divergence(X, W, H, statistics, past, beta, n_fixed):
    def parts(frames, workspace):
        x, h = np.maximum(X[frames], FLOOR if beta <= 0 else 0), H[frames]
        negative, positive, _ = gradient_parts(x, W, h, beta, workspace)
        summed = h.sum(axis=0)[:, np.newaxis] if positive is None else h.T @ positive
        return h.T @ negative, summed

    negative, positive = Blocks(len(X), block_length(max(W.shape))).sum(parts)
    # The negative part is kept times the components that it was computed for: this product is what
    # stays the same when they grow or shrink.
    _add(statistics, past, negative=W * negative, positive=np.broadcast_to(positive, W.shape))
    negative = statistics["negative"] / np.maximum(W, TINY)
    return scale_components(W, negative, statistics["positive"], exponent(beta), n_fixed)


def random_batches(n_frames, batch_size, rng):
    """Draw batches, each frame once.

    Parameters
    ----------
    n_frames, batch_size : int
    rng : numpy.random.RandomState

    Yields
    ------
    indices : ndarray of int
        At most `batch_size`, ascending, in runs of consecutive frames.

    Examples
    --------
    >>> batches = list(random_batches(1000, 256, np.random.RandomState(0)))
    >>> len(batches), sum(len(batch) for batch in batches)
    (4, 1000)
    """
    n_runs = max(batch_size // RUN, 1)
    starts = rng.permutation(range(0, n_frames, RUN))
    for i in range(0, len(starts), n_runs):
        runs = np.sort(starts[i : i + n_runs])[:, np.newaxis] + np.arange(RUN)
        yield runs[runs < n_frames]
