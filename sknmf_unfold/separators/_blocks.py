"""Block by block through recordings: memory stays bounded, whatever their lengths and number."""

from __future__ import annotations

import numpy as np

from sknmf_unfold._arrays import batches_by_length, pad

# Padded frames of the recordings that go through a recurrence together, and how many frames of
# all of them take part in one step: enough to fill matrix products. More recordings than can
# share the latter would get blocks so short that calling numpy costs more than its work.
MAX_FRAMES = 16_000
BLOCK = 1536
MAX_SHARES = 64


def run_in_blocks(sequences, step, recurrent=True):
    """Apply a function to all recordings, block by block of frames.

    Parameters
    ----------
    sequences : Sequences
        Recordings.
    step : callable
        ``step(magnitude, state) -> (result, state)`` with `magnitude` (batch, frames, bins),
        `result` (batch, frames, anything) and a state that is None at first and then what the
        last call on these recordings returned: None, or an array or Tensor of shape (batch, ...).
    recurrent : bool, default=True
        Whether frames depend on those before them, so that recordings of similar length are worth
        padding to go through together.

    Yields
    ------
    index : int
        Which recording; the blocks of each come in order.
    frames : ndarray of shape (n_frames, n_freqs)
        Its next frames: complex for a spectrogram, magnitudes for magnitudes.
    result : ndarray of shape (n_frames, anything)
        What `step` made of them.
    """
    lengths = sequences.n_frames
    alone = [[i] for i in range(len(sequences))]
    for batch in batches_by_length(lengths, MAX_FRAMES) if recurrent else alone:
        yield from _run_batch(sequences, step, batch, lengths[batch])


def _run_batch(sequences, step, indices, lengths):
    """`run_in_blocks` for some recordings, the shortest first, which leave when they have ended."""
    start, state = 0, None
    while start < lengths[-1]:
        ended = np.searchsorted(lengths, start, side="right")
        indices, lengths = indices[ended:], lengths[ended:]
        state = state if state is None else state[ended:]
        stop = start + max(BLOCK // min(len(indices), MAX_SHARES), 1)
        frames = [sequences.block(i, start, stop) for i in indices]
        magnitude, _ = pad([_magnitude(x, sequences.dtype) for x in frames], frames_first=True)
        results, state = step(magnitude.swapaxes(0, 1), state)
        for i, part, result in zip(indices, frames, results, strict=True):
            yield i, part, result[: len(part)]
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
    rows = [table[start : start + BLOCK, None] for start in range(0, len(table), BLOCK)]
    return np.concatenate([step(block, None)[0][:, 0] for block in rows])


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
        activations = infer(magnitude.reshape(-1, magnitude.shape[-1]))
        return activations.reshape(*magnitude.shape[:2], -1), None

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
