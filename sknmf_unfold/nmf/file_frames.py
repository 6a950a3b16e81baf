"""Frames of recordings in files, which an NMF learns from without having all of them in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from sknmf_unfold.base.read_ahead import read_ahead
from sknmf_unfold.validation.recordings import source_of
from sknmf_unfold.validation.sequences import Sequences, draw_frames

from .online import random_batches

# Frames that are read together: longer files are cut, unless only the whole can be read.
PIECE_FRAMES = 4096
# Frames in memory that batches are drawn from.
POOL_FRAMES = 2**15
# Frames that stand for all: initial components come from them.
SAMPLE_FRAMES = 5000
# Of more frames than this the drawn ones are listed without an array of all.
MAX_LISTED_FRAMES = 2**22
# Pieces that are read ahead at least.
MIN_DEPTH = 8
# Of a short file, up to this many frames are read one by one; for more, the file is read.
MAX_RANGES = 8
# Where fewer than this share of the frames of a file are drawn, the others are not computed.
SPARSE_SHARE = 1 / 8

# ``change(magnitude, recordings)``, see `Sequences.frames`.
Change = Callable[[np.ndarray, slice], np.ndarray]


class FileFrames:
    """Magnitude frames of recordings in files, read in background threads when they are needed.

    Parameters
    ----------
    sequences : Sequences
        Lazy ones.
    change : callable, optional
        ``change(magnitude, recordings)``, see `Sequences.frames`.

    Attributes
    ----------
    shape : tuple of int
        ``(n_frames, n_freqs)``.
    dtype : numpy.dtype
    seen : ndarray of shape (n, n_freqs)
        The first batch that was read.
    waited : float
        Seconds that the calling thread waited for frames.
    """

    def __init__(self, sequences: Sequences, change: Change | None = None):
        self._items, self._change = sequences.items, change
        self._lengths = sequences.n_frames
        self.dtype = sequences.dtype
        self.shape = int(self._lengths.sum()), sequences.n_freqs
        self.seen = np.empty((0, sequences.n_freqs), self.dtype)
        self.waited = 0.0

    @property
    def nbytes(self) -> int:
        """Size of all frames in memory."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def batches(self, batch_size: int, rng: np.random.RandomState) -> Iterator[np.ndarray]:
        """Read all files in a random order, and draw batches from the frames in memory.

        Parameters
        ----------
        batch_size : int
            Frames of a batch at most.
        rng : numpy.random.RandomState

        Yields
        ------
        batch : ndarray of shape (n, n_freqs)
            Each frame is in one batch.
        """
        n_frames = max(POOL_FRAMES, batch_size)
        # While batches are drawn from some frames, as many others are read.
        pieces = self._pieces(lambda n: rng.permutation(n), n_frames)
        for pool in _stacks(pieces, n_frames, exact=False):
            for indices in random_batches(len(pool), batch_size, rng):
                yield self._seen(pool[indices])

    def in_order(self, batch_size: int) -> Iterator[np.ndarray]:
        """Read all files in their order.

        Parameters
        ----------
        batch_size : int
            Frames of every batch but the last, which may have fewer.

        Yields
        ------
        batch : ndarray of shape (n, n_freqs)
        """
        for batch in _stacks(self._pieces(np.arange), batch_size, exact=True):
            yield self._seen(batch)

    def draw(self, max_frames: int | None, rng: np.random.RandomState | None) -> np.ndarray:
        """Read a random part of the frames, in their order, as `Sequences.frames` draws it.

        Parameters
        ----------
        max_frames : int or None
            Largest number of frames; None for all.
        rng : numpy.random.RandomState or None

        Returns
        -------
        frames : ndarray of shape (n_frames, n_freqs)
        """
        drawn = _draw_indices(self.shape[0], max_frames, rng)
        ends = np.cumsum(self._lengths)
        parts = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        starts = ends - self._lengths
        calls = (
            functools.partial(self._some, i, part - start)
            for i, (part, start) in enumerate(zip(parts, starts, strict=True))
            if len(part)
        )
        frames, n = np.empty((len(drawn), self.shape[1]), self.dtype), 0
        for part in self._read(calls):
            frames[n : n + len(part)] = part
            n += len(part)
        return frames

    def sample(self, rng: np.random.RandomState, n_components: int) -> np.ndarray:
        """Draw frames that stand for all, several for each component.

        Parameters
        ----------
        rng : numpy.random.RandomState
        n_components : int

        Returns
        -------
        frames : ndarray of shape (n_frames, n_freqs)
        """
        return self.draw(max(SAMPLE_FRAMES, 4 * n_components), rng)

    def _seen(self, batch):
        if not len(self.seen):
            self.seen = batch
        return batch

    def _pieces(self, order: Callable[[int], np.ndarray], n_ahead: int = 0) -> Iterator[np.ndarray]:
        """Read all files piece by piece, in an order of the pieces, and some frames ahead."""
        n_pieces = [self._n_pieces(i) for i in range(len(self._items))]
        ends = np.cumsum(n_pieces)
        calls = (functools.partial(self._piece, ends, piece) for piece in order(int(ends[-1])))
        depth = n_ahead * int(ends[-1]) // self.shape[0]
        for part in self._read(calls, max(depth, MIN_DEPTH)):
            yield from part

    def _n_pieces(self, i):
        return -(-int(self._lengths[i]) // PIECE_FRAMES) if self._reads_ranges(i) else 1

    def _reads_ranges(self, i):
        return getattr(source_of(self._items[i]), "reads_ranges", True)

    def _read(self, calls: Iterable[Callable[[], Any]], depth: int = MIN_DEPTH) -> Iterator[Any]:
        with read_ahead(calls, depth=depth) as results:
            try:
                yield from results
            finally:
                self.waited += results.seconds

    def _piece(self, ends: np.ndarray, piece: int) -> Iterable[np.ndarray]:
        """Compute a piece of a file; one that is read as a whole only when it is consumed."""
        i = int(np.searchsorted(ends, piece, side="right"))
        start = PIECE_FRAMES * (int(piece) - (int(ends[i - 1]) if i else 0))
        if self._n_pieces(i) > 1:
            return [self._magnitude(i, self._items[i], start, start + PIECE_FRAMES)]
        item, n_frames = self._items[i].load(), int(self._lengths[i])
        if n_frames <= PIECE_FRAMES:
            return [self._magnitude(i, item, 0, n_frames)]
        starts = range(0, n_frames, PIECE_FRAMES)
        return (self._magnitude(i, item, start, start + PIECE_FRAMES) for start in starts)

    def _some(self, i: int, indices: np.ndarray) -> np.ndarray:
        """Compute some frames of a file."""
        item, n_frames = self._items[i], int(self._lengths[i])
        is_sparse = len(indices) < SPARSE_SHARE * n_frames
        is_short = n_frames <= PIECE_FRAMES and len(indices) > MAX_RANGES
        if is_short or not self._reads_ranges(i):
            item = item.load()
        if is_sparse:
            return np.concatenate([self._magnitude(i, item, t, t + 1) for t in indices])
        starts = range(0, n_frames, PIECE_FRAMES)
        blocks = (
            (start, self._magnitude(i, item, start, start + PIECE_FRAMES)) for start in starts
        )
        return np.concatenate([x[indices[_inside(indices, t, len(x))] - t] for t, x in blocks])

    def _magnitude(self, i, item, start, stop):
        magnitude = np.abs(item.stft(int(start), int(stop))).astype(self.dtype, copy=False)
        if self._change is None:
            return magnitude
        return self._change(magnitude[np.newaxis], slice(i, i + 1))[0]


def _draw_indices(n_frames, max_frames, rng):
    """Draw frames as `draw_frames` does; of very many by repeated draws, without a list of all."""
    if max_frames is None or max_frames >= n_frames or n_frames <= MAX_LISTED_FRAMES:
        return np.flatnonzero(draw_frames(n_frames, max_frames, rng))
    drawn = np.empty(0, dtype=np.int64)
    while len(drawn) < max_frames:
        more = rng.randint(n_frames, size=max_frames - len(drawn), dtype=np.int64)
        drawn = np.union1d(drawn, more)
    return drawn


def _inside(indices, start, length):
    return (indices >= start) & (indices < start + length)


def _stacks(pieces: Iterable[np.ndarray], size: int, exact: bool) -> Iterator[np.ndarray]:
    """Stack pieces until there are `size` frames; if exact, no more, and the rest goes on."""
    waiting: list[np.ndarray] = []
    n_frames = 0
    for piece in pieces:
        waiting.append(piece)
        n_frames += len(piece)
        while n_frames >= size:
            stack = np.concatenate(waiting)
            stop = size if exact else n_frames
            waiting, n_frames = [stack[stop:].copy()], n_frames - stop
            yield stack[:stop]
    if n_frames:
        yield np.concatenate(waiting)
