"""Processing of recordings in blocks of frames, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sknmf_unfold.base.loaded import loaded_torch
from sknmf_unfold.base.tensors import batches_by_length, pad
from sknmf_unfold.base.workers import worker_threads
from sknmf_unfold.validation.sequences import Sequences

# Padded frames of the recordings that are processed together.
MAX_BATCH_FRAMES = 16_000
# Frames of a block, those of all its recordings together: enough for fast matrix products.
BLOCK_FRAMES = 1536
# Recordings that a block is divided among; more would make blocks so short that calls of numpy take
# longer than their work.
MAX_BLOCK_RECORDINGS = 64
# Threads at most, each with a block in memory. The blocks of a recurrence are computed one after
# the other, and only their outputs in a second thread.
MAX_THREADS, RECURRENT_THREADS = 8, 2


def run_in_blocks(
    sequences: Sequences,
    step: Callable,
    consume: Callable[[int, np.ndarray, np.ndarray], None],
    recurrent: bool = True,
) -> None:
    """Apply a step to all recordings, block by block of frames.

    Results that are callables are computed in other threads.

    Parameters
    ----------
    sequences : Sequences
        Recordings.
    step : callable
        ``step(magnitude, state) -> (result, state)`` with `magnitude` (batch, frames, bins),
        `result` (batch, frames, anything), or a callable that computes it in another thread, and a
        state that is None at first and then that of the last call on these recordings: None, or an
        array or Tensor of shape (batch, ...).
    consume : callable
        ``consume(index, frames, result)`` takes the index of a recording, its next frames of shape
        (n_frames, n_freqs), complex for a spectrogram, magnitudes for magnitudes, and the result of
        `step` for them, of shape (n_frames, anything). The blocks of each recording come in order,
        in one thread.
    recurrent : bool, default=True
        Whether frames depend on those before them: then recordings of similar length are padded and
        processed together.
    """
    with worker_threads(_most_threads(recurrent)) as workers:
        workers.run(_finish, _blocks(sequences, step, recurrent), lambda rows: _each(consume, rows))


def _most_threads(recurrent=False):
    torch = loaded_torch()
    if torch is not None and torch.cuda.is_initialized():
        # Several threads would only need more of the memory of a GPU.
        return 1
    return RECURRENT_THREADS if recurrent else MAX_THREADS


def _finish(block):
    indices, frames, result = block
    rows = zip(indices, frames, finished(result), strict=True)
    return [(i, part, row[: len(part)]) for i, part, row in rows]


def _each(function, rows):
    for row in rows:
        function(*row)


def finished(result: Any) -> Any:
    """Return the result of a step, or compute it if it is a callable.

    Parameters
    ----------
    result : ndarray or callable

    Returns
    -------
    result : ndarray
    """
    return result() if callable(result) else result


def after(result: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to the result of a step once it is computed.

    Parameters
    ----------
    result : ndarray or callable
    function : callable

    Returns
    -------
    result : ndarray or callable

    Examples
    --------
    >>> after(lambda: 2, float)()
    2.0
    """
    return (lambda: function(result())) if callable(result) else function(result)


def _blocks(sequences, step, recurrent):
    """Yield recordings, their next frames, and the result of the step, block after block."""
    lengths = sequences.n_frames
    alone = [[i] for i in range(len(sequences))]
    for batch in batches_by_length(lengths, MAX_BATCH_FRAMES) if recurrent else alone:
        yield from _batch_blocks(sequences, step, batch, lengths[batch])


def _batch_blocks(sequences, step, indices, lengths):
    """`_blocks` of some recordings, sorted by length; recordings that have ended are left out."""
    start, state = 0, None
    while start < lengths[-1]:
        ended = np.searchsorted(lengths, start, side="right")
        indices, lengths = indices[ended:], lengths[ended:]
        state = state if state is None else state[ended:]
        stop = start + max(BLOCK_FRAMES // min(len(indices), MAX_BLOCK_RECORDINGS), 1)
        frames = [sequences.block(i, start, stop) for i in indices]
        magnitude, _ = pad([_magnitude(x, sequences.dtype) for x in frames], frames_first=True)
        result, state = step(magnitude.swapaxes(0, 1), state)
        yield indices, frames, result
        start = stop


def run_on_table(table: np.ndarray, step: Callable) -> np.ndarray:
    """Apply a step to independent rows, each a recording of one frame.

    Parameters
    ----------
    table : ndarray of shape (n_samples, n_freqs)
    step : callable
        As in `run_in_blocks`.

    Returns
    -------
    results : ndarray of shape (n_samples, anything)
    """
    blocks = [
        table[start : start + BLOCK_FRAMES, None] for start in range(0, len(table), BLOCK_FRAMES)
    ]
    with worker_threads(_most_threads()) as workers:
        results = workers.map(lambda x: finished(step(x, None)[0])[:, 0], blocks)
    return np.concatenate(results)


def framewise(infer: Callable[[np.ndarray], np.ndarray]) -> Callable:
    """Make a step for `run_in_blocks` of a function of independent frames.

    Parameters
    ----------
    infer : callable
        ``infer(frames) -> result``, of shapes (n_frames, n_freqs) and (n_frames, anything).

    Returns
    -------
    step : callable
    """

    def step(magnitude, state):
        rows = magnitude.reshape(-1, magnitude.shape[-1])
        return lambda: infer(rows).reshape(*magnitude.shape[:2], -1), None

    return step


def _magnitude(frames, dtype):
    frames = np.abs(frames) if np.iscomplexobj(frames) else frames
    return frames.astype(dtype, copy=False)


class Rows:
    """Join blocks of rows in one array, which is allocated once.

    Parameters
    ----------
    n_rows : int
        Number of all rows.

    Attributes
    ----------
    array : ndarray of shape (n_rows, anything), or None before the first block
    """

    def __init__(self, n_rows: int):
        self.n_rows = n_rows
        self.array: np.ndarray | None = None
        self._filled = 0

    def append(self, rows: np.ndarray) -> None:
        """Add the next rows.

        Parameters
        ----------
        rows : ndarray of shape (any number, anything)
        """
        if self.array is None:
            self.array = np.empty((self.n_rows, *rows.shape[1:]), dtype=rows.dtype)
        self.array[self._filled : self._filled + len(rows)] = rows
        self._filled += len(rows)
