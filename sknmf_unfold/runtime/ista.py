"""Iterative soft-thresholding for sparse non-negative activations: pure functions.

Frames come before bins, so the paper's ``W h`` is ``h @ components`` here and its ``W' x`` is
``x @ components.T``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def largest_eigenvalue(components: np.ndarray) -> float:
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


def resolve_step_size(step_size: float | str, components: np.ndarray) -> float:
    """Return the step size, for ``"auto"`` the largest one that never raises the objective.

    Parameters
    ----------
    step_size : float or "auto"
    components : ndarray of shape (n_components, n_freqs)

    Returns
    -------
    step_size : float
        The inverse of the paper's alpha.

    Examples
    --------
    >>> round(resolve_step_size("auto", np.array([[1.0, 0.0], [1.0, 0.0]])), 6)
    0.5
    """
    return 1 / largest_eigenvalue(components) if step_size == "auto" else float(step_size)


def transition_matrix(
    components: np.ndarray, step_size: float, envelopes: np.ndarray | None = None
) -> np.ndarray:
    """Compute ``I - step_size * components @ components.T``, the linear part of an iteration.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_freqs)
    step_size : float
        The inverse of the paper's alpha.
    envelopes : ndarray of shape (n_components, context), optional
        Amplitude of components over the frames that they explain: outer products of components and
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


def project_input(
    magnitude: np.ndarray,
    components: np.ndarray,
    sparsity: float | np.ndarray,
    step_size: float,
) -> np.ndarray:
    """Compute ``step_size * (magnitude @ components.T - sparsity)``, the constant of iterations.

    Parameters
    ----------
    magnitude : ndarray of shape (..., n_freqs)
    components : ndarray of shape (n_components, n_freqs)
    sparsity : float, or ndarray that broadcasts to (..., n_components)
        Weight of the l1 penalty.
    step_size : float
        The inverse of the paper's alpha.

    Returns
    -------
    projected : ndarray of shape (..., n_components)
    """
    return (magnitude @ components.T - sparsity) * step_size


def ista_step(activations: np.ndarray, projected: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Take one iteration: ``relu(activations @ transition + projected)``.

    With a non-negativity constraint the soft threshold is a one-sided one, which subtracts the
    threshold (contained in `projected`) and cuts at 0.

    Parameters
    ----------
    activations : ndarray of shape (..., n_components)
    projected : ndarray of shape (..., n_components)
        From `project_input`.
    transition : ndarray of shape (n_components, n_components)
        From `transition_matrix`.

    Returns
    -------
    activations : ndarray of shape (..., n_components)

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.
    """
    return (activations @ transition + projected).clip(0)


def iteration(
    components: np.ndarray, step_size: float
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Make an iteration by the Gram matrix, or by a very overcomplete dictionary twice.

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


def ista(
    magnitude: np.ndarray,
    components: np.ndarray,
    *,
    sparsity: float,
    step_size: float,
    n_iter: int,
) -> np.ndarray:
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
