"""Multiplicative updates over the chunks of a Dask array: the same as those of `mu` in memory."""

from __future__ import annotations

import numpy as np

from .blocks import Blocks
from .dask_frames import DaskFrames
from .dask_passes import DaskStates
from .initial import initial_activations
from .mu import alternate
from .mu_activations import choose_activations, choose_sums
from .mu_updates import MIN_ENTRY
from .problem import Problem, Stopping


def learn(
    X: DaskFrames,
    W: np.ndarray,
    problem: Problem,
    rng: np.random.RandomState,
    stopping: Stopping,
) -> tuple[np.ndarray, list, np.ndarray]:
    """Factorise from equal activations of all components.

    Parameters
    ----------
    X : DaskFrames of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
    rng : numpy.random.RandomState
        Not used: random factors, as in memory, would be drawn for each frame.
    stopping : Stopping

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    activations : list of dask.delayed.Delayed
        States of the chunks, for `activations_of`.
    curve : ndarray of shape (n_iter + 1,)
        See `mu.factorize`.
    """
    passes = DaskStates(X, _begin, _step, choose_sums(problem, X), W)
    return alternate(choose_activations(passes, X.shape, problem), W, problem, stopping)


def activations_of(state: np.ndarray) -> np.ndarray:
    """Return the activations of a chunk.

    Parameters
    ----------
    state : ndarray of shape (n_frames, n_components)

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    return state


def _begin(x, _, sums, W):
    H = np.maximum(initial_activations(x, W), MIN_ENTRY)
    return H, sums.first(x, H, Blocks.of_data(x, len(W)))


def _step(x, H, sums, W):
    new = np.empty_like(H)
    return new, sums.step(x, H, W, Blocks.of_data(x, len(W)), new)
