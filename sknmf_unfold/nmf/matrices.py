"""Norms, sums and products of matrices; data may be sparse."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

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


def squares(array: np.ndarray | csr_array) -> float:
    """Sum the squares of an array in float64.

    Parameters
    ----------
    array : ndarray or csr_array

    Returns
    -------
    total : float
    """
    entries = array if isinstance(array, np.ndarray) else array.data
    return float(np.sum(np.square(entries, dtype=np.float64)))


def row_squares(array: np.ndarray | csr_array) -> np.ndarray:
    """Sum the squares of each row in float64.

    Parameters
    ----------
    array : ndarray or csr_array of shape (n_rows, n_columns)

    Returns
    -------
    squares : ndarray of shape (n_rows,)
    """
    if isinstance(array, np.ndarray):
        return np.einsum("tf,tf->t", array, array, dtype=np.float64)
    squared = array.astype(np.float64)
    np.square(squared.data, out=squared.data)
    return squared @ np.ones(array.shape[1])


def nonzero_rows(array: np.ndarray | csr_array) -> np.ndarray:
    """Tell which rows have an entry that is not 0.

    Parameters
    ----------
    array : ndarray or csr_array of shape (n_rows, n_columns)
        Without stored zeros.

    Returns
    -------
    nonzero : ndarray of bool of shape (n_rows, 1)
    """
    if isinstance(array, np.ndarray):
        return np.asarray(array.any(axis=1, keepdims=True))
    return np.diff(array.indptr)[:, np.newaxis] > 0


def dense(array: np.ndarray | csr_array) -> np.ndarray:
    """Convert a small sparse array to a dense one; a dense array stays itself.

    Parameters
    ----------
    array : ndarray or csr_array

    Returns
    -------
    array : ndarray
    """
    return array if isinstance(array, np.ndarray) else array.toarray()


def multiply(A: np.ndarray | csr_array, B: np.ndarray | csr_array, out: np.ndarray) -> np.ndarray:
    """Compute the dense product of two matrices, one of which may be sparse.

    Parameters
    ----------
    A, B : ndarray or sparse array
        Of shapes (n_rows, n_inner), (n_inner, n_columns).
    out : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    out : ndarray of shape (n_rows, n_columns)
    """
    if isinstance(A, np.ndarray) and isinstance(B, np.ndarray):
        return np.matmul(A, B, out=out)
    out[:] = A @ B
    return out


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
