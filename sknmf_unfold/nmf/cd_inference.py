"""Inference of activations for a fixed dictionary by coordinate descent, beta = 2.

Minimises ``1/2 ||x - h W||^2 + sparsity * sum(h)`` over ``h >= 0`` for every frame x.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from sknmf_unfold.base.threads import one_thread_a_product

from .blocks import Blocks, Workspace, block_length
from .divergence import check_range
from .initial import initial_activations
from .problem import Problem, Stopping
from .sweeps import choose_sweep

# Sweeps between two checks of the optimality gap.
CHECK_SWEEPS = 5
# Largest weight of the momentum. More overshoots.
MAX_MOMENTUM = 0.7
# Largest `optimality_gap` with which masks are as good as with the optimum.
MAX_GAP = 5e-3


def infer(
    X: np.ndarray | csr_array, W: np.ndarray, problem: Problem, stopping: Stopping
) -> np.ndarray:
    """Call `solve_activations` with the arguments of the table of solvers.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    problem : Problem
    stopping : Stopping
        A frame stops at an `optimality_gap` of `tol`.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    return solve_activations(
        X, W, sparsity=problem.sparsity, tol=stopping.tol, max_iter=stopping.max_iter
    )


@one_thread_a_product()
@np.errstate(over="ignore", invalid="ignore")
def solve_activations(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    *,
    sparsity: float,
    initial: np.ndarray | None = None,
    tol: float = MAX_GAP,
    max_iter: int = 200,
) -> np.ndarray:
    """Find the optimal activations for a fixed dictionary.

    Every frame is a convex problem of its own, so its result does not depend on other frames.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
        Magnitudes.
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.
    initial : ndarray of shape (n_frames, n_components), optional
        Initial activations.
    tol : float, default=5e-3
        A frame stops once no activation is further from the best value for its component, given
        the others, than `tol` times the largest activation of the frame.
    max_iter : int, default=200
        Maximum number of sweeps.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
        Exactly 0 where the optimum is 0.

    Raises
    ------
    ValueError
        If the squares of such magnitudes leave the range of their dtype.

    References
    ----------
    .. [1] Cichocki, Phan, "Fast local algorithms for large scale nonnegative matrix and tensor
       factorizations", IEICE Transactions E92-A(3), 2009: the sweep.
    .. [2] O'Donoghue, Candes, "Adaptive restart for accelerated gradient schemes", Foundations of
       Computational Mathematics 15, 2015: the restart, here for each frame.

    Examples
    --------
    >>> W = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> solve_activations(np.array([[2.0, 0.0], [0.6, 0.8]]), W, sparsity=0.0, tol=1e-9).round(6)
    array([[2., 0.],
           [0., 1.]])
    """
    sweep = choose_sweep(W, sparsity)
    H = np.empty((X.shape[0], len(W)), dtype=X.dtype)

    def solve(frames, workspace):
        x = X[frames]
        first = initial_activations(x, W) if initial is None else initial[frames]
        targets = sweep.targets(x, workspace)
        start = workspace.array("start", len(W), x.shape[0], dtype=X.dtype)
        start[:] = first.T
        H[frames] = _solve_block(start, targets, sweep, workspace, tol, max_iter).T

    Blocks(X.shape[0], block_length(len(W))).run(solve)
    check_range(X, 2, H)
    return H


def optimality_gap(X: np.ndarray, W: np.ndarray, H: np.ndarray, sparsity: float) -> np.ndarray:
    """Measure how far activations are from optimal.

    Parameters
    ----------
    X, W, H : ndarray
        Of shapes (n_frames, n_freqs), (n_components, n_freqs), (n_frames, n_components).
    sparsity : float
        Weight of the l1 penalty.

    Returns
    -------
    gap : ndarray of shape (n_frames,)
        Largest distance of an activation from the best value for its component, given the others,
        in units of the largest activation of the frame; 0 is optimal, by the conditions of Karush,
        Kuhn and Tucker.
    """
    sweep = choose_sweep(W, sparsity)
    return sweep.assess(H.T, sweep.targets(X, Workspace()))[0]


def _solve_block(start, targets, sweep, workspace, tol, max_iter):
    """Sweep with momentum; each frame keeps its activations once their gap is below `tol`."""
    arrays = [workspace.array(i, *start.shape, dtype=start.dtype) for i in range(5)]
    result, H, point, before, step = arrays
    H[:], point[:] = start, start
    n_frames = start.shape[1]
    frames, is_open = np.arange(n_frames), np.ones(n_frames, dtype=bool)
    age, value = np.zeros(n_frames, dtype=H.dtype), np.full(n_frames, np.inf)
    limit = np.full_like(age, MAX_MOMENTUM)
    for i in range(1, max_iter + 1):
        np.copyto(before, point)
        sweep.run(point, targets, workspace)
        np.subtract(point, H, out=step)
        # Where the step turned against the momentum, the momentum restarts from 0.
        before -= point
        turned = np.einsum("nt,nt->t", before, step) > 0
        age = np.where(turned, 0, age + 1).astype(H.dtype)
        step *= np.minimum(age / (age + 3), limit)
        # The memory of the old activations is reused for the next point.
        H, point = point, H
        np.maximum(np.add(H, step, out=point), 0, out=point)
        if i % CHECK_SWEEPS == 0:
            gap, now = sweep.assess(H, targets)
            # Momentum may cycle, which the restart does not detect; a smaller limit ends the cycle.
            limit, value = np.where(now < value, limit, limit / 2).astype(H.dtype), now
            done = is_open & (gap <= tol)
            result[:, frames[done]] = H[:, done]
            is_open &= ~done
            if not is_open.any():
                return result
            # Removing frames copies the others, so only many are removed at once.
            if is_open.mean() < 0.7:
                frames, age, limit, value = (a[is_open] for a in (frames, age, limit, value))
                H, point, targets = (a[:, is_open] for a in (H, point, targets))
                before, step, is_open = np.empty_like(H), np.empty_like(H), is_open[is_open]
    result[:, frames[is_open]] = H[:, is_open]
    return result
