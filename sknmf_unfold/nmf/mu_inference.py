"""Inference of activations for a fixed dictionary by multiplicative updates."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.threads import one_thread_a_product

from .blocks import Blocks, block_length
from .mu_updates import (
    FLOOR,
    TINY,
    gram_factors,
    initial_activations,
    times_gram,
    update_activations,
)


def check_range(X, beta, *results):
    """Raise unless all results are finite: else X or its powers leave the range of its dtype.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
        Magnitudes.
    beta : float
        The divergence.
    *results : ndarray
        What was computed from them.

    Raises
    ------
    ValueError
        If a result is infinite or NaN.
    """
    if all(np.isfinite(result).all() for result in results):
        return
    raise ValueError(
        f"The divergence of `beta_loss`={beta:g} leaves the range of {X.dtype} for magnitudes "
        f"from {X.min():.3g} to {X.max():.3g}; scale the recordings to [-1, 1], or pass them as "
        f"float64."
    )


@one_thread_a_product()
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def infer_activations(X, W, *, beta, sparsity, n_iter):
    """Infer activations for a fixed dictionary, block by block of frames.

    Every frame starts from `initial_activations` and takes `n_iter` steps, so that its result does
    not depend on the frames around it.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    n_iter : int
        Number of updates.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
        Exactly 0 where an update has driven an activation (all but) to 0, and for silence.

    Raises
    ------
    ValueError
        If the divergence of such magnitudes leaves the range of their dtype.
    """
    H = np.empty((len(X), len(W)), dtype=X.dtype)
    factors = gram_factors(W) if beta == 2 else ()

    def infer(frames, workspace):
        block = np.maximum(X[frames], FLOOR if beta <= 0 else 0)
        h = initial_activations(block, W)
        if beta == 2:
            h = _infer_block(block @ W.T, factors, h, workspace, sparsity, n_iter)
        else:
            for _ in range(n_iter):
                update_activations(block, W, h, beta, sparsity, workspace, out=h)
        H[frames] = h

    Blocks(len(X), block_length(max(W.shape))).run(infer)
    check_range(X, beta, H)
    # Where beta <= 0 the floor of the magnitudes would be heard in silence.
    H[(H <= TINY) | ~X.any(axis=1, keepdims=True)] = 0
    return H


def _infer_block(correlation, factors, h, workspace, sparsity, n_iter):
    """`update_activations` for beta = 2 with what does not change computed once."""
    for _ in range(n_iter):
        positive = times_gram(h, factors, workspace)
        positive += max(sparsity, TINY)
        np.divide(correlation, positive, out=positive)
        h *= positive
        np.maximum(h, TINY, out=h)
    return h
