"""Learning the components of `SparseNMF`, whatever the solver, at once or in batches."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

import numpy as np

from . import cd, mu, online
from .mu_updates import initial_activations, objective

# Bytes of activations above which they are not kept, and frames of a batch then.
MAX_ACTIVATIONS = 12 * 2**20
BATCH_SIZE = 4096


class Learned(NamedTuple):
    """What was learned.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components.
    curve : ndarray
        Objectives.
    divergence : float
        The last one.
    statistics : dict, optional
        Of batches, if there were some.
    """

    W: np.ndarray
    curve: np.ndarray
    divergence: float
    statistics: dict | None = None


# What overflows shows in the objective.
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def learn(frames, W, *, solver, beta, batch_size, rng, device=None, **settings):
    """Learn components from frames that are all there.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Components to start from, rows of unit norm.
    solver : {"mu", "cd"}
    beta : float
        Divergence.
    batch_size : int, "auto" or None
        See `SparseNMF`.
    rng : numpy.random.RandomState
    device : torch.device, optional
        Where torch computes, on all frames at once; numpy does if None.
    **settings
        `sparsity`, `n_fixed`, `max_iter`, `tol`, `callback` of the solvers.

    Returns
    -------
    learned : Learned
    """
    is_small = len(frames) * len(W) * frames.itemsize <= MAX_ACTIVATIONS
    if batch_size == "auto":
        batch_size = None if is_small or device is not None else BATCH_SIZE
    if batch_size is not None and batch_size < len(frames):
        settings |= {"beta": beta, "batch_size": batch_size, "rng": rng}
        return Learned(*online.factorize(frames, W, **settings))
    if solver == "cd":
        W, H, curve = cd.factorize(frames, W, rng=rng, **settings)
    else:
        H = _scattered(initial_activations(frames, W), rng)
        W, H, curve = mu.factorize(frames, W, H, beta=beta, device=device, **settings)
    return Learned(W, curve, objective(frames, W, H, beta, 0.0))


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def learn_more(frames, W, *, batch_size, rng, statistics=None, curve=None, **settings):
    """Learn components from some frames of many, in their order.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Components so far, rows of unit norm.
    batch_size : int, "auto" or None
        See `SparseNMF`.
    rng : numpy.random.RandomState
    statistics : dict, optional
        Of the batches so far.
    curve : ndarray of shape (n_iter,), optional
        The objectives so far; None says that W has not learned anything.
    **settings
        `beta`, `sparsity`, `n_fixed` of `online.learn_batch`.

    Returns
    -------
    learned : Learned
    """
    batch_size = batch_size if isinstance(batch_size, Integral) else BATCH_SIZE
    statistics = dict(statistics or {"n_frames": 0})
    if curve is None:
        curve = np.empty(0)
        W = online.first_components(frames[:batch_size], W, rng=rng, **settings)
    divergence = value = 0.0
    for start in range(0, len(frames), batch_size):
        batch = frames[start : start + batch_size]
        W, *of_batch = online.learn_batch(batch, W, statistics, **settings)
        divergence, value = divergence + of_batch[0], value + of_batch[1]
    return Learned(W, np.append(curve, value), divergence, statistics)


def _scattered(H, rng):
    """Scatter activations around what they are, block by block to save memory."""
    for start in range(0, len(H), BATCH_SIZE):
        block = H[start : start + BATCH_SIZE]
        block *= rng.uniform(0.5, 1.5, size=block.shape).astype(H.dtype)
    return H
