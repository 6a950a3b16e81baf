"""Frames in the chunks of a Dask array, checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.random import sample_without_replacement

from sknmf_unfold.validation.dask_arrays import (
    ChunkFacts,
    as_rows,
    check_chunk,
    check_dask_array,
    measure_chunk,
)

# A permutation of more frames takes too much memory to draw a few of them by it.
MAX_PERMUTED_FRAMES = 2**24


class DaskFrames:
    """Checked frames in the chunks of a Dask array, with some properties of an array.

    Parameters
    ----------
    chunks : list of dask.delayed.Delayed
        Arrays of shape (n_rows, n_freqs), none of them empty.
    lengths : list of int
        Their numbers of rows.
    n_freqs : int
    dtype : dtype
        That of floats to which each chunk is converted: float32 or float64.
    range_ : tuple of float
        Smallest and largest magnitude.
    """

    def __init__(
        self,
        chunks: list[Any],
        lengths: list[int],
        n_freqs: int,
        dtype: np.dtype,
        range_: tuple[float, float],
    ) -> None:
        self.chunks, self.lengths, self.dtype, self._range = chunks, lengths, dtype, range_
        self.shape = sum(lengths), n_freqs

    def min(self) -> float:
        """Return the smallest magnitude.

        Returns
        -------
        low : float
        """
        return self._range[0]

    def max(self) -> float:
        """Return the largest magnitude.

        Returns
        -------
        high : float
        """
        return self._range[1]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Gather some frames.

        Parameters
        ----------
        indices : ndarray of int
            Ascending; few enough for memory.

        Returns
        -------
        frames : ndarray of shape (len(indices), n_freqs)
        """
        import dask

        parts = [part for part in self._parts(indices) if part is not None]
        return np.concatenate([np.empty((0, self.shape[1]), self.dtype), *dask.compute(*parts)])

    def part(self, indices: np.ndarray) -> DaskFrames:
        """Select some frames, which are persisted.

        Parameters
        ----------
        indices : ndarray of int
            Ascending.

        Returns
        -------
        frames : DaskFrames
        """
        import dask

        parts, counts = self._parts(indices), self._counts(indices)
        chosen = [(part, n) for part, n in zip(parts, counts, strict=True) if n]
        chunks = list(dask.persist(*(part for part, _ in chosen)))
        return DaskFrames(chunks, [n for _, n in chosen], self.shape[1], self.dtype, self._range)

    def arrays(self) -> Iterator[np.ndarray]:
        """Gather one chunk after the other.

        Yields
        ------
        frames : ndarray of shape (n_rows, n_freqs)
        """
        import dask

        convert = dask.delayed(as_rows)
        for x in self.chunks:
            yield convert(x, self.dtype, self.shape[1], "A chunk of X").compute()

    def draw(self, n_frames: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw frames, each at most once; which ones does not depend on the chunks.

        Parameters
        ----------
        n_frames : int
        rng : numpy.random.RandomState

        Returns
        -------
        indices : ndarray of int
            Ascending. Those of ``rng.choice``, unless there are very many frames.
        """
        if self.shape[0] <= MAX_PERMUTED_FRAMES:
            return np.sort(rng.permutation(self.shape[0])[:n_frames])
        return np.sort(sample_without_replacement(self.shape[0], n_frames, random_state=rng))

    def at_most(self, max_frames: int | None, rng: np.random.RandomState) -> DaskFrames:
        """Return all frames, or a random part of them.

        Parameters
        ----------
        max_frames : int or None
        rng : numpy.random.RandomState

        Returns
        -------
        frames : DaskFrames
        """
        if max_frames is None or max_frames >= self.shape[0]:
            return self
        return self.part(self.draw(max_frames, rng))

    def _bounds(self):
        return np.cumsum([0, *self.lengths])

    def _counts(self, indices):
        return np.diff(np.searchsorted(indices, self._bounds())).tolist()

    def _parts(self, indices):
        """Make a task for the rows of each chunk that are among `indices`, None if none are."""
        import dask

        starts = self._bounds()[:-1]
        rows = np.split(indices, np.searchsorted(indices, starts[1:]))
        select = dask.delayed(_select)
        return [
            select(x, of_chunk - start, self.dtype, self.shape[1]) if len(of_chunk) else None
            for x, of_chunk, start in zip(self.chunks, rows, starts, strict=True)
        ]


def check_dask_frames(estimator: BaseEstimator, X: Any, *, reset: bool) -> DaskFrames:
    """Check a Dask array of frames in one pass over it.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` where `reset` is true, and is compared with it otherwise.
    X : dask.array.Array of shape (n_frames, n_freqs)
    reset : bool
        Whether this is ``fit``.

    Returns
    -------
    frames : DaskFrames

    Raises
    ------
    ValueError, TypeError
        If it has chunks of unknown sizes, more than one along the bins, or values that are not
        allowed; the chunk is named.
    """
    import dask

    dtype, n_freqs = check_dask_array(estimator, X, reset=reset), X.shape[1]
    chunks, measure = X.to_delayed().ravel().tolist(), dask.delayed(_measure)
    facts = dask.compute(*(measure(x, dtype, n_freqs, i) for i, x in enumerate(chunks)))
    starts = np.cumsum([0, *X.chunks[0]])
    for i, of_chunk in enumerate(facts):
        check_chunk(of_chunk, i, int(starts[i]), dtype, type(estimator).__name__)
        _check_length(of_chunk, i, X.chunks[0][i])
    full = [i for i, length in enumerate(X.chunks[0]) if length]
    range_ = min(facts[i].low for i in full), max(facts[i].high for i in full)
    lengths = [int(X.chunks[0][i]) for i in full]
    return DaskFrames([chunks[i] for i in full], lengths, n_freqs, dtype, range_)


def _check_length(facts: ChunkFacts, index: int, length: int) -> None:
    if facts.n_rows != length:
        raise ValueError(
            f"Chunk {index} of X has {facts.n_rows} rows, but its Dask array says {length}; call "
            f"X.compute_chunk_sizes() first."
        )


def _measure(chunk, dtype, n_freqs, index):
    return measure_chunk(as_rows(chunk, dtype, n_freqs, f"Chunk {index} of X"))


def _select(chunk, rows, dtype, n_freqs):
    return as_rows(chunk, dtype, n_freqs, "A chunk of X")[rows]
