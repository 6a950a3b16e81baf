"""Multiplicative updates for sparse NMF with unit-norm components: pure functions.

Frames come before bins: ``X (n_frames, n_freqs) ~ H (n_frames, n_components) @ W (n_components,
n_freqs)``. The objective is ``D_beta(X | H W) + sparsity * sum(H)`` with the rows of W on the unit
l2-sphere. For beta != 2 a constant background `MIN_MAGNITUDE` is added to the approximation, which
keeps the divergences finite. It acts like one more fixed component, so the updates still descend.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, issparse

from .blocks import Workspace
from .divergence import MIN_MAGNITUDE, beta_divergence
from .matrices import gram_factors, multiply, times_gram, total, unit_rows
from .sparse_frames import kullback_leibler_ratio, log_sum

# Smallest entry of H and W, and of a denominator. Repeated multiplication drives unused entries
# towards 0 exponentially: this stops them before the denormal numbers, which are slow, and before
# 0 / 0.
MIN_ENTRY = 1e-20


def exponent(beta: float) -> float:
    """Return the exponent of the multiplicative step for which descent is proved.

    Parameters
    ----------
    beta : float

    Returns
    -------
    power : float

    References
    ----------
    .. [1] Fevotte, Idier, "Algorithms for nonnegative matrix factorization with the
       beta-divergence", Neural Computation 23(9), 2011.

    Examples
    --------
    >>> exponent(2), exponent(1), exponent(0), exponent(3)
    (1.0, 1.0, 0.5, 0.5)
    """
    return 1.0 if 1 <= beta <= 2 else 1 / (2 - beta) if beta < 1 else 1 / (beta - 1)


def gradient_parts(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    H: np.ndarray,
    beta: float,
    workspace: Workspace,
    evaluate: bool = False,
) -> tuple[np.ndarray | csr_array, np.ndarray | None, float | None]:
    """Split the gradient of the divergence with respect to ``H W``; beta other than 2.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components); X may be
        sparse where beta = 1.
    beta : float
    workspace : Workspace
        Holds the results until the next call.
    evaluate : bool, default=False
        Whether to compute the divergence as well, which takes a logarithm of every entry.

    Returns
    -------
    negative : ndarray of shape (n_frames, n_freqs)
        Sparse if X is.
    positive : ndarray of shape (n_frames, n_freqs) or None
        None stands for all ones. The gradient is the positive part minus the negative one.
    divergence : float or None
        D_beta(X | H W), summed in float64. For beta = 1 it leaves out the sum of ``H W`` minus that
        of X, which callers compute without a pass over X.
    """
    if issparse(X):
        ratio = kullback_leibler_ratio(X, W, H, MIN_MAGNITUDE, workspace)
        return ratio, None, log_sum(X, ratio) if evaluate else None
    Y, negative, third = (workspace.array(i, *X.shape, dtype=X.dtype) for i in ("Y", "-", "third"))
    np.matmul(H, W, out=Y)
    Y += Y.dtype.type(MIN_MAGNITUDE)
    divergence = None
    if beta == 1:
        np.divide(X, Y, out=negative)
        if evaluate:
            # 0 log 0 is 0.
            np.log(np.maximum(negative, np.finfo(X.dtype).tiny, out=Y), out=Y)
            divergence = float(np.einsum("tf,tf->t", X, Y).sum(dtype=np.float64))
        return negative, None, divergence
    if beta == 0:
        np.multiply(X, np.divide(1, Y, out=Y), out=negative)
        if evaluate:
            divergence = total(negative) - total(np.log(negative, out=third)) - X.size
        negative *= Y
        return negative, Y, divergence
    if evaluate:
        divergence = beta_divergence(X, Y, beta)
    positive = np.power(Y, beta - 1, out=third)
    return np.divide(np.multiply(X, positive, out=negative), Y, out=negative), positive, divergence


def scale_activations(
    H: np.ndarray,
    negative: np.ndarray,
    positive: np.ndarray,
    beta: float,
    sparsity: float,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Take the multiplicative step of the activations.

    Parameters
    ----------
    H : ndarray of shape (n_frames, n_components)
    negative, positive : ndarray
        Parts of the gradient with respect to H; overwritten.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    out : ndarray of shape (n_frames, n_components), optional
        Array for the result.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    positive += max(sparsity, MIN_ENTRY)
    ratio, power = np.divide(negative, positive, out=negative), exponent(beta)
    if power == 0.5:
        np.sqrt(ratio, out=ratio)
    elif power != 1:
        np.power(ratio, power, out=ratio)
    H = np.multiply(H, ratio, out=out)
    return np.maximum(H, MIN_ENTRY, out=H)


def update_activations(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    H: np.ndarray,
    beta: float,
    sparsity: float,
    workspace: Workspace | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Take one multiplicative step of the activations, which never raises the objective.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components).
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    workspace : Workspace, optional
        Buffers to compute in.
    out : ndarray of shape (n_frames, n_components), optional
        Array for the result; may be H.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    workspace = Workspace() if workspace is None else workspace
    negative, positive = X, None
    if beta == 2:
        positive = times_gram(H, gram_factors(W), workspace)
    else:
        negative, positive, _ = gradient_parts(X, W, H, beta, workspace)
    return step_of_activations(
        W, H, negative, positive, beta=beta, sparsity=sparsity, workspace=workspace, out=out
    )


def step_of_activations(
    W: np.ndarray,
    H: np.ndarray,
    negative: np.ndarray | csr_array,
    positive: np.ndarray | None,
    *,
    beta: float,
    sparsity: float,
    workspace: Workspace,
    out: np.ndarray | None,
) -> np.ndarray:
    """Take the multiplicative step of the activations from the gradient with respect to ``H W``.

    Parameters
    ----------
    W, H : ndarray
        Of shapes (n_components, n_freqs), (n_frames, n_components).
    negative, positive : ndarray
        Parts of the gradient with respect to ``H W``, see `gradient_parts`. For beta = 2 the data,
        which may be sparse, and the positive part of the gradient with respect to H.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    workspace : Workspace
    out : ndarray of shape (n_frames, n_components), optional
        Array for the result.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    first, second = (workspace.array(i, *H.shape, dtype=H.dtype) for i in ("to H", "from H"))
    multiply(negative, W.T, out=first)
    if positive is None:
        positive = W.sum(axis=1)
    elif beta != 2:
        positive = np.matmul(positive, W.T, out=second)
    return scale_activations(H, first, positive, beta, sparsity, out)


