"""Inference of activations and ratio masks for two fixed NMF dictionaries."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from sknmf_unfold.nmf.cd_inference import MAX_GAP
from sknmf_unfold.nmf.problem import Problem, Stopping
from sknmf_unfold.nmf.silencing import Silencing, WatchedStep
from sknmf_unfold.nmf.solvers import SOLVER_NAMES, solver_for
from sknmf_unfold.runtime.ista import ista
from sknmf_unfold.runtime.masks import FramewiseInference, RunningMasks, ratio_mask
from sknmf_unfold.runtime.recurrence import RunningRecurrence

from ._blocks import after, framewise

# Values of the parameter `inference`.
INFERENCES = (*SOLVER_NAMES, "ista", "warm_ista")


class NMFInference:
    """Inference of activations by one of `INFERENCES`, and masks of them.

    Parameters
    ----------
    name : str
        One of `INFERENCES`.
    target, interference : ndarray of shape (n_components, n_freqs)
        Dictionaries.
    problem : Problem
        Divergence and sparsity weight.
    n_iter : int
        Iterations for each frame.
    step_size : float
        Step of iterative soft-thresholding.
    """

    def __init__(
        self,
        name: str,
        target: np.ndarray,
        interference: np.ndarray,
        problem: Problem,
        n_iter: int,
        step_size: float,
    ):
        self._target, self._interference = target, interference
        self._sparsity = problem.sparsity
        components = np.vstack([target, interference])
        self._infer = _make_inference(name, components, problem, n_iter, step_size)

    @property
    def activation_step(self) -> WatchedStep:
        """The step of `run_in_blocks` that infers activations, and warns if all are silenced."""
        silencing, infer = Silencing(self._sparsity), self._step()
        # Blocks are inferred in several threads.
        lock = threading.Lock()

        def step(magnitude, state):
            activations, state = infer(magnitude, state)
            return after(activations, functools.partial(watched, magnitude)), state

        def watched(magnitude, activations):
            pair = (x.reshape(-1, x.shape[-1]) for x in (magnitude, activations))
            with lock:
                silencing.add(*pair)
            return activations

        return WatchedStep(step, silencing)

    @property
    def mask_step(self) -> WatchedStep:
        """The step of `run_in_blocks` that estimates the target's mask."""
        infer, n_target = self.activation_step, len(self._target)

        def step(magnitude, state):
            activations, state = infer(magnitude, state)
            return after(activations, lambda x: mask(x).reshape(magnitude.shape)), state

        def mask(activations):
            rows = activations.reshape(-1, activations.shape[-1])
            target = rows[:, :n_target] @ self._target
            return ratio_mask(target, rows[:, n_target:] @ self._interference)

        return WatchedStep(step, infer.silencing)

    def running_masks(self, n_streams: int) -> RunningMasks:
        """Make the estimator of masks frame by frame.

        Parameters
        ----------
        n_streams : int
            Number of independent streams.

        Returns
        -------
        masks : RunningMasks
        """
        is_recurrent = isinstance(self._infer, RunningRecurrence)
        infer: Any = self._infer.fresh(n_streams) if is_recurrent else None
        infer = infer or FramewiseInference(self._infer)
        return RunningMasks(infer, self._target, self._interference, ratio_mask)

    def _step(self):
        if not isinstance(self._infer, RunningRecurrence):
            return framewise(self._infer)

        def step(magnitude, state):
            recurrence = self._infer.fresh(len(magnitude))
            if state is not None:
                recurrence.resume(state)
            activations = recurrence(magnitude)
            return activations, activations[:, -1]

        return step


def _make_inference(
    name: str, components: np.ndarray, problem: Problem, n_iter: int, step_size: float
) -> Any:
    """Make the function of frames that infers activations, or the recurrence that does."""
    if name in SOLVER_NAMES:
        infer: Callable[..., np.ndarray] = solver_for(name, problem.beta).infer
        stopping = Stopping(n_iter, MAX_GAP)
        return functools.partial(infer, W=components, problem=problem, stopping=stopping)
    dtype, sparsity = components.dtype, problem.sparsity
    if name == "ista":
        infer = functools.partial(ista, components=components, sparsity=sparsity)
        return functools.partial(infer, step_size=dtype.type(step_size), n_iter=n_iter)
    return RunningRecurrence(
        components[np.newaxis],
        np.full(1, step_size, dtype),
        np.full((1, len(components)), sparsity, dtype),
        np.zeros(len(components), dtype),
        n_repeats=n_iter,
    )
