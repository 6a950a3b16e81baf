"""Iterative soft-thresholding for sparse non-negative activations: pure functions.

Written with operators that numpy arrays and torch tensors share. Frames come before bins, so the
paper's ``W h`` is ``h @ components`` here and its ``W' x`` is ``x @ components.T``.
"""

from __future__ import annotations

import numpy as np


def largest_eigenvalue(components):
    """Compute the largest eigenvalue of the Gram matrix, the gradient's Lipschitz constant.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_freqs)

    Returns
    -------
    eigenvalue : float

    Examples
    --------
    >>> round(largest_eigenvalue(np.array([[1.0, 0.0], [1.0, 0.0]])), 6)
    2.0
    """
    components = components.astype(np.float64)
    small = components if len(components) <= components.shape[1] else components.T
    return float(np.linalg.eigvalsh(small @ small.T)[-1])


def transition_matrix(components, step_size, envelopes=None):
    """Compute ``I - step_size * components @ components.T``, which carries activations on.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_freqs)
    step_size : float
        The inverse of the paper's alpha.
    envelopes : ndarray of shape (n_components, context), optional
        How strong components are in the frames that they explain: outer products of components and
        envelopes take the place of components.

    Returns
    -------
    transition : ndarray of shape (n_components, n_components)
    """
    transition = components @ components.T
    if envelopes is not None:
        transition *= envelopes @ envelopes.T
    transition *= -step_size
    n_components = len(components)
    diagonal = np.arange(n_components)
    transition[diagonal, diagonal] += 1
    return transition


def project_input(magnitude, components, sparsity, step_size):
    """Compute ``step_size * (magnitude @ components.T - sparsity)``, which every iteration adds.

    Parameters
    ----------
    magnitude : ndarray or torch.Tensor of shape (..., n_freqs)
    components : ndarray or torch.Tensor of shape (n_components, n_freqs)
    sparsity, step_size : float, or array or Tensor that broadcasts to (..., n_components)

    Returns
    -------
    projected : ndarray or torch.Tensor of shape (..., n_components)
    """
    return (magnitude @ components.T - sparsity) * step_size


def ista_step(activations, projected, transition):
    """Take one iteration: ``relu(activations @ transition + projected)``.

    With a non-negativity constraint the soft threshold is a one-sided one, which subtracts the
    threshold (contained in `projected`) and cuts at 0.

    Parameters
    ----------
    activations : ndarray or torch.Tensor of shape (..., n_components)
    projected : ndarray or torch.Tensor of shape (..., n_components)
        From `project_input`.
    transition : ndarray or torch.Tensor of shape (n_components, n_components)
        From `transition_matrix`.

    Returns
    -------
    activations : ndarray or torch.Tensor of shape (..., n_components)

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.
    """
    return (activations @ transition + projected).clip(0)


def iteration(components, step_size):
    """Choose how an iteration multiplies: by N x N numbers, or by a very overcomplete W twice.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_freqs)
    step_size : float
        The inverse of the paper's alpha.

    Returns
    -------
    step : callable
        ``step(activations, projected)`` is `ista_step` with the `transition_matrix`.

    Examples
    --------
    >>> step = iteration(np.ones((3, 1)), 0.25)
    >>> step(np.array([[1.0, 0.0, 0.0]]), np.array([[0.5, 0.5, 0.0]]))
    array([[1.25, 0.25, 0.  ]])
    """
    if len(components) <= 2 * components.shape[1]:
        transition = transition_matrix(components, step_size)
        return lambda activations, projected: ista_step(activations, projected, transition)
    back = step_size * components.T

    def step(activations, projected):
        moved = (activations @ components) @ back
        np.subtract(activations, moved, out=moved)
        moved += projected
        return np.maximum(moved, 0, out=moved)

    return step


def ista(magnitude, components, *, sparsity, step_size, n_iter):
    """Infer activations of independent frames by `n_iter` iterations from 0.

    Parameters
    ----------
    magnitude : ndarray of shape (n_frames, n_freqs)
    components : ndarray of shape (n_components, n_freqs)
    sparsity, step_size : float
        Weight of the l1 penalty, and the inverse of the paper's alpha.
    n_iter : int
        Number of iterations.

    Returns
    -------
    activations : ndarray of shape (n_frames, n_components)

    Examples
    --------
    >>> W = np.eye(2)
    >>> ista(np.array([[3.0, 0.5]]), W, sparsity=1.0, step_size=1.0, n_iter=3)
    array([[2., 0.]])
    """
    projected = project_input(magnitude, components, sparsity, step_size)
    step = iteration(components, step_size)
    activations = np.zeros_like(projected)
    for _ in range(n_iter):
        activations = step(activations, projected)
    return activations


def warm_ista(magnitude, components, *, sparsity, step_size, n_iter, initial=None):
    """Infer activations of sequences, each frame starting from the previous frame's result.

    Parameters
    ----------
    magnitude : ndarray of shape (batch, n_frames, n_freqs)
    components : ndarray of shape (n_components, n_freqs)
    sparsity, step_size : float
        Weight of the l1 penalty, and the inverse of the paper's alpha.
    n_iter : int
        Number of iterations a frame.
    initial : ndarray of shape (batch, n_components), optional
        Activations of the frame before the first; 0 by default.

    Returns
    -------
    activations : ndarray of shape (batch, n_frames, n_components)

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.
    """
    # Time first, so that what a step works on is contiguous.
    frames = np.ascontiguousarray(magnitude.swapaxes(0, 1))
    rows = frames.reshape(-1, frames.shape[-1])
    projected = project_input(rows, components, sparsity, step_size)
    projected = projected.reshape(*frames.shape[:2], -1)
    step = iteration(components, step_size)
    activations = np.empty_like(projected)
    state = np.zeros_like(projected[0]) if initial is None else initial
    for t, inputs in enumerate(projected):
        for _ in range(n_iter):
            state = step(state, inputs)
        activations[t] = state
    return activations.swapaxes(0, 1)