def scale_components(
    W: np.ndarray, negative: np.ndarray, positive: np.ndarray, power: float, n_fixed: int = 0
) -> np.ndarray:
    """Take the multiplicative step of components of unit norm.

    The gradient is that of the divergence with every row divided by its norm, so the step contains
    the constraint. A rescaling after an unconstrained step would undo a part of it.

    Parameters
    ----------
    W, negative, positive : ndarray of shape (n_components, n_freqs)
        Components, and the parts of the gradient with respect to them without the constraint.
    power : float
        Exponent of the step.
    n_fixed : int, default=0
        The first rows of W that stay as they are.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)

    References
    ----------
    .. [1] Le Roux, Weninger, Hershey, "Sparse NMF - half-baked or well done?", MERL technical
       report TR2015-023, 2015.
    """
    numerator = negative + W * np.sum(W * positive, axis=1, keepdims=True)
    denominator = positive + W * np.sum(W * negative, axis=1, keepdims=True)
    ratio = np.maximum(numerator, MIN_ENTRY) / np.maximum(denominator, MIN_ENTRY)
    new = W.copy()
    new[n_fixed:] = unit_rows(np.maximum(W * ratio**power, MIN_ENTRY))[n_fixed:]
    return new


def quadratic(W: np.ndarray, products: np.ndarray, gram: np.ndarray) -> float:
    """Compute ``1/2 ||X - H W||^2 - 1/2 ||X||^2`` from products of X and H.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
    products : ndarray of shape (n_components, n_freqs)
        ``H.T @ X``, in float64.
    gram : ndarray of shape (n_components, n_components)
        ``H.T @ H``, in float64.

    Returns
    -------
    value : float
    """
    W = W.astype(np.float64)
    return float(0.5 * np.sum((gram @ W) * W) - np.sum(products * W))
