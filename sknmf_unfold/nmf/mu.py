"""Sparse NMF by multiplicative updates, for every beta."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from sknmf_unfold.base.threads import one_thread_a_product

from .initial import initial_activations
from .mu_activations import Activations, MemoryPasses, choose_activations, choose_sums
from .mu_updates import MIN_ENTRY, exponent, quadratic, scale_components
from .problem import Problem, Stopping

# Iterations between two checks of convergence: the gain of a single one is too small to judge.
CHECK_ITERATIONS = 10
# Frames that random factors are drawn for at a time, which saves memory.
SCATTER_FRAMES = 4096
# Steps of the components for each batch where its statistics determine the objective: they cost
# little beside the activations of the batch.
STEPS_PER_BATCH = 10
# Halvings of the exponent of a step at most.
MAX_HALVINGS = 20


def learn(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    problem: Problem,
    rng: np.random.RandomState,
    stopping: Stopping,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factorise from random activations.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
    rng : numpy.random.RandomState
        Draws the initial activations, around equal ones for all components of a frame.
    stopping : Stopping

    Returns
    -------
    W, H, curve : ndarray
        See `factorize`.
    """
    return factorize(X, W, scattered_activations(X, W, rng), problem, stopping)


def learn_first_batch(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    problem: Problem,
    rng: np.random.RandomState,
    stopping: Stopping,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factorise from equal activations of all components.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
    rng : numpy.random.RandomState
        Not used.
    stopping : Stopping

    Returns
    -------
    W, H, curve : ndarray
        See `factorize`.
    """
    return factorize(X, W, initial_activations(X, W), problem, stopping)


def scattered_activations(
    X: np.ndarray | csr_array, W: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """Multiply the initial activations by random factors.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    rng : numpy.random.RandomState

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    H = initial_activations(X, W)
    for start in range(0, len(H), SCATTER_FRAMES):
        block = H[start : start + SCATTER_FRAMES]
        block *= rng.uniform(0.5, 1.5, size=block.shape).astype(H.dtype)
    return H


def factorize(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    H: np.ndarray,
    problem: Problem,
    stopping: Stopping,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factorise from given components and activations.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    H : ndarray of shape (n_frames, n_components)
        Initial activations.
    problem : Problem
    stopping : Stopping
        Stops once 10 iterations lowered the objective by less than `tol` times its first value.

    Returns
    -------
    W, H : ndarray
    curve : ndarray of shape (n_iter + 1,)
        The objective at the start and after each iteration.
    """
    passes = MemoryPasses(X, H, choose_sums(problem, X))
    return alternate(choose_activations(passes, X.shape, problem), W, problem, stopping)


# An overflow shows in the curve.
@one_thread_a_product()
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def alternate(
    activations: Activations, W: np.ndarray, problem: Problem, stopping: Stopping
) -> tuple[np.ndarray, Any, np.ndarray]:
    """Alternate the updates of activations and components.

    Parameters
    ----------
    activations : Activations
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
    stopping : Stopping

    Returns
    -------
    W, H, curve : ndarray
        See `factorize`; H in the form in which `activations` has them.
    """
    max_iter, tol, callback = stopping
    curve = [activations.propose(W)]
    for i in range(1, max_iter + 1):
        parts = activations.advance(W)
        limit = float(curve[-1] + 10 * np.finfo(W.dtype).eps * abs(activations.scale))
        W, value = descend(activations.propose, W, parts, limit, problem)
        curve.append(value)
        if callback is not None and callback(curve[-1], W):
            break
        if i % CHECK_ITERATIONS == 0 and curve[-1 - CHECK_ITERATIONS] - curve[-1] < tol * curve[0]:
            break
    return W, activations.H, np.array(curve)


def descend(
    propose: Callable[[np.ndarray], float],
    W: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    limit: float,
    problem: Problem,
) -> tuple[np.ndarray, float]:
    """Take the multiplicative step of the components, shortened until it does not ascend.

    Parameters
    ----------
    propose : callable
        ``propose(W)`` computes the objective.
    W : ndarray of shape (n_components, n_freqs)
    parts : tuple of ndarray of shape (n_components, n_freqs)
        Negative and positive part of the gradient with respect to W.
    limit : float
        Largest objective that is accepted.
    problem : Problem

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    objective : float
        For the new W, which `propose` got last.
    """
    power, n_fixed = exponent(problem.beta), problem.n_fixed
    for _ in range(MAX_HALVINGS if n_fixed < len(W) else 0):
        new = scale_components(W, *parts, power, n_fixed)
        value = propose(new)
        if value <= limit:
            return new, value
        power /= 2
    return W, propose(W)


def update_by_products(W: np.ndarray, statistics: dict, problem: Problem) -> np.ndarray:
    """Update components for the statistics of batches, for beta = 2.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Rows of unit norm.
    statistics : dict
        See `batch_statistics.products_and_gram`.
    problem : Problem

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    """
    products, gram = statistics["products"], statistics["gram"]
    slack = float(10 * np.finfo(W.dtype).eps * np.sum(products * W))
    value = quadratic(W, products, gram)
    for _ in range(STEPS_PER_BATCH):
        parts = products, gram @ W.astype(np.float64)
        W, value = descend(lambda W: quadratic(W, products, gram), W, parts, value + slack, problem)
    return W


def update_by_gradient(W: np.ndarray, statistics: dict, problem: Problem) -> np.ndarray:
    """Update components once for the statistics of batches, for any beta other than 2.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Rows of unit norm.
    statistics : dict
        See `batch_statistics.gradient_sums`.
    problem : Problem

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    """
    negative = statistics["negative"] / np.maximum(W, MIN_ENTRY)
    power = exponent(problem.beta)
    return scale_components(W, negative, statistics["positive"], power, problem.n_fixed)
