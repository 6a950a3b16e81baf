"""Sparse NMF of batches of frames, with memory that does not grow with their number.

The activations of each batch are inferred once, for the current components, and added to statistics
in which earlier batches fade. Then the components are updated for the statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from sknmf_unfold.base.threads import one_thread_a_product

from .divergence import objective
from .matrices import total
from .problem import Problem, Stopping
from .solvers import BatchSteps

# Frames seen n batches ago weigh about ``(1 - n / n_batches) ** FADING_EXPONENT``: the activations
# of the first batches belong to components that were not good yet.
FADING_EXPONENT = 3.0
# Of the first batch, and of the activations of the others.
FIRST_STOPPING, ACTIVATION_STOPPING = Stopping(max_iter=50), Stopping(max_iter=30, tol=1e-2)
# Consecutive frames that are drawn together.
RUN_FRAMES = 64


@one_thread_a_product()
def factorize(
    X: Any,
    W: np.ndarray,
    steps: BatchSteps,
    problem: Problem,
    *,
    batch_size: int,
    rng: np.random.RandomState,
    stopping: Stopping,
) -> tuple[np.ndarray, np.ndarray, float, dict[str, Any]]:
    """Factorise in passes over random batches.

    Parameters
    ----------
    X : ndarray, csr_array or FileFrames of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    steps : BatchSteps
        Of a solver.
    problem : Problem
    batch_size : int
        Frames of a batch.
    rng : numpy.random.RandomState
        Draws the batches.
    stopping : Stopping
        `max_iter` passes at most. Stops once a pass lowered the objective by less than 10 `tol`
        times that of the first. The callback is called after each pass.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    curve : ndarray of shape (n_iter,)
        The objective, summed over the batches of each pass.
    divergence : float
        Summed over the batches of the last pass.
    statistics : dict
    """
    max_iter, tol, callback = stopping
    statistics: dict[str, Any] = {"n_frames": 0}
    curve: list[float] = []
    for i in range(max_iter):
        divergence = value = 0.0
        for batch in draw_batches(X, batch_size, rng):
            if not statistics["n_frames"]:
                W = steps.learn_first(batch, W, problem, rng, FIRST_STOPPING)[0]
            W, *of_batch = learn_batch(batch, W, statistics, steps, problem)
            divergence, value = divergence + of_batch[0], value + of_batch[1]
        curve.append(value)
        if callback is not None and callback(value, W):
            break
        if i and curve[-2] - curve[-1] < 10 * tol * curve[0]:
            break
    return W, np.array(curve), divergence, statistics


@one_thread_a_product()
def learn_batch(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    statistics: dict[str, Any],
    steps: BatchSteps,
    problem: Problem,
) -> tuple[np.ndarray, float, float]:
    """Learn from a batch.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
        The batch.
    W : ndarray of shape (n_components, n_freqs)
        Current components, rows of unit norm.
    statistics : dict
        Of all earlier batches, ``{"n_frames": 0}`` before the first; changed in place.
    steps : BatchSteps
        Of a solver.
    problem : Problem

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    divergence, value : float
        Divergence and objective of the batch, before components were learned from it.

    References
    ----------
    .. [1] Mairal, Bach, Ponce, Sapiro, "Online learning for matrix factorization and sparse
       coding", Journal of Machine Learning Research 11, 2010: beta = 2, and the fading.
    .. [2] Lefevre, Bach, Fevotte, "Online algorithms for nonnegative matrix factorization with the
       Itakura-Saito divergence", WASPAA 2011: the statistics of multiplicative updates.
    """
    statistics["n_frames"] += X.shape[0]
    past = (1 - X.shape[0] / statistics["n_frames"]) ** FADING_EXPONENT
    H = steps.infer(X, W, problem, ACTIVATION_STOPPING)
    for name, part in steps.summarize(X, W, H, problem).items():
        statistics[name] = past * statistics.get(name, 0.0) + part
    divergence = objective(X, W, H, problem.beta, 0.0)
    value = divergence + problem.sparsity * total(H)
    return steps.update(W, statistics, problem), divergence, value


def draw_batches(X: Any, batch_size: int, rng: np.random.RandomState) -> Iterator[Any]:
    """Draw batches, each frame once, see `random_batches`.

    Parameters
    ----------
    X : ndarray, csr_array or FileFrames of shape (n_frames, n_freqs)
        `FileFrames` draw from the files that are in memory together.
    batch_size : int
    rng : numpy.random.RandomState

    Returns
    -------
    batches : iterator of ndarray or csr_array of shape (n, n_freqs)
    """
    if hasattr(X, "batches"):
        return X.batches(batch_size, rng)
    return (X[indices] for indices in random_batches(X.shape[0], batch_size, rng))


def random_batches(
    n_frames: int, batch_size: int, rng: np.random.RandomState
) -> Iterator[np.ndarray]:
    """Draw batches, each frame once.

    Parameters
    ----------
    n_frames, batch_size : int
    rng : numpy.random.RandomState

    Yields
    ------
    indices : ndarray of int
        At most `batch_size`, ascending, in runs of consecutive frames.

    Examples
    --------
    >>> batches = list(random_batches(1000, 256, np.random.RandomState(0)))
    >>> len(batches), sum(len(batch) for batch in batches)
    (4, 1000)
    """
    n_runs = max(batch_size // RUN_FRAMES, 1)
    starts = rng.permutation(range(0, n_frames, RUN_FRAMES))
    for i in range(0, len(starts), n_runs):
        runs = np.sort(starts[i : i + n_runs])[:, np.newaxis] + np.arange(RUN_FRAMES)
        yield runs[runs < n_frames]
