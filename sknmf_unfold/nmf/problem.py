"""The minimisation problem that a solver works on, and its stopping rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Problem(NamedTuple):
    """Minimise ``D_beta(X | H W) + sparsity * sum(H)`` over H >= 0 and W >= 0 with unit rows.

    Parameters
    ----------
    beta : float
        Divergence.
    sparsity : float
        Weight of the l1 penalty.
    n_fixed : int, default=0
        The first rows of W that stay as they are.
    device : torch.device or None, default=None
        Where torch computes; numpy does if None.
    """

    beta: float
    sparsity: float
    n_fixed: int = 0
    device: Any = None


class Stopping(NamedTuple):
    """End of an iteration.

    Parameters
    ----------
    max_iter : int, default=200
        Iterations at most.
    tol : float, default=1e-4
        Tolerance, as each solver defines it; 0 never stops.
    callback : callable, optional
        ``callback(objective, W)`` after each iteration; a true value stops.
    """

    max_iter: int = 200
    tol: float = 1e-4
    callback: Callable[[float, np.ndarray], object] | None = None
