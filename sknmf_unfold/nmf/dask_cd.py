"""Coordinate descent over the chunks of a Dask array: the same as that of `cd` in memory.

Only the products are in float64, also of float32. A step is kept if it lowers the objective, which
is a small difference of large sums where components explain the frames well: with sums in float32
their rounding, which depends on the chunks, would decide which steps are kept.
"""

from __future__ import annotations

import numpy as np

from .blocks import Blocks, block_length
from .cd import Factorization, count_part, descend, learn_on_part
from .cd_activations import extrapolate, first_sums, start_activations
from .dask_frames import DaskFrames
from .dask_passes import DaskStates
from .problem import Problem, Stopping

SUMS_DTYPE = np.float64


def learn(
    X: DaskFrames,
    W: np.ndarray,
    problem: Problem,
    rng: np.random.RandomState,
    stopping: Stopping,
) -> tuple[np.ndarray, list, np.ndarray]:
    """Factorise as `cd.factorize` does.

    Parameters
    ----------
    X : DaskFrames of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
        With beta = 2.
    rng : numpy.random.RandomState
        Draws the part of the frames for the first steps, which are in the calling process.
    stopping : Stopping

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    activations : list of dask.delayed.Delayed
        States of the chunks, for `activations_of`.
    curve : ndarray of shape (n_iter + 1,)
        The objective before and after each step on all frames.
    """
    n_frames = count_part(X.shape[0], len(W))
    if n_frames:
        W = learn_on_part(X.take(X.draw(n_frames, rng)), W, problem, stopping.max_iter)
    sweeps = DaskStates(X, _begin, _step, problem.sparsity, W)
    whole = Factorization(sweeps, W, problem)
    curve = descend(whole, stopping)
    return whole.W, whole.H, np.array(curve)


def activations_of(state: dict[int, np.ndarray]) -> np.ndarray:
    """Return the activations of a chunk.

    Parameters
    ----------
    state : dict
        Blocks of shape (n_components, n_frames), by the index of their first frame.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    return np.concatenate([H for _, H in sorted(state.items())], axis=1).T.copy()


def _begin(x, _, sparsity, W):
    activations = start_activations(x, W, sparsity)
    return activations, first_sums(x, activations, _blocks(x, W), SUMS_DTYPE)


def _step(x, activations, sparsity, W, length):
    return extrapolate(x, activations, W, sparsity, length, _blocks(x, W), SUMS_DTYPE)


def _blocks(x, W):
    return Blocks(len(x), block_length(len(W)))
