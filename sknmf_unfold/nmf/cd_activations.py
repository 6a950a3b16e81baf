"""Sweeps of coordinate descent over the activations of frames, and sums over the frames.

A step of the components needs sums over all frames, which have a fixed size. `Sweeps` computes
them: over frames in memory here, over the chunks of a Dask array in `dask_cd`. The activations of
some frames are kept in blocks of shape (n_components, n_frames), by the index of their first frame.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_array

from .blocks import Blocks, block_length
from .cd_inference import solve_activations
from .matrices import squares, total
from .sweeps import choose_sweep

# Sweeps over the activations for each one over the components: a product with the data costs as
# much as two or three sweeps.
SWEEPS_PER_STEP = 2


class Sweeps(Protocol):
    """Sweeps over the activations of all frames, and sums over these."""

    @property
    def H(self) -> Any:
        """Current activations: an array of shape (n_components, n_frames), or chunks of it."""

    def first(self) -> list:
        """Return products, Gram matrix and sum of the initial activations, and the power of X."""

    def step(self, W: np.ndarray, length: float) -> list:
        """Compute the next activations, to be adopted or not; return products, Gram and sum."""

    def adopt(self) -> None:
        """Make the last activations of `step` the current ones."""


class MemorySweeps:
    """`Sweeps` over frames in memory.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    sparsity : float
        Weight of the l1 penalty.
    """

    def __init__(self, X: np.ndarray | csr_array, W: np.ndarray, sparsity: float) -> None:
        self._X, self._sparsity = X, sparsity
        self._blocks = Blocks(X.shape[0], block_length(len(W)))
        self._activations = start_activations(X, W, sparsity)
        self._next = self._activations

    @property
    def H(self) -> np.ndarray:
        """Activations of all frames, of shape (n_components, n_frames)."""
        return np.concatenate([H for _, H in sorted(self._activations.items())], axis=1)

    def first(self) -> list:
        """Return the sums of the initial activations.

        Returns
        -------
        products, gram : ndarray
        activity, power : float
            See `first_sums`.
        """
        return first_sums(self._X, self._activations, self._blocks)

    def step(self, W: np.ndarray, length: float) -> list:
        """Sweep and extrapolate.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)
        length : float
            Of the extrapolation.

        Returns
        -------
        products, gram : ndarray
        activity : float
            See `extrapolate`.
        """
        # Of three generations of activations only two are kept.
        self._next = self._activations
        arguments = W, self._sparsity, length, self._blocks
        self._next, sums = extrapolate(self._X, self._activations, *arguments)
        return sums

    def adopt(self) -> None:
        """Make the last activations of `step` the current ones."""
        self._activations = self._next


def start_activations(
    X: np.ndarray | csr_array, W: np.ndarray, sparsity: float
) -> dict[int, np.ndarray]:
    """Infer initial activations by a few sweeps.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    sparsity : float
        Weight of the l1 penalty.

    Returns
    -------
    activations : dict
        Blocks of shape (n_components, n_frames).
    """
    H = solve_activations(X, W, sparsity=sparsity, max_iter=SWEEPS_PER_STEP, tol=0)
    block = block_length(len(W))
    return {start: H[start : start + block].T.copy() for start in range(0, X.shape[0], block)}


def first_sums(
    X: np.ndarray | csr_array,
    activations: dict[int, np.ndarray],
    blocks: Blocks,
    dtype: DTypeLike | None = None,
) -> list:
    """Sum over the frames what determines the objective.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    activations : dict
        Blocks of shape (n_components, n_frames).
    blocks : Blocks
        Of these frames.
    dtype : dtype, optional
        Of the products of a block, that of X if None; those of all blocks are added in float64.

    Returns
    -------
    products, gram : ndarray
        ``H @ X`` and ``H @ H.T``, in float64.
    activity, power : float
        The sum of H, and half the squares of X.
    """

    def sums(frames, _):
        H, x = activations[frames.start], X[frames]
        return (*_sums(x, H, dtype), 0.5 * squares(x))

    return blocks.sum(sums)


def extrapolate(
    X: np.ndarray | csr_array,
    activations: dict[int, np.ndarray],
    W: np.ndarray,
    sparsity: float,
    length: float,
    blocks: Blocks,
    dtype: DTypeLike | None = None,
) -> tuple[dict[int, np.ndarray], list]:
    """Sweep over activations, and extrapolate them in the direction of the step.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    activations : dict
        Blocks of shape (n_components, n_frames).
    W : ndarray of shape (n_components, n_freqs)
    sparsity : float
        Weight of the l1 penalty.
    length : float
        Of the extrapolation.
    blocks : Blocks
        Of these frames.
    dtype : dtype, optional
        See `first_sums`.

    Returns
    -------
    activations : dict
    sums : list
        Products, Gram matrix and sum of the new activations, as `first_sums`.
    """
    sweep, new, factor = choose_sweep(W, X.dtype.type(sparsity)), {}, X.dtype.type(length)

    def sums(frames, workspace):
        before = activations[frames.start]
        targets = sweep.targets(X[frames], workspace)
        H = before.copy()
        for _ in range(SWEEPS_PER_STEP):
            sweep.run(H, targets, workspace)
        step = workspace.array("step", *H.shape, dtype=H.dtype)
        np.subtract(H, before, out=step)
        step *= factor
        H += step
        np.maximum(H, 0, out=H)
        new[frames.start] = H
        return _sums(X[frames], H, dtype)

    totals = blocks.sum(sums)
    return new, totals


def _sums(X, H, dtype):
    if dtype is not None:
        X, H = X.astype(dtype, copy=False), H.astype(dtype, copy=False)
    return H @ X, H @ H.T, total(H)
