"""Statistics of a batch, of a fixed size, from which components are updated."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from .blocks import Blocks, block_length
from .divergence import clipped
from .mu_updates import gradient_parts
from .problem import Problem

Statistics = dict[str, np.ndarray]


def products_and_gram(
    X: np.ndarray | csr_array, W: np.ndarray, H: np.ndarray, problem: Problem
) -> Statistics:
    """Sum the products that determine the objective of any components, for beta = 2.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components); X may be
        sparse.
    problem : Problem

    Returns
    -------
    statistics : dict
        `products` is ``H.T @ X`` and `gram` is ``H.T @ H``, in float64.
    """

    def parts(frames, _):
        return H[frames].T @ X[frames], H[frames].T @ H[frames]

    products, gram = Blocks(X.shape[0], block_length(len(W))).sum(parts)
    return {"products": products, "gram": gram}


def gradient_sums(
    X: np.ndarray | csr_array, W: np.ndarray, H: np.ndarray, problem: Problem
) -> Statistics:
    """Sum the parts of the gradient with respect to the components, for any beta other than 2.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components); X may be
        sparse.
    problem : Problem

    Returns
    -------
    statistics : dict
        `positive` is the positive part of the gradient, and `negative` is the negative part times
        the components: these products hardly change when components grow or shrink, so those of
        different batches can be added. In float64.
    """
    beta = problem.beta

    def parts(frames, workspace):
        x, h = clipped(X[frames], beta), H[frames]
        negative, positive, _ = gradient_parts(x, W, h, beta, workspace)
        summed = h.sum(axis=0)[:, np.newaxis] if positive is None else h.T @ positive
        return h.T @ negative, summed

    negative, positive = Blocks.of_data(X, len(W)).sum(parts)
    return {"negative": W * negative, "positive": np.broadcast_to(positive, W.shape)}
