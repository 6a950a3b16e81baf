"""Sparse NMF by coordinate descent with extrapolation, beta = 2.

Sweeps over activations and components alternate, and both are extrapolated in the direction of
their last step. For a component of unit norm the best value, given all others, has a closed form:
the rectified correlation of its activations with the residual of the other components, scaled to
unit norm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from sknmf_unfold.base.threads import one_thread_a_product

from .cd_activations import MemorySweeps, Sweeps
from .matrices import unit_rows
from .problem import Problem, Stopping

# Sweeps over the components for each batch.
SWEEPS_PER_BATCH = 2
# The first steps are on a part of the frames: its share of them, its frames at most (it is a copy),
# and the gain of a step, relative to the objective, below which steps on all frames begin.
PART_SHARE, MAX_PART_FRAMES = 1 / 8, 20_000
MIN_PART_GAIN = 2e-3
# A part with fewer frames for each component determines it too badly.
MIN_FRAMES_PER_COMPONENT = 10
# Steps between two checks of convergence.
CHECK_STEPS = 10
# Initial length of the extrapolation, its growth and that of its limit after a step that lowered
# the objective, and its divisor after one that did not.
INITIAL_LENGTH, LENGTH_GROWTH, LIMIT_GROWTH, LENGTH_DIVISOR = 0.5, 1.05, 1.01, 1.5


@one_thread_a_product()
@np.errstate(over="ignore", invalid="ignore")
def factorize(
    X: np.ndarray | csr_array,
    W: np.ndarray,
    problem: Problem,
    rng: np.random.RandomState,
    stopping: Stopping,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factorise with components of unit norm.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
        With beta = 2.
    rng : numpy.random.RandomState
        Draws the part of the frames for the first steps.
    stopping : Stopping
        `max_iter` holds for the part and for all frames. Stops once 10 steps on all frames lowered
        the objective by less than `tol` times its value before the first of them. The callback is
        called after each step on all frames.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    H : ndarray of shape (n_frames, n_components)
    curve : ndarray of shape (n_iter + 1,)
        The objective before and after each step on all frames.

    References
    ----------
    .. [1] Cichocki, Phan, "Fast local algorithms for large scale nonnegative matrix and tensor
       factorizations", IEICE Transactions E92-A(3), 2009.
    .. [2] Gillis, Glineur, "Accelerated multiplicative updates and hierarchical ALS algorithms for
       nonnegative matrix factorization", Neural Computation 24(4), 2012.
    .. [3] Ang, Gillis, "Accelerating nonnegative matrix factorization algorithms using
       extrapolation", Neural Computation 31(2), 2019.

    Examples
    --------
    >>> rng = np.random.RandomState(0)
    >>> X = rng.gamma(0.3, 1.0, (200, 3)) @ unit_rows(rng.gamma(0.3, 1.0, (3, 20)))
    >>> start = unit_rows(rng.uniform(0.1, 1.0, (3, 20)))
    >>> W, H, curve = factorize(X, start, Problem(2.0, 0.0), rng, Stopping(tol=0))
    >>> bool(np.linalg.norm(X - H @ W) < 1e-3 * np.linalg.norm(X))
    True
    """
    order = rng.permutation(X.shape[0])
    n_frames = count_part(X.shape[0], len(W))
    if n_frames:
        W = learn_on_part(X[np.sort(order[:n_frames])], W, problem, stopping.max_iter)
    whole = Factorization(MemorySweeps(X, W, problem.sparsity), W, problem)
    curve = descend(whole, stopping)
    return whole.W, whole.H.T.copy(), np.array(curve)


def count_part(n_frames: int, n_components: int) -> int:
    """Count the frames of the part that the first steps are on.

    Parameters
    ----------
    n_frames, n_components : int

    Returns
    -------
    n_frames : int
        0 if a part has too few frames for the components.

    Examples
    --------
    >>> count_part(8000, 100), count_part(7999, 100)
    (1000, 0)
    """
    n_frames = min(int(PART_SHARE * n_frames), MAX_PART_FRAMES)
    return n_frames if n_frames >= MIN_FRAMES_PER_COMPONENT * n_components else 0


def learn_on_part(
    X: np.ndarray | csr_array, W: np.ndarray, problem: Problem, max_iter: int
) -> np.ndarray:
    """Learn components from a part of the frames, until steps gain little.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
        The part.
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
    max_iter : int
        Steps at most.

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    """
    part = Factorization(MemorySweeps(X, W, problem.sparsity), W, problem)
    _descend_on_part(part, max_iter)
    return part.W


