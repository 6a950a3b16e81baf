"""Mini-batches: pairs of mixture and target in segments, batches, and the parts of threads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch

from sknmf_unfold.base.lazy_frames import LazyFrames, Source
from sknmf_unfold.base.tensors import pad, to_tensor

# ``mixture``, ``target`` and ``n_frames``, see `Pairs.batch`.
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

# Sequences of a thread's share of a batch. With fewer, matrix products are so small that all of
# them take longer, one after the other; more leave cores without work.
MIN_SHARE_SEQUENCES, MAX_SHARE_SEQUENCES = 8, 16


class Pairs:
    """Frames of mixtures and of their targets.

    Parameters
    ----------
    mixtures, targets : list of ndarray or LazyFrames of shape (n_frames, n_freqs)
        Sequences, pairwise of one shape.
    sources : list of Source, optional
        The recordings that the frames of each sequence are computed from, kept as long as they are
        needed.
    """

    def __init__(
        self,
        mixtures: Sequence[np.ndarray | LazyFrames],
        targets: Sequence[np.ndarray | LazyFrames],
        sources: Sequence[Source] | None = None,
    ):
        self.mixtures = list(mixtures)
        self.targets = list(targets)
        self.sources = None if sources is None else list(sources)

    def __len__(self):
        return len(self.mixtures)

    @property
    def n_frames(self) -> np.ndarray:
        """Number of frames of each sequence."""
        return np.array([len(mixture) for mixture in self.mixtures])

    @property
    def is_lazy(self) -> bool:
        """Whether frames are computed batch by batch."""
        return any(isinstance(x, LazyFrames) for x in (*self.mixtures, *self.targets))

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
        parts = [_equal_parts(len(x), sequence_length) for x in self.mixtures]
        mixtures, targets = (
            [x[part] for x, cuts in zip(xs, parts, strict=True) for part in cuts]
            for xs in (self.mixtures, self.targets)
        )
        if self.sources is None:
            return Pairs(mixtures, targets)
        pairs = zip(self.sources, parts, strict=True)
        return Pairs(mixtures, targets, [source for source, cuts in pairs for _ in cuts])

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

    def expect(self, batches: Iterable[Sequence[int] | np.ndarray]) -> list[Source]:
        """Tell the recordings how often they will be needed.

        Parameters
        ----------
        batches : iterable of sequence of int
            Those that `batch` will be called with.

        Returns
        -------
        sources : list of Source
            The recordings that they need, in the order of the first use.
        """
        if self.sources is None:
            return []
        uses = Counter(self.sources[i] for indices in batches for i in indices)
        for source, n_uses in uses.items():
            source.expect(n_uses)
        return list(uses)

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
        if self.sources is not None:
            for i in indices:
                self.sources[i].release()
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
