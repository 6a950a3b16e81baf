"""Passes over the chunks of a Dask array of frames.

A pass calls a function for each chunk, where the chunk is. The function returns what stays there
(activations) and sums of a fixed size. These are added in float64 in a tree over the chunks, whose
order depends on nothing but their number, and only the totals are gathered. Chunks are recomputed
from the array's graph in each pass unless the array is persisted.

Activations are persisted from pass to pass instead of inferred anew in each, since the next ones
are a sweep or an update away. The scheduler knows the tasks that they come from: if a worker dies,
it runs those of its chunks again elsewhere, from the first pass on. All tasks are pure functions,
so the result has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_a_product
from sknmf_unfold.validation.dask_arrays import as_rows

from .dask_frames import DaskFrames

# Results that are added in one task.
FAN_IN = 8
# Of the addresses of new arrays.
ALIGNMENT_BYTES = 16


class DaskStates:
    """Activations of the chunks, which stay where these are, from pass to pass.

    The same interface as that of activations in memory, `mu_activations.Passes` and
    `cd_activations.Sweeps`.

    Parameters
    ----------
    X : DaskFrames of shape (n_frames, n_freqs)
    begin : callable
        ``begin(x, None, constant, W)`` returns the initial activations of a chunk and their sums.
    step : callable
        ``step(x, activations, constant, *arguments)`` returns the next ones and their sums.
    constant : object
        The same in all passes.
    W : ndarray of shape (n_components, n_freqs)
        Initial components.

    Attributes
    ----------
    H : list of dask.delayed.Delayed
        Current activations, one for each chunk.
    """

    def __init__(
        self, X: DaskFrames, begin: Callable, step: Callable, constant: object, W: np.ndarray
    ) -> None:
        self._X, self._step, self._constant = X, step, constant
        self.H, self._first = run(X, begin, None, constant, W)
        self._next = self.H

    def first(self) -> list:
        """Return the sums of the initial activations.

        Returns
        -------
        sums : list
        """
        return self._first

    def step(self, *arguments: Any) -> list:
        """Compute the next activations.

        Parameters
        ----------
        *arguments : object
            Of the step.

        Returns
        -------
        sums : list
        """
        # Activations that were not adopted are released first.
        self._next = self.H
        self._next, sums = run(self._X, self._step, self.H, self._constant, *arguments)
        return sums

    def adopt(self) -> None:
        """Make the last activations of `step` the current ones."""
        self.H = self._next


def run(
    X: DaskFrames, function: Callable, states: list[Any] | None, *shared: Any
) -> tuple[list, list]:
    """Call a function for each chunk; keep its first result there, and add up the second.

    Parameters
    ----------
    X : DaskFrames of shape (n_frames, n_freqs)
    function : callable
        ``function(x, state, *shared)`` returns a new state, and a list of arrays or numbers.
        Both must depend on its arguments alone.
    states : list or None
        From an earlier pass, one for each chunk; None if there was none.
    *shared : object
        Further arguments, the same for all chunks.

    Returns
    -------
    states : list of dask.delayed.Delayed
        Persisted.
    totals : list
    """
    import dask

    # A task of their own, so that they are sent once and not with each chunk.
    sent = dask.delayed(_same)(shared)
    call = dask.delayed(_call)
    results = [
        call(function, x, state, X.dtype, X.shape[1], sent)
        for x, state in zip(X.chunks, states or [None] * len(X.chunks), strict=True)
    ]
    second = dask.delayed(_second)
    total = _tree([second(result) for result in results])
    *results, total = dask.persist(*results, total)
    return results, total.compute()


def _same(shared):
    return shared


def _second(result):
    return result[1]


# An overflow shows in the sums.
@default_settings()
@one_thread_a_product()
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def _call(function, chunk, result, dtype, n_freqs, shared):
    """Call a function for a chunk and the state in its last result."""
    x = as_rows(chunk, dtype, n_freqs, "A chunk of X")
    state = None if result is None else result[0]
    return function(aligned(x), aligned(state), *aligned(shared))


def aligned(value: Any) -> Any:
    """Copy arrays that a worker has received to addresses like those of new arrays.

    Matrix products of arrays at other addresses may differ in their rounding.

    Parameters
    ----------
    value : object
        An array, or a dict or tuple of such; anything else returns as it is.

    Returns
    -------
    value : object
    """
    if isinstance(value, np.ndarray):
        return value.copy(order="K") if value.ctypes.data % ALIGNMENT_BYTES else value
    if isinstance(value, dict):
        return {key: aligned(each) for key, each in value.items()}
    return tuple(map(aligned, value)) if type(value) is tuple else value


def _tree(results):
    """Add lists of arrays and numbers, `FAN_IN` at a time."""
    import dask

    add = dask.delayed(_add)
    while len(results) > 1:
        results = [add(results[i : i + FAN_IN]) for i in range(0, len(results), FAN_IN)]
    return results[0]


def _add(results):
    return [sum(parts[1:], start=parts[0]) for parts in zip(*results, strict=True)]
