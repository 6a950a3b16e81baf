"""Multiplicative updates for sparse NMF with unit-norm components: pure functions.

Frames come before bins: ``X (n_frames, n_freqs) ~ H (n_frames, n_components) @ W (n_components,
n_freqs)``. The objective is ``D_beta(X | H W) + sparsity * sum(H)`` with the rows of W on the unit
l2-sphere. For beta != 2 a constant background `FLOOR` is added to the approximation, which keeps
the divergences finite; being one more fixed component, it does not disturb their descent.
"""

from __future__ import annotations

import numpy as np

from .blocks import Blocks, Workspace, block_length
from .divergence import beta_divergence

# Audio in [-1, 1] has magnitudes of 1e-5 (16-bit noise) and more; negative powers of this stay
# within float32.
FLOOR = 1e-12
# Multiplication drives what the data do not need towards 0 exponentially: stop before the
# denormal numbers, which are slow, and before 0 / 0.
TINY = 1e-20


def unit_rows(W):
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


def exponent(beta):
    """Return the power of the multiplicative step for which descent is proved.

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


def initial_activations(X, W):
    """Give all components of a frame the same activation, the best in the least-squares sense.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    total = W.sum(axis=0)
    scale = X @ total / max(float(total @ total), TINY)
    return np.maximum(np.repeat(scale[:, np.newaxis], len(W), axis=1), TINY)


def total(array):
    """Sum up a matrix row by row, and in float64 so that float32 loses nothing.

    Parameters
    ----------
    array : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    total : float
    """
    ones = np.ones(array.shape[1], dtype=array.dtype)
    return float((array @ ones).sum(dtype=np.float64))


def squares(array):
    """Sum up the squares of an array in float64.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    total : float
    """
    return float(np.sum(np.square(array, dtype=np.float64)))


def gradient_parts(X, W, H, beta, workspace, evaluate=False):
    """Split the gradient of the divergence with respect to ``H W``; beta other than 2.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components).
    beta : float
    workspace : Workspace
        Holds the results until the next call.
    evaluate : bool, default=False
        Whether to compute the divergence, too, which takes a logarithm of every number.

    Returns
    -------
    negative : ndarray of shape (n_frames, n_freqs)
    positive : ndarray of shape (n_frames, n_freqs) or None
        None says that all are 1. The gradient is the positive part minus the negative one.
    divergence : float or None
        D_beta(X | H W), summed in float64; for beta = 1 without the sum of ``H W`` minus that of X,
        which takes no pass over X.
    """
    Y, negative, third = (workspace.array(i, *X.shape, dtype=X.dtype) for i in ("Y", "-", "third"))
    np.matmul(H, W, out=Y)
    Y += Y.dtype.type(FLOOR)
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


def scale_activations(H, negative, positive, beta, sparsity, out=None):
    """Take the multiplicative step of the activations.

    Parameters
    ----------
    H : ndarray of shape (n_frames, n_components)
    negative, positive : ndarray
        Parts of the gradient with respect to H; overwritten.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    out : ndarray of shape (n_frames, n_components), optional
        Where to write the result.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    positive += max(sparsity, TINY)
    ratio, power = np.divide(negative, positive, out=negative), exponent(beta)
    if power == 0.5:
        np.sqrt(ratio, out=ratio)
    elif power != 1:
        np.power(ratio, power, out=ratio)
    H = np.multiply(H, ratio, out=out)
    return np.maximum(H, TINY, out=H)


def gram_factors(W):
    """Split the Gram matrix of components into what takes the fewest multiplications.

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


def times_gram(H, factors, workspace):
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


def update_activations(X, W, H, beta, sparsity, workspace=None, out=None):
    """Take one multiplicative step of the activations, which never raises the objective.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components).
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    workspace : Workspace, optional
        Memory to work in.
    out : ndarray of shape (n_frames, n_components), optional
        Where to write the result; may be H.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    workspace = Workspace() if workspace is None else workspace
    if beta == 2:
        negative, positive = X, times_gram(H, gram_factors(W), workspace)
    else:
        negative, positive, _ = gradient_parts(X, W, H, beta, workspace)
    settings = {"beta": beta, "sparsity": sparsity, "workspace": workspace, "out": out}
    return step_of_activations(W, H, negative, positive, **settings)


def step_of_activations(W, H, negative, positive, *, beta, sparsity, workspace, out):
    """Take the multiplicative step of the activations, from parts of another gradient.

    Parameters
    ----------
    W, H : ndarray
        Of shapes (n_components, n_freqs), (n_frames, n_components).
    negative, positive : ndarray
        Parts of the gradient with respect to ``H W``, see `gradient_parts`. For beta = 2 the data
        and the positive part with respect to H.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    workspace : Workspace
    out : ndarray of shape (n_frames, n_components), optional
        Where to write the result.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    first, second = (workspace.array(i, *H.shape, dtype=H.dtype) for i in ("to H", "from H"))
    np.matmul(negative, W.T, out=first)
    if positive is None:
        positive = W.sum(axis=1)
    elif beta != 2:
        positive = np.matmul(positive, W.T, out=second)
    return scale_activations(H, first, positive, beta, sparsity, out)


def objective(X, W, H, beta, sparsity):
    """Compute ``D_beta(X | H W) + sparsity * sum(H)``, summed in float64.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components).
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.

    Returns
    -------
    value : float
    """
    background = X.dtype.type(0 if beta == 2 else FLOOR)

    def value(frames, _):
        x = np.maximum(X[frames], FLOOR) if beta <= 0 else X[frames]
        divergence = beta_divergence(x, H[frames] @ W + background, beta)
        return (divergence + sparsity * total(H[frames]),)

    return Blocks(len(X), block_length(max(W.shape))).sum(value)[0]


def scale_components(W, negative, positive, power, n_fixed=0):
    """Take the multiplicative step of components of unit norm.

    The gradient is that of the divergence with every row divided by its norm, so the constraint is
    part of the step and not a rescaling that undoes it.

    Parameters
    ----------
    W, negative, positive : ndarray of shape (n_components, n_freqs)
        Components, and the parts of the gradient with respect to them as if they were free.
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
    ratio = np.maximum(numerator, TINY) / np.maximum(denominator, TINY)
    new = W.copy()
    new[n_fixed:] = unit_rows(np.maximum(W * ratio**power, TINY))[n_fixed:]
    return new
