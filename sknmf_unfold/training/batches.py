"""Mini-batches: pairs of mixture and target in segments, batches, and the parts of threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from sknmf_unfold.base.tensors import pad, to_tensor

# ``mixture``, ``target`` and ``n_frames``, see `Pairs.batch`.
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

# Sequences of a thread's share of a batch. With fewer, matrix products are so small that all of
# them take longer, one after the other; more leave cores without work.
MIN_SHARE_SEQUENCES, MAX_SHARE_SEQUENCES = 8, 16


class LazyFrames:
    """Frames of a sequence that are computed each time that they are needed.

    Parameters
    ----------
    compute : callable
        ``compute(start, stop)`` returns frames of shape (stop - start, n_freqs).
    shape : tuple of int
        ``(n_frames, n_freqs)``.
    dtype : numpy.dtype
        Of the return value of `compute`.
    start : int, default=0
        The first frame.

    Examples
    --------
    >>> frames = LazyFrames(lambda start, stop: np.eye(9)[start:stop], (9, 9), np.dtype(float))
    >>> np.asarray(frames[3:6][1:]).shape
    (2, 9)
    """

    def __init__(
        self,
        compute: Callable[[int, int], np.ndarray],
        shape: tuple[int, int],
        dtype: np.dtype,
        start: int = 0,
    ):
        self.compute = compute
        self.shape = shape
        self.dtype = dtype
        self.start = start

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, part):
        start, stop, _ = part.indices(len(self))
        shape = max(stop - start, 0), self.shape[1]
        return LazyFrames(self.compute, shape, self.dtype, self.start + start)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.compute(self.start, self.start + len(self)), dtype=dtype)


class Pairs:
    """Frames of mixtures and of their targets.

    Parameters
    ----------
    mixtures, targets : list of ndarray or LazyFrames of shape (n_frames, n_freqs)
        Sequences, pairwise of one shape.
    """

    def __init__(
        self,
        mixtures: Sequence[np.ndarray | LazyFrames],
        targets: Sequence[np.ndarray | LazyFrames],
    ):
        self.mixtures = list(mixtures)
        self.targets = list(targets)

    def __len__(self):
        return len(self.mixtures)

    @property
    def n_frames(self) -> np.ndarray:
        """Number of frames of each sequence."""
        return np.array([len(mixture) for mixture in self.mixtures])

    def segments(self, sequence_length: int) -> Pairs:
        """Cut each sequence into equally long segments.

        Parameters
        ----------
        sequence_length : int
            Maximal number of frames of a segment.

        Returns
        -------
        segments : Pairs
        """
        cut = [
            [x[part] for x in xs for part in _equal_parts(len(x), sequence_length)]
            for xs in (self.mixtures, self.targets)
        ]
        return Pairs(*cut)

    def batches(self, batch_size: int, rng: np.random.RandomState) -> list[np.ndarray]:
        """Draw batches of sequences of similar length, which need the least padding.

        Parameters
        ----------
        batch_size : int
            Sequences in every batch but one, which may have fewer.
        rng : numpy.random.RandomState
            Draws which of equally long sequences go together, and the order of the batches.

        Returns
        -------
        batches : list of ndarray of int
            Indices of sequences; each sequence is in one batch.
        """
        order = rng.permutation(len(self))
        order = order[np.argsort(self.n_frames[order], kind="stable")]
        batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def batch(self, indices: Sequence[int] | np.ndarray, device: torch.device) -> Batch:
        """Pad sequences with zeros at the end to tensors of one length.

        Parameters
        ----------
        indices : sequence of int
            Of the sequences.
        device : torch.device
            Of the tensors.

        Returns
        -------
        mixture, target : Tensor of shape (batch, frames, bins)
            In memory frames come first: a network computes a frame of all sequences together.
        n_frames : Tensor of shape (batch,), int
        """
        mixtures, n_frames = pad([self.mixtures[i] for i in indices], frames_first=True)
        targets, _ = pad([self.targets[i] for i in indices], frames_first=True)
        mixture, target = (to_tensor(x, device).transpose(0, 1) for x in (mixtures, targets))
        return mixture, target, to_tensor(n_frames, device)


def split_batch(batch: Batch) -> list[Batch]:
    """Divide a batch among threads, in a way that does not depend on their number.

    Parameters
    ----------
    batch : tuple of Tensor
        From `Pairs.batch`.

    Returns
    -------
    shares : list of tuple of Tensor
        Some of the sequences each, frames first in memory of their own. On a GPU, which takes all
        at once, the batch itself.
    """
    if batch[0].device.type != "cpu":
        return [batch]
    mixture, target, n_frames = batch
    n = len(n_frames)
    n_shares = max(min(-(-n // MIN_SHARE_SEQUENCES), 2), -(-n // MAX_SHARE_SEQUENCES))
    columns = [x.transpose(0, 1).tensor_split(n_shares, dim=1) for x in (mixture, target)]
    shares = zip(*columns, n_frames.tensor_split(n_shares), strict=True)

    return [(_frames_first(x), _frames_first(y), lengths) for x, y, lengths in shares]


def _frames_first(frames):
    return frames.contiguous().transpose(0, 1)


def _equal_parts(n_frames, max_frames):
    """Slices of at most `max_frames` frames, whose lengths differ by one at most."""
    length, longer = divmod(n_frames, math.ceil(n_frames / max_frames))
    parts: list[slice] = []
    start = 0
    while start < n_frames:
        stop = start + length + (len(parts) < longer)
        parts.append(slice(start, stop))
        start = stop
    return parts
