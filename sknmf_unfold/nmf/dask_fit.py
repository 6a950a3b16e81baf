"""``fit`` and ``partial_fit`` of `SparseNMF` on the chunks of a Dask array."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.base.callbacks import FitTask
from sknmf_unfold.base.progress import end_early, progress_bar
from sknmf_unfold.validation.options import check_random_state

from . import dask_cd, dask_mu
from .dask_frames import check_dask_frames
from .dask_passes import run
from .divergence import objective
from .initial import DECOMPOSITIONS, MAX_SVD_FRAMES
from .learning import Learned, learn_more
from .problem import Problem, Stopping
from .reports import reporter
from .settings import Settings, check_settings, n_fixed_of
from .silencing import Silencing, is_blank, silencing_of
from .solvers import Solver, solver_for

# Modules that learn from chunks, by the name of the solver: ``learn(X, W, problem, rng, stopping)``
# returns components, a state of each chunk and curve; ``activations_of(state)`` the activations.
CHUNK_SOLVERS: dict[str, Any] = {"cd": dask_cd, "mu": dask_mu}
# Frames that initial components are drawn from.
MAX_EXEMPLAR_FRAMES = 20_000


def choose_dask_solver(nmf: Any, settings: Settings, *, in_batches: bool = False) -> Solver:
    """Choose the solver for a Dask array.

    Parameters
    ----------
    nmf : SparseNMF
    settings : Settings
        Its checked parameters.
    in_batches : bool, default=False
        Whether to learn from batches.

    Returns
    -------
    solver : Solver

    Raises
    ------
    ValueError
        If `device` is not that of numpy.
    """
    if str(nmf.device) not in ("cpu", "auto"):
        raise ValueError(
            f"X is a Dask array, which `device`={nmf.device!r} cannot compute with; use "
            f"device='cpu', or pass X.compute() if it fits into memory."
        )
    return solver_for(nmf.solver, settings.beta, in_batches=in_batches)


# An overflow shows in the objective.
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def fit_dask(nmf: Any, X: Any, y: object) -> None:
    """Fit a `SparseNMF` to a Dask array, with all frames in each iteration.

    Parameters
    ----------
    nmf : SparseNMF
    X : dask.array.Array of shape (n_frames, n_freqs)
    y : object
        For callbacks.

    Raises
    ------
    ValueError, TypeError
        If a parameter or the data are not as `SparseNMF` describes them.
    """
    checked = check_settings(nmf)
    solver = _full_batch_solver(nmf, checked)
    task = FitTask(nmf._init_callback_context(max_subtasks=checked.max_iter), nmf, X, y)
    rng = check_random_state(nmf.random_state)
    frames = check_dask_frames(nmf, X, reset=True).at_most(checked.max_frames, rng)
    W, n_fixed = nmf._initialize(_sample(nmf.init, frames, rng), rng)
    problem = Problem(checked.beta, checked.sparsity, n_fixed)
    with progress_bar(checked.max_iter, nmf.verbose, "SparseNMF") as bar:
        stopping = Stopping(checked.max_iter, checked.tol, reporter(bar, task))
        learned, silencing = _learn(frames, W, solver, problem, rng=rng, stopping=stopping)
        end_early(bar, "converged")
    nmf._keep(frames, problem, learned)
    silencing.warn(pause_too=True)
    task.end(dict)


def _full_batch_solver(nmf, checked):
    if checked.batch_size not in ("auto", None):
        raise ValueError(
            f"X is a Dask array, from which `fit` learns with all frames in each iteration; got "
            f"`batch_size`={checked.batch_size}. Use batch_size=None, or `partial_fit`, which "
            f"learns from batches of each chunk."
        )
    solver = choose_dask_solver(nmf, checked)
    if solver.name not in CHUNK_SOLVERS:
        raise ValueError(
            f"`solver`={nmf.solver!r} does not learn from Dask arrays; use solver='auto', or pass "
            f"X.compute() if it fits into memory."
        )
    return solver


def _learn(frames, W, solver, problem, *, rng, stopping):
    """Learn components; return `Learned` and the silencing of the frames."""
    steps = CHUNK_SOLVERS[solver.name]
    W, states, curve = steps.learn(frames, W, problem, rng, stopping)
    divergence, silencing = run(frames, _judge, states, steps.activations_of, W, problem)[1]
    return Learned(W, curve, divergence), silencing


def _judge(x, state, activations_of, W, problem):
    divergence = objective(x, W, activations_of(state), problem.beta, 0.0)
    return None, [divergence, silencing_of(x, W, problem.sparsity, problem.beta)]


def _sample(init, frames, rng):
    """Gather as many frames as initial components need: a bounded number of random ones."""
    sampled = {"exemplar": MAX_EXEMPLAR_FRAMES} | dict.fromkeys(DECOMPOSITIONS, MAX_SVD_FRAMES)
    n_sampled = sampled.get(init, 0) if isinstance(init, str) else 0
    if n_sampled < frames.shape[0]:
        return frames.take(frames.draw(n_sampled, rng) if n_sampled else np.arange(0))
    return frames.take(np.arange(frames.shape[0]))


def partial_fit_dask(nmf: Any, X: Any) -> None:
    """Learn from one chunk of a Dask array after the other, each gathered into memory.

    Parameters
    ----------
    nmf : SparseNMF
    X : dask.array.Array of shape (n_frames, n_freqs)

    Raises
    ------
    ValueError, TypeError
        If a parameter or the data are not as `SparseNMF` describes them.
    """
    checked, is_first = check_settings(nmf), not hasattr(nmf, "components_")
    solver = choose_dask_solver(nmf, checked, in_batches=True)
    rng = check_random_state(nmf.random_state)
    frames = check_dask_frames(nmf, X, reset=is_first).at_most(checked.max_frames, rng)
    if is_first:
        W, n_fixed = nmf._initialize(_sample(nmf.init, frames, rng), rng)
        before, curve = None, np.empty(0)
    else:
        W, n_fixed = nmf._components(frames.dtype), n_fixed_of(nmf)
        before, curve = nmf._statistics, nmf.objective_curve_
    problem = Problem(checked.beta, checked.sparsity, n_fixed)
    settings = {"batch_size": checked.batch_size, "rng": rng}
    learned, silencing = _learn_chunks(frames, W, solver, problem, before, is_first, settings)
    nmf._keep(frames, problem, learned._replace(curve=np.append(curve, learned.curve.sum())))
    if is_first or is_blank(before):
        silencing.warn()


def _learn_chunks(frames, W, solver, problem, statistics, is_first, settings):
    """Learn from each chunk in turn; return `Learned`, and the silencing of the frames."""
    divergence, silencing, values = 0.0, Silencing(problem.sparsity), np.empty(0)
    for x in frames.arrays():
        # None has the first batch of all learned from by itself.
        curve = None if is_first and not len(values) else values
        progress = {"statistics": statistics, "curve": curve}
        learned = learn_more(x, W, solver, problem, **settings, **progress)
        W, values, statistics = learned.W, learned.curve, learned.statistics
        divergence += learned.divergence
        silencing += silencing_of(x, W, problem.sparsity, problem.beta)
    return Learned(W, values, divergence, statistics), silencing
