"""The beta divergence between magnitudes and their approximation, and the penalised objective."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number

from .blocks import Blocks
from .matrices import total
from .sparse_frames import sparse_divergence

BETA_LOSSES = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}
# A constant background of the approximation where beta != 2, and the smallest magnitude where
# beta <= 0: both keep the divergence finite. Audio in [-1, 1] has magnitudes of 1e-5 (16-bit noise)
# and more; negative powers of this stay within float32.
MIN_MAGNITUDE = 1e-12


def check_beta(beta_loss: object) -> float:
    """Translate `beta_loss` to the number beta.

    Parameters
    ----------
    beta_loss : str or float
        A name as in scikit-learn, or any real number.

    Returns
    -------
    beta : float

    Examples
    --------
    >>> check_beta("kullback-leibler"), check_beta(0.5)
    (1.0, 0.5)
    """
    if isinstance(beta_loss, str) and beta_loss in BETA_LOSSES:
        return BETA_LOSSES[beta_loss]
    if not isinstance(beta_loss, numbers.Real):
        names = ", ".join(repr(name) for name in BETA_LOSSES)
        raise ValueError(f"`beta_loss` must be one of {names} or a number; got {shown(beta_loss)}.")
    return check_number("beta_loss", beta_loss)


def beta_divergence(X: np.ndarray, approximation: np.ndarray, beta: float) -> float:
    """Sum the beta divergence D_beta(X | approximation) over all entries.

    beta = 2 is half the squared Euclidean distance, 1 the generalised Kullback-Leibler and 0 the
    Itakura-Saito divergence.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
        Non-negative; positive where beta <= 0.
    approximation : ndarray of shape (n_frames, n_freqs)
        Positive.
    beta : float
        Any real number.

    Returns
    -------
    divergence : float
        Summed in float64.

    References
    ----------
    .. [1] Fevotte, Idier, "Algorithms for nonnegative matrix factorization with the
       beta-divergence", Neural Computation 23(9), 2011.

    Examples
    --------
    >>> beta_divergence(np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]]), 2)
    2.0
    """
    if beta == 2:
        terms = 0.5 * (X - approximation) ** 2
    elif beta == 1:
        # x log x is 0 at x = 0, which log(x / y) alone would turn into NaN.
        ratio = np.where(X > 0, X, approximation) / approximation
        terms = X * np.log(ratio) - X + approximation
    elif beta == 0:
        ratio = X / approximation
        terms = ratio - np.log(ratio) - 1
    else:
        terms = X**beta + (beta - 1) * approximation**beta - beta * X * approximation ** (beta - 1)
        terms = terms / (beta * (beta - 1))
    return float(terms.sum(dtype=np.float64))


def clipped(X: np.ndarray | csr_array, beta: float) -> np.ndarray | csr_array:
    """Raise magnitudes to `MIN_MAGNITUDE` where beta <= 0; sparse ones stay as they are.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    beta : float

    Returns
    -------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    """
    return X if issparse(X) else np.maximum(X, MIN_MAGNITUDE if beta <= 0 else 0)


def objective(
    X: np.ndarray | csr_array, W: np.ndarray, H: np.ndarray, beta: float, sparsity: float
) -> float:
    """Compute ``D_beta(X | H W) + sparsity * sum(H)``, summed in float64.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components); X may be
        sparse.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.

    Returns
    -------
    value : float
    """
    background = X.dtype.type(0 if beta == 2 else MIN_MAGNITUDE)

    def value(frames, workspace):
        x, h = X[frames], H[frames]
        if issparse(X):
            divergence = sparse_divergence(x, W, h, beta, background, workspace)
        else:
            x = np.maximum(x, MIN_MAGNITUDE) if beta <= 0 else x
            divergence = beta_divergence(x, h @ W + background, beta)
        return (divergence + sparsity * total(h),)

    return Blocks.of_data(X, len(W)).sum(value)[0]


def check_range(X: Any, beta: float, *results: np.ndarray) -> None:
    """Raise unless all results are finite: else X or its powers leave the range of its dtype.

    Parameters
    ----------
    X : ndarray, csr_array or DaskFrames of shape (n_frames, n_freqs)
        Magnitudes.
    beta : float
        Divergence.
    *results : ndarray
        Arrays computed from X.

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
