"""Iterative soft-thresholding one number at a time, with the soft threshold written out."""

import numpy as np


def soft_threshold(value, threshold):
    """Shrink towards 0 by `threshold`, then cut at 0: the proximal step of the l1 norm, h >= 0."""
    magnitude = abs(value) - threshold
    shrunk = (magnitude if value > 0 else -magnitude) if magnitude > 0 else 0.0
    return shrunk if shrunk > 0 else 0.0


def ista_iteration(h, x, components, sparsity, step_size):
    """A gradient step on 1/2 ||x - h W||^2, then the soft threshold, for one frame."""
    n_components, n_freqs = components.shape
    residual = [
        sum(h[n] * float(components[n, f]) for n in range(n_components)) - float(x[f])
        for f in range(n_freqs)
    ]
    gradient = [
        sum(float(components[n, f]) * residual[f] for f in range(n_freqs))
        for n in range(n_components)
    ]
    return [
        soft_threshold(h[n] - step_size * gradient[n], step_size * sparsity)
        for n in range(n_components)
    ]


def ista_loop(magnitude, components, sparsity, step_size, n_iter):
    """Activations (n_frames, n_components), each frame from 0."""
    activations = np.zeros((len(magnitude), len(components)))
    for t, x in enumerate(magnitude):
        h = [0.0] * len(components)
        for _ in range(n_iter):
            h = ista_iteration(h, x, components, sparsity, step_size)
        activations[t] = h
    return activations


def warm_ista_loop(magnitude, components, sparsity, step_size, n_iter, initial=None):
    """Activations (n_frames, n_components), each frame from the result of the one before."""
    activations = np.zeros((len(magnitude), len(components)))
    h = [0.0] * len(components) if initial is None else [float(value) for value in initial]
    for t, x in enumerate(magnitude):
        for _ in range(n_iter):
            h = ista_iteration(h, x, components, sparsity, step_size)
        activations[t] = h
    return activations