class Factorization:
    """Components of some frames with their activations, and their extrapolation.

    Parameters
    ----------
    sweeps : Sweeps
        The frames and their activations.
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm, for which the sweeps have initial activations.
    problem : Problem

    Attributes
    ----------
    W : ndarray of shape (n_components, n_freqs)
    objective : float
        For it and the activations, the lowest so far.
    """

    def __init__(self, sweeps: Sweeps, W: np.ndarray, problem: Problem) -> None:
        self._sweeps, self.n_fixed = sweeps, problem.n_fixed
        self._sparsity = float(W.dtype.type(problem.sparsity))
        *sums, self.power = sweeps.first()
        self.W, self.objective = W, self._objective(W, *sums)
        # Extrapolated components, from which the next step starts.
        self._ahead = W
        self._length, self._limit = INITIAL_LENGTH, 1.0

    @property
    def H(self) -> Any:
        """Activations of all frames."""
        return self._sweeps.H

    def step(self) -> None:
        """Sweep activations and components; keep the result if the objective fell."""
        products, gram, activity = self._sweeps.step(self._ahead, self._length)
        W = self._ahead.copy()
        sweep_components(W, products.astype(W.dtype), gram.astype(W.dtype), self.n_fixed)
        objective = self._objective(W, products, gram, activity)
        if objective > self.objective:
            self._limit, self._length = self._length, self._length / LENGTH_DIVISOR
            self._ahead = self.W
            return
        ahead = unit_rows(np.maximum(W + W.dtype.type(self._length) * (W - self.W), 0))
        ahead[: self.n_fixed] = W[: self.n_fixed]
        self._length = min(self._limit, self._length * LENGTH_GROWTH)
        self._limit = min(1.0, self._limit * LIMIT_GROWTH)
        self._sweeps.adopt()
        self.W, self.objective, self._ahead = W, objective, ahead

    def _objective(self, W, products, gram, activity):
        W = W.astype(np.float64)
        quadratic = 0.5 * np.sum(gram * (W @ W.T)) - np.sum(products * W)
        return self.power + float(quadratic) + self._sparsity * activity


def update_components(W: np.ndarray, statistics: dict, problem: Problem) -> np.ndarray:
    """Update components for the statistics of batches.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Rows of unit norm.
    statistics : dict
        With `products` and `gram`, see `batch_statistics.products_and_gram`.
    problem : Problem

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
    """
    products, gram = (statistics[name].astype(W.dtype) for name in ("products", "gram"))
    W = W.copy()
    for _ in range(SWEEPS_PER_BATCH):
        sweep_components(W, products, gram, problem.n_fixed)
    return W


def sweep_components(
    W: np.ndarray, products: np.ndarray, gram: np.ndarray, n_fixed: int = 0
) -> None:
    """Give each component in turn its best direction, given the others.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Rows of unit norm; changed in place.
    products : ndarray of shape (n_components, n_freqs)
        ``H.T @ X`` for activations H of shape (n_frames, n_components).
    gram : ndarray of shape (n_components, n_components)
        ``H.T @ H``.
    n_fixed : int, default=0
        The first rows that stay as they are.
    """
    for k in range(n_fixed, len(W)):
        best = products[k] - gram[k] @ W + gram[k, k] * W[k]
        np.maximum(best, 0, out=best)
        norm = np.linalg.norm(best)
        # An unused component stays as it is, and may be used later.
        if norm > 0:
            np.divide(best, norm, out=W[k])


def descend(factorization: Factorization, stopping: Stopping) -> list[float]:
    """Take steps until `CHECK_STEPS` of them gain less than `tol` of the first objective.

    Parameters
    ----------
    factorization : Factorization
        Changed in place.
    stopping : Stopping

    Returns
    -------
    curve : list of float
        The objective before and after each step.
    """
    curve = [factorization.objective]
    for i in range(1, stopping.max_iter + 1):
        factorization.step()
        curve.append(factorization.objective)
        if stopping.callback is not None and stopping.callback(curve[-1], factorization.W):
            break
        if i % CHECK_STEPS == 0 and curve[-1 - CHECK_STEPS] - curve[-1] < stopping.tol * curve[0]:
            break
    return curve


def _descend_on_part(factorization, max_iter):
    """Take steps until `CHECK_STEPS` of them gain little of the objective that is left."""
    before = factorization.objective
    for i in range(1, max_iter + 1):
        factorization.step()
        if i % CHECK_STEPS == 0:
            gain, before = before - factorization.objective, factorization.objective
            if gain < MIN_PART_GAIN * CHECK_STEPS * before:
                break
