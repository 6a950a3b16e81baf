"""Inference of activations for a fixed dictionary by multiplicative updates."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from sknmf_unfold.base.threads import one_thread_a_product

from .blocks import Blocks
from .divergence import check_range, clipped
from .initial import initial_activations
from .matrices import gram_factors, nonzero_rows, times_gram
from .mu_updates import MIN_ENTRY, update_activations
from .problem import Problem, Stopping


def infer(
    X: np.ndarray | csr_array, W: np.ndarray, problem: Problem, stopping: Stopping
) -> np.ndarray:
    """Call `infer_activations` with the arguments of the table of solvers.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    problem : Problem
    stopping : Stopping
        Its `tol` is not used: every frame takes all updates.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    settings = {"beta": problem.beta, "sparsity": problem.sparsity}
    return infer_activations(X, W, n_iter=stopping.max_iter, **settings)


@one_thread_a_product()
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def infer_activations(
    X: np.ndarray | csr_array, W: np.ndarray, *, beta: float, sparsity: float, n_iter: int
) -> np.ndarray:
    """Infer activations for a fixed dictionary, block by block of frames.

    Every frame takes `n_iter` steps from `initial_activations`, so its result does not depend on
    other frames.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    n_iter : int
        Number of updates.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
        Exactly 0 where updates have driven an activation (nearly) to 0, and for silent frames.

    Raises
    ------
    ValueError
        If the divergence of such magnitudes leaves the range of their dtype.
    """
    H = np.empty((X.shape[0], len(W)), dtype=X.dtype)
    factors = gram_factors(W) if beta == 2 else ()

    def infer(frames, workspace):
        block = clipped(X[frames], beta)
        h = initial_activations(block, W)
        if beta == 2:
            h = _infer_block(block @ W.T, factors, h, workspace, sparsity, n_iter)
        else:
            for _ in range(n_iter):
                update_activations(block, W, h, beta, sparsity, workspace, out=h)
        H[frames] = h

    Blocks.of_data(X, len(W)).run(infer)
    check_range(X, beta, H)
    # Where beta <= 0 silent frames have got activations that explain MIN_MAGNITUDE.
    H[(H <= MIN_ENTRY) | ~nonzero_rows(X)] = 0
    return H


def _infer_block(correlation, factors, h, workspace, sparsity, n_iter):
    """Update activations `n_iter` times for beta = 2, from products that do not change."""
    for _ in range(n_iter):
        positive = times_gram(h, factors, workspace)
        positive += max(sparsity, MIN_ENTRY)
        np.divide(correlation, positive, out=positive)
        h *= positive
        np.maximum(h, MIN_ENTRY, out=h)
    return h
