"""Block by block through recordings: memory stays bounded, whatever their lengths and number."""

from __future__ import annotations

import sys

import numpy as np

from sknmf_unfold.base.tensors import batches_by_length, pad
from sknmf_unfold.base.workers import worker_threads

# Padded frames of the recordings that go through a recurrence together, and how many frames of
# all of them take part in one step: enough to fill matrix products. More recordings than can
# share the latter would get blocks so short that calling numpy costs more than its work.
MAX_FRAMES = 16_000
BLOCK = 1536
MAX_SHARES = 64
# Threads at most, each with a block in memory; those of a recurrence come one after the other, and
# only what is left to do for each goes on beside it.
MAX_THREADS, RECURRENT_THREADS = 8, 2


def run_in_blocks(sequences, step, consume, recurrent=True):
    """Apply a function to all recordings, block by block of frames.

    It is called block after block; results that are callables are computed beside that.

    Parameters
    ----------
    sequences : Sequences
        Recordings.
    step : callable
        ``step(magnitude, state) -> (result, state)`` with `magnitude` (batch, frames, bins),
        `result` (batch, frames, anything), or a callable that computes it in another thread, and a
        state that is None at first and then what the last call on these recordings returned: None,
        or an array or Tensor of shape (batch, ...).
    consume : callable
        ``consume(index, frames, result)`` gets which recording it is, of shape (n_frames, n_freqs)
        its next frames, complex for a spectrogram, magnitudes for magnitudes, and of shape
        (n_frames, anything) what `step` made of them. The blocks of each recording come in order,
        one call after the other.
    recurrent : bool, default=True
        Whether frames depend on those before them, so that recordings of similar length are worth
        padding to go through together.
    """
    with worker_threads(_most_threads(recurrent)) as workers:
        workers.run(_finish, _blocks(sequences, step, recurrent), lambda rows: _each(consume, rows))


def _most_threads(recurrent=False):
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        # What several threads gave to a GPU would only have to fit into its memory together.
        return 1
    return RECURRENT_THREADS if recurrent else MAX_THREADS


def _finish(block):
    indices, frames, result = block
    rows = zip(indices, frames, finished(result), strict=True)
    return [(i, part, row[: len(part)]) for i, part, row in rows]


def _each(function, rows):
    for row in rows:
        function(*row)


def finished(result):
    """Return the result of a step, or compute it if the step has left that.

    Parameters
    ----------
    result : ndarray or callable

    Returns
    -------
    result : ndarray
    """
    return result() if callable(result) else result


def after(result, function):
    """Apply a function to the result of a step, when it is computed.

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
    for batch in batches_by_length(lengths, MAX_FRAMES) if recurrent else alone:
        yield from _batch_blocks(sequences, step, batch, lengths[batch])


def _batch_blocks(sequences, step, indices, lengths):
    """`_blocks` of some recordings, the shortest first, which leave when they have ended."""
    start, state = 0, None
    while start < lengths[-1]:
        ended = np.searchsorted(lengths, start, side="right")
        indices, lengths = indices[ended:], lengths[ended:]
        state = state if state is None else state[ended:]
        stop = start + max(BLOCK // min(len(indices), MAX_SHARES), 1)
        frames = [sequences.block(i, start, stop) for i in indices]
        magnitude, _ = pad([_magnitude(x, sequences.dtype) for x in frames], frames_first=True)
        result, state = step(magnitude.swapaxes(0, 1), state)
        yield indices, frames, result
        start = stop


def run_on_table(table, step):
    """Apply the same kind of function to independent rows, each a recording of one frame.

    Parameters
    ----------
    table : ndarray of shape (n_samples, n_freqs)
    step : callable
        As in `run_in_blocks`.

    Returns
    -------
    results : ndarray of shape (n_samples, anything)
    """
    blocks = [table[start : start + BLOCK, None] for start in range(0, len(table), BLOCK)]
    with worker_threads(_most_threads()) as workers:
        results = workers.map(lambda x: finished(step(x, None)[0])[:, 0], blocks)
    return np.concatenate(results)


def framewise(infer):
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
    """Joins blocks of rows in one array, which is made once.

    Parameters
    ----------
    n_rows : int
        How many there will be.

    Attributes
    ----------
    array : ndarray of shape (n_rows, anything), or None before the first block
    """

    def __init__(self, n_rows):
        self.n_rows = n_rows
        self.array = None
        self._filled = 0

    def append(self, rows):
        """Add the next rows.

        Parameters
        ----------
        rows : ndarray of shape (any number, anything)
        """
        if self.array is None:
            self.array = np.empty((self.n_rows, *rows.shape[1:]), dtype=rows.dtype)
        self.array[self._filled : self._filled + len(rows)] = rows
        self._filled += len(rows)
