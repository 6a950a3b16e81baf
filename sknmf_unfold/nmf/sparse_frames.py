"""Divergences of sparse frames from their approximation ``H W``, for beta = 1 and 2.

These take the approximation at the non-zeros of X, and sums over all its entries that follow from
sums of H and W. Other divergences need every entry of the approximation.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from .blocks import Workspace
from .matrices import squares

# The divergences that need the approximation at the non-zeros only.
SPARSE_BETAS = (1.0, 2.0)
# Entries of H and of W that are gathered at a time: they stay in a core's cache.
GATHERED_ENTRIES = 2**16


def approximation(X: csr_array, W: np.ndarray, H: np.ndarray, workspace: Workspace) -> np.ndarray:
    """Compute ``H W`` at the non-zeros of X.

    Parameters
    ----------
    X : csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    H : ndarray of shape (n_frames, n_components)
    workspace : Workspace
        Holds the result until the next call.

    Returns
    -------
    approximation : ndarray of shape (nnz,)
        In the order of ``X.data``.

    Examples
    --------
    >>> X = csr_array(np.array([[0.0, 2.0], [3.0, 0.0]]))
    >>> approximation(X, np.array([[1.0, 10.0]]), np.array([[1.0], [5.0]]), Workspace())
    array([10.,  5.])
    """
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    # Rows of contiguous memory, which are faster to gather than columns.
    columns = workspace.array("columns", *W.shape[::-1], dtype=W.dtype)
    np.copyto(columns, W.T)
    result = workspace.array("at non-zeros", X.nnz, dtype=H.dtype)
    length = max(GATHERED_ENTRIES // len(W), 1)
    for start in range(0, X.nnz, length):
        part = slice(start, min(start + length, X.nnz))
        shape = part.stop - start, len(W)
        h, w = (workspace.array(name, *shape, dtype=H.dtype) for name in ("gathered H", "of W"))
        # Indices are valid; without a mode that says so, a copy is made.
        np.take(H, rows[part], axis=0, out=h, mode="clip")
        np.take(columns, X.indices[part], axis=0, out=w, mode="clip")
        np.einsum("in,in->i", h, w, out=result[part])
    return result


def kullback_leibler_ratio(
    X: csr_array, W: np.ndarray, H: np.ndarray, background: float, workspace: Workspace
) -> csr_array:
    """Divide the non-zeros of X by their approximation.

    Parameters
    ----------
    X : csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    H : ndarray of shape (n_frames, n_components)
    background : float
        Added to the approximation.
    workspace : Workspace
        Holds the results until the next call.

    Returns
    -------
    ratio : csr_array of shape (n_frames, n_freqs)
        The negative part of the gradient with respect to ``H W``, for beta = 1.
    """
    ratio = approximation(X, W, H, workspace)
    ratio += ratio.dtype.type(background)
    np.divide(X.data, ratio, out=ratio)
    return csr_array((ratio, X.indices, X.indptr), shape=X.shape)


def log_sum(X: csr_array, ratio: csr_array) -> float:
    """Sum ``x log(x / y)`` over the non-zeros of X, in float64.

    Parameters
    ----------
    X : csr_array of shape (n_frames, n_freqs)
    ratio : csr_array of shape (n_frames, n_freqs)
        From `kullback_leibler_ratio`.

    Returns
    -------
    total : float
    """
    logs = np.log(np.maximum(ratio.data, np.finfo(X.dtype).tiny))
    return float(np.sum(X.data * logs, dtype=np.float64))


def sparse_divergence(
    X: csr_array,
    W: np.ndarray,
    H: np.ndarray,
    beta: float,
    background: float,
    workspace: Workspace,
) -> float:
    """Sum the beta divergence D_beta(X | H W + background) over all entries.

    Parameters
    ----------
    X : csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    H : ndarray of shape (n_frames, n_components)
    beta : float
        One of `SPARSE_BETAS`.
    background : float
        0 for beta = 2.
    workspace : Workspace

    Returns
    -------
    divergence : float
        Summed in float64.
    """
    if beta == 2:
        # The squares of X and those of its approximation nearly cancel.
        X, W, H = (array.astype(np.float64, copy=False) for array in (X, W, H))
        product = float(np.einsum("tn,tn->", X @ W.T, H))
        return 0.5 * squares(X) - product + 0.5 * float(np.sum((H.T @ H) * (W @ W.T)))
    ratio = kullback_leibler_ratio(X, W, H, background, workspace)
    summed = H.sum(axis=0, dtype=np.float64) @ W.sum(axis=1, dtype=np.float64)
    level = X.data.sum(dtype=np.float64)
    return log_sum(X, ratio) - level + float(summed) + background * X.shape[0] * X.shape[1]
