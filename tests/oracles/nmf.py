"""Sparse NMF "well done" (Le Roux, Weninger, Hershey 2015), one number at a time in float64."""

import math

import numpy as np


def divergence_loop(X, Y, beta):
    """Sum of the beta divergence, by its three textbook cases and the general one."""
    total = 0.0
    for x, y in zip(np.ravel(X).tolist(), np.ravel(Y).tolist(), strict=True):
        if beta == 1:
            total += (x * math.log(x / y) if x > 0 else 0.0) - x + y
        elif beta == 0:
            total += x / y - math.log(x / y) - 1
        elif beta == 2:
            total += (x - y) ** 2 / 2
        else:
            general = x**beta + (beta - 1) * y**beta - beta * x * y ** (beta - 1)
            total += general / (beta * (beta - 1))
    return total


def objective_loop(X, W, H, beta, sparsity):
    """``D_beta(X | H W) + sparsity * sum(H)``."""
    return divergence_loop(X, product(H, W), beta) + sparsity * sum(np.ravel(H).tolist())


def product(H, W):
    """``H W``, (n_frames, n_freqs)."""
    n_frames, n_freqs, n_components = len(H), W.shape[1], len(W)
    result = np.zeros((n_frames, n_freqs))
    for t in range(n_frames):
        for f in range(n_freqs):
            result[t, f] = sum(float(H[t, n]) * float(W[n, f]) for n in range(n_components))
    return result


def step_exponent(beta):
    """Exponent gamma(beta) for which Fevotte and Idier (2011) prove descent."""
    if beta < 1:
        return 1 / (2 - beta)
    return 1 / (beta - 1) if beta > 2 else 1.0


def activations_step(X, W, H, beta, sparsity):
    """New H of the multiplicative step with the l1 weight in the denominator."""
    Y = product(H, W)
    new = np.zeros_like(H)
    for t in range(len(X)):
        for n in range(len(W)):
            numerator, denominator = 0.0, sparsity
            for f in range(X.shape[1]):
                numerator += W[n, f] * X[t, f] * Y[t, f] ** (beta - 2)
                denominator += W[n, f] * Y[t, f] ** (beta - 1)
            new[t, n] = H[t, n] * (numerator / denominator) ** step_exponent(beta)
    return new


def component_parts(X, W, H, beta):
    """Split the gradient with respect to W of D_beta(X | H normalised(W)), W of unit rows.

    Returns ``(numerator, denominator)``, both non-negative; the gradient is their difference
    ``denominator - numerator``.
    """
    Y = product(H, W)
    negative, positive = np.zeros_like(W), np.zeros_like(W)
    for n in range(len(W)):
        for f in range(X.shape[1]):
            for t in range(len(X)):
                negative[n, f] += H[t, n] * X[t, f] * Y[t, f] ** (beta - 2)
                positive[n, f] += H[t, n] * Y[t, f] ** (beta - 1)
    numerator, denominator = np.zeros_like(W), np.zeros_like(W)
    for n in range(len(W)):
        along_positive = sum(W[n, f] * positive[n, f] for f in range(X.shape[1]))
        along_negative = sum(W[n, f] * negative[n, f] for f in range(X.shape[1]))
        for f in range(X.shape[1]):
            numerator[n, f] = negative[n, f] + W[n, f] * along_positive
            denominator[n, f] = positive[n, f] + W[n, f] * along_negative
    return numerator, denominator


def components_step(X, W, H, beta, n_fixed=0):
    """New W of the full multiplicative step, its first `n_fixed` rows as they were."""
    numerator, denominator = component_parts(X, W, H, beta)
    new = W.copy()
    for n in range(n_fixed, len(W)):
        row = [
            W[n, f] * (numerator[n, f] / denominator[n, f]) ** step_exponent(beta)
            for f in range(W.shape[1])
        ]
        norm = math.sqrt(sum(value**2 for value in row))
        new[n] = [value / norm for value in row]
    return new


def factorize_loop(X, W, H, beta, sparsity, n_iter, n_fixed=0):
    """Both steps alternately; returns W, H and the objective before and after each iteration."""
    curve = [objective_loop(X, W, H, beta, sparsity)]
    for _ in range(n_iter):
        H = activations_step(X, W, H, beta, sparsity)
        W = components_step(X, W, H, beta, n_fixed)
        curve.append(objective_loop(X, W, H, beta, sparsity))
    return W, H, np.array(curve)
