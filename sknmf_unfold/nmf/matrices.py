"""Norms, sums and products of matrices."""

from __future__ import annotations

import numpy as np

from .blocks import Workspace


def unit_rows(W: np.ndarray) -> np.ndarray:
    """Scale rows to unit l2-norm.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Non-negative.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
        Rows of zeros stay zeros.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    # Scaled first, so that squares of very small or large rows neither vanish nor overflow.
    W = W / np.maximum(W.max(axis=1, keepdims=True), np.finfo(W.dtype).tiny)
    return W / np.maximum(np.linalg.norm(W, axis=1, keepdims=True), np.finfo(W.dtype).tiny)


def total(array: np.ndarray) -> float:
    """Sum a matrix row by row, then the sums in float64, so that float32 keeps its precision.

    Parameters
    ----------
    array : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    total : float
    """
    ones = np.ones(array.shape[1], dtype=array.dtype)
    return float((array @ ones).sum(dtype=np.float64))


def squares(array: np.ndarray) -> float:
    """Sum the squares of an array in float64.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    total : float
    """
    return float(np.sum(np.square(array, dtype=np.float64)))


def gram_factors(W: np.ndarray) -> tuple[np.ndarray, ...]:
    """Factorise the Gram matrix of components so that a product takes the fewest multiplications.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)

    Returns
    -------
    factors : tuple of ndarray
        Their product is ``W @ W.T``: that matrix alone, or both if there are more than two
        components for each bin.

    Examples
    --------
    >>> len(gram_factors(np.eye(3))), len(gram_factors(np.ones((3, 1))))
    (1, 2)
    """
    return (W @ W.T,) if len(W) <= 2 * W.shape[1] else (W, W.T)


def times_gram(H: np.ndarray, factors: tuple[np.ndarray, ...], workspace: Workspace) -> np.ndarray:
    """Multiply activations by the Gram matrix of the components.

    Parameters
    ----------
    H : ndarray of shape (n_frames, n_components)
    factors : tuple of ndarray
        From `gram_factors`.
    workspace : Workspace
        Holds the result until the next call.

    Returns
    -------
    product : ndarray of shape (n_frames, n_components)
    """
    for i, factor in enumerate(factors):
        out = workspace.array(f"Gram {i}", len(H), factor.shape[1], dtype=H.dtype)
        H = np.matmul(H, factor, out=out)
    return H
