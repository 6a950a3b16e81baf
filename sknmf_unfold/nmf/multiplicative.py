"""Multiplicative updates for sparse NMF with unit-norm components: pure functions.

Frames come before bins: ``X (n_frames, n_freqs) ~ H (n_frames, n_components) @ W (n_components,
n_freqs)``. The objective is ``D_beta(X | H W) + sparsity * sum(H)`` with the rows of W on the unit
l2-sphere. For beta != 2 a constant background `FLOOR` is added to the approximation, which keeps
the divergences finite; being one more fixed component, it does not disturb their descent.
"""

from __future__ import annotations

import numpy as np

from .divergence import beta_divergence

# Audio in [-1, 1] has magnitudes of 1e-5 (16-bit noise) and more; negative powers of this stay
# within float32.
FLOOR = 1e-12
# Multiplication drives what the data do not need towards 0 exponentially: stop before the
# denormal numbers, which are slow, and before 0 / 0.
TINY = 1e-20
# Convergence is looked at this often: changes of one iteration are too small to tell.
CHECK_EVERY = 10


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


def _gradient_parts(X, W, H, beta):
    """Split the gradient with respect to H W into its negative and its positive part."""
    approximation = H @ W + X.dtype.type(FLOOR)
    if beta == 1:
        return X / approximation, np.ones_like(X)
    positive = approximation ** (beta - 1)
    return X * positive / approximation, positive


def _activation_parts(X, W, H, beta):
    if beta == 2:
        return X @ W.T, H @ (W @ W.T)
    negative, positive = _gradient_parts(X, W, H, beta)
    return negative @ W.T, positive @ W.T


def _component_parts(X, W, H, beta):
    if beta == 2:
        return H.T @ X, (H.T @ H) @ W
    negative, positive = _gradient_parts(X, W, H, beta)
    return H.T @ negative, H.T @ positive


def update_activations(X, W, H, beta, sparsity):
    """Take one multiplicative step of the activations, which never raises the objective.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components).
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    negative, positive = _activation_parts(X, W, H, beta)
    ratio = negative / (positive + max(sparsity, TINY))
    power = exponent(beta)
    return np.maximum(H * (ratio if power == 1 else ratio**power), TINY)


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
    background = 0 if beta == 2 else FLOOR
    divergence = beta_divergence(X, H @ W + X.dtype.type(background), beta)
    return divergence + sparsity * float(H.sum(dtype=np.float64))


def _divergence_of(X, H, beta, power):
    """Make a function of W that gives D_beta(X | H W), at the cost of W's size if beta is 2."""
    if beta != 2:
        return lambda W: objective(X, W, H, beta, 0.0)
    correlation, gram = (H.T @ X).astype(np.float64), (H.T @ H).astype(np.float64)

    def divergence(W):
        W = W.astype(np.float64)
        return 0.5 * (power + float(np.sum((gram @ W - 2 * correlation) * W)))

    return divergence


def update_components(X, W, H, beta, n_fixed=0, power=None):
    """Take one step of the unit-norm components, as long as does not raise the divergence.

    The gradient is that of the divergence with every row divided by its norm, so the constraint is
    part of the step and not a rescaling that undoes it.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components); rows of W
        have unit norm.
    beta : float
        Divergence.
    n_fixed : int, default=0
        The first rows of W that stay as they are.
    power : float, optional
        Sum of the squares of X, to save computing it.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    divergence : float
        D_beta(X | H W) for the new W.

    References
    ----------
    .. [1] Le Roux, Weninger, Hershey, "Sparse NMF - half-baked or well done?", MERL technical
       report TR2015-023, 2015.
    """
    power = float(np.vdot(X, X)) if power is None and beta == 2 else power
    divergence = _divergence_of(X, H, beta, power)
    before = divergence(W)
    if n_fixed == len(W):
        return W, before
    ratio = _component_ratio(X, W, H, beta)[n_fixed:]
    slack = 10 * np.finfo(X.dtype).eps * (0.5 * power if beta == 2 else abs(before))
    step = exponent(beta)
    for _ in range(20):
        new = W.copy()
        new[n_fixed:] = unit_rows(np.maximum(W[n_fixed:] * ratio**step, TINY))
        after = divergence(new)
        if after <= before + slack:
            return new, after
        step /= 2
    return W, before


def _component_ratio(X, W, H, beta):
    negative, positive = _component_parts(X, W, H, beta)
    numerator = negative + W * np.sum(W * positive, axis=1, keepdims=True)
    denominator = positive + W * np.sum(W * negative, axis=1, keepdims=True)
    return np.maximum(numerator, TINY) / np.maximum(denominator, TINY)


# What overflows shows in the curve.
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def factorize(X, W, H, *, beta, sparsity, n_fixed=0, max_iter=200, tol=1e-4, callback=None):
    """Alternate the two updates.

    Parameters
    ----------
    X, W, H : ndarray
        Data and starting point, see `update_components`.
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    n_fixed : int, default=0
        The first rows of W that stay as they are.
    max_iter : int, default=200
        Number of iterations.
    tol : float, default=1e-4
        Stop once 10 iterations lowered the objective by less than `tol` times its first value; 0
        never stops.
    callback : callable, optional
        ``callback(objective, W)`` after each iteration; what is true stops.

    Returns
    -------
    W, H : ndarray
    curve : ndarray of shape (n_iter + 1,)
        The objective at the start and after each iteration.
    """
    X, H = np.maximum(X, FLOOR if beta <= 0 else 0), np.maximum(H, TINY)
    power = float(np.sum(np.square(X, dtype=np.float64))) if beta == 2 else None
    curve = [objective(X, W, H, beta, sparsity)]
    for i in range(1, max_iter + 1):
        H = update_activations(X, W, H, beta, sparsity)
        W, divergence = update_components(X, W, H, beta, n_fixed, power)
        curve.append(divergence + sparsity * float(H.sum(dtype=np.float64)))
        if callback is not None and callback(curve[-1], W):
            break
        if i % CHECK_EVERY == 0 and curve[-1 - CHECK_EVERY] - curve[-1] < tol * curve[0]:
            break
    return W, H, np.array(curve)
