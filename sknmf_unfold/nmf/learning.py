"""Learning of the components of `SparseNMF`, from all frames at once or in batches."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from . import online
from .divergence import objective
from .file_frames import FileFrames
from .problem import Problem, Stopping
from .solvers import Solver

# With "auto", frames are learned from in batches where all activations would take more bytes, and
# the frames of a batch.
MAX_ACTIVATION_BYTES = 12 * 2**20
AUTO_BATCH_FRAMES = 4096


class Learned(NamedTuple):
    """Result of learning.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components.
    curve : ndarray
        Objectives.
    divergence : float
        The last one.
    statistics : dict, optional
        Of the batches; None for all frames at once.
    """

    W: np.ndarray
    curve: np.ndarray
    divergence: float
    statistics: dict[str, Any] | None = None


# An overflow shows in the objective.
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def learn(
    frames: np.ndarray | csr_array | FileFrames,
    W: np.ndarray,
    solver: Solver,
    problem: Problem,
    *,
    batch_size: int | str | None,
    rng: np.random.RandomState,
    stopping: Stopping,
) -> Learned:
    """Learn components from frames.

    Parameters
    ----------
    frames : ndarray, csr_array or FileFrames of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    solver : Solver
    problem : Problem
    batch_size : int, "auto" or None
        See `SparseNMF`.
    rng : numpy.random.RandomState
    stopping : Stopping

    Returns
    -------
    learned : Learned
    """
    n_frames = frames.shape[0]
    in_files = isinstance(frames, FileFrames)
    if batch_size == "auto":
        is_small = n_frames * len(W) * frames.dtype.itemsize <= MAX_ACTIVATION_BYTES
        batch_size = None if is_small and not in_files else AUTO_BATCH_FRAMES
    in_batches = isinstance(batch_size, Integral) and (in_files or batch_size < n_frames)
    if solver.batches is not None and isinstance(batch_size, Integral) and in_batches:
        settings: dict[str, Any] = {"batch_size": int(batch_size), "rng": rng, "stopping": stopping}
        return Learned(*online.factorize(frames, W, solver.batches, problem, **settings))
    W, H, curve = solver.learn(frames, W, problem, rng, stopping)
    return Learned(W, curve, objective(frames, W, H, problem.beta, 0.0))


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def learn_more(
    frames: np.ndarray | csr_array | FileFrames,
    W: np.ndarray,
    solver: Solver,
    problem: Problem,
    *,
    batch_size: int | str | None,
    rng: np.random.RandomState,
    statistics: dict[str, Any] | None = None,
    curve: np.ndarray | None = None,
) -> Learned:
    """Learn components from further frames, in batches in their order.

    Parameters
    ----------
    frames : ndarray, csr_array or FileFrames of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Current components, rows of unit norm.
    solver : Solver
        With batches.
    problem : Problem
    batch_size : int, "auto" or None
        See `SparseNMF`.
    rng : numpy.random.RandomState
    statistics : dict, optional
        Of the earlier batches.
    curve : ndarray of shape (n_iter,), optional
        The earlier objectives; None if W is initial.

    Returns
    -------
    learned : Learned
    """
    steps = solver.batches
    assert steps is not None
    batch_size = int(batch_size) if isinstance(batch_size, Integral) else AUTO_BATCH_FRAMES
    statistics = dict(statistics or {"n_frames": 0})
    is_first = curve is None
    curve = np.empty(0) if curve is None else curve
    divergence = value = 0.0
    for batch in _in_order(frames, batch_size):
        if is_first and not statistics["n_frames"]:
            W = steps.learn_first(batch, W, problem, rng, online.FIRST_STOPPING)[0]
        W, *of_batch = online.learn_batch(batch, W, statistics, steps, problem)
        divergence, value = divergence + of_batch[0], value + of_batch[1]
    return Learned(W, np.append(curve, value), divergence, statistics)


def _in_order(frames, batch_size):
    if isinstance(frames, FileFrames):
        return frames.in_order(batch_size)
    return (frames[i : i + batch_size] for i in range(0, frames.shape[0], batch_size))
