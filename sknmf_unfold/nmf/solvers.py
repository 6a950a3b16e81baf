"""Table of solvers: one row for each solver, divergence and device, with the functions that run.

A new solver is a file with functions that learn and infer, and a row here. The values of the
parameter `solver` are the names in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from . import cd, cd_inference, mu, mu_inference, mu_torch
from .batch_statistics import Statistics, gradient_sums, products_and_gram
from .divergence import BETA_LOSSES
from .problem import Problem, Stopping

Data: TypeAlias = np.ndarray | csr_array
# ``learn(X, W, problem, rng, stopping)`` returns components, activations and curve.
Learn = Callable[
    [Data, np.ndarray, Problem, np.random.RandomState, Stopping],
    tuple[np.ndarray, np.ndarray, np.ndarray],
]
# ``infer(X, W, problem, stopping)`` returns activations.
Infer = Callable[[Data, np.ndarray, Problem, Stopping], np.ndarray]


class BatchSteps(NamedTuple):
    """Functions with which a solver learns from batches.

    Parameters
    ----------
    learn_first : callable
        ``learn_first(X, W, problem, rng, stopping)`` factorises the first batch and returns
        components, activations and curve.
    infer : callable
        ``infer(X, W, problem, stopping)`` returns the activations of a batch.
    summarize : callable
        ``summarize(X, W, H, problem)`` returns the statistics of a batch.
    update : callable
        ``update(W, statistics, problem)`` returns components for the statistics of all batches.
    """

    learn_first: Learn
    infer: Infer
    summarize: Callable[[Data, np.ndarray, np.ndarray, Problem], Statistics]
    update: Callable[[np.ndarray, Statistics, Problem], np.ndarray]


class Solver(NamedTuple):
    """A row of the table.

    Parameters
    ----------
    name : str
        Value of the parameter `solver`.
    beta : float or None
        The only divergence that the row minimises; None for all.
    on_device : bool
        Whether it computes on a torch device; otherwise in numpy.
    learn : callable
        ``learn(X, W, problem, rng, stopping)`` factorises all frames at once and returns
        components, activations and curve.
    infer : callable
        ``infer(X, W, problem, stopping)`` returns activations for fixed components.
    batches : BatchSteps or None
        None if it does not learn from batches.
    """

    name: str
    beta: float | None
    on_device: bool
    learn: Learn
    infer: Infer
    batches: BatchSteps | None


CD_BATCHES = BatchSteps(cd.factorize, cd_inference.infer, products_and_gram, cd.update_components)
MU_PRODUCT_BATCHES = BatchSteps(
    mu.learn_first_batch, mu_inference.infer, products_and_gram, mu.update_by_products
)
MU_GRADIENT_BATCHES = BatchSteps(
    mu.learn_first_batch, mu_inference.infer, gradient_sums, mu.update_by_gradient
)
# "auto" takes the first row that suits.
SOLVERS = (
    Solver("cd", 2.0, False, cd.factorize, cd_inference.infer, CD_BATCHES),
    Solver("mu", 2.0, False, mu.learn, mu_inference.infer, MU_PRODUCT_BATCHES),
    Solver("mu", None, False, mu.learn, mu_inference.infer, MU_GRADIENT_BATCHES),
    Solver("mu", None, True, mu_torch.learn, mu_torch.infer, None),
)
# Values of the parameter `solver`.
SOLVER_NAMES = ("auto", *dict.fromkeys(row.name for row in SOLVERS))


def find_solver(
    name: str, beta: float, *, on_device: bool = False, in_batches: bool = False
) -> Solver | None:
    """Find the first row that suits.

    Parameters
    ----------
    name : str
        One of `SOLVER_NAMES`.
    beta : float
        Divergence.
    on_device : bool, default=False
        Whether to compute on a torch device.
    in_batches : bool, default=False
        Whether to learn from batches.

    Returns
    -------
    solver : Solver or None
        None if there is no such row.
    """
    for row in SOLVERS:
        suits = name in ("auto", row.name) and row.beta in (None, beta)
        if suits and row.on_device == on_device and (row.batches is not None or not in_batches):
            return row
    return None


def solver_for(name: str, beta: float, *, in_batches: bool = False) -> Solver:
    """Find the solver that runs in numpy.

    Parameters
    ----------
    name : str
        One of `SOLVER_NAMES`.
    beta : float
        Divergence.
    in_batches : bool, default=False
        Whether to learn from batches.

    Returns
    -------
    solver : Solver

    Raises
    ------
    ValueError
        If the solver of this name does not minimise the divergence, or does not learn from batches.

    Examples
    --------
    >>> solver_for("auto", 2).name, solver_for("auto", 1).name
    ('cd', 'mu')
    """
    solver = find_solver(name, beta, in_batches=in_batches)
    if solver is not None:
        return solver
    if find_solver(name, beta) is not None:
        raise ValueError(
            f"`solver`={name!r} does not learn from batches; use solver='auto', or fit with "
            f"batch_size=None."
        )
    betas = [row.beta for row in SOLVERS if row.name == name]
    names = " or ".join(repr(loss) for loss, value in BETA_LOSSES.items() if value in betas)
    raise ValueError(
        f"`solver`={name!r} minimises beta_loss={names} only; got beta_loss={beta:g}. Use "
        f"solver='auto'."
    )
