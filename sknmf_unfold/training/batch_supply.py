"""Supply of the batches of an epoch: what is computed, and when, while the network trains."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch

from sknmf_unfold.base.lazy_frames import Source
from sknmf_unfold.base.read_ahead import Timed, read_ahead
from sknmf_unfold.base.workers import Workers

from .batches import Batch, Pairs

# Sequences of a group, and the indices of each batch.
Group = tuple[Pairs, Sequence[Any]]
Result = TypeVar("Result")


class BatchSupply:
    """Computes batches, lazy frames in background threads, and counts the waiting for them.

    Parameters
    ----------
    device : torch.device
        Of the tensors.

    Attributes
    ----------
    waited : float
        Seconds that the calling thread waited for batches; the caller sets it back.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.waited = 0.0

    @contextmanager
    def batches(self, groups: Iterable[Group], in_background: bool) -> Iterator[Timed[Batch]]:
        """Compute the batches of groups, in their order.

        Parameters
        ----------
        groups : iterable of tuple (Pairs, list of ndarray of int)
            As for `batch_calls`.
        in_background : bool
            Whether to compute them in background threads, which end with the block.

        Yields
        ------
        batches : iterator of tuple of Tensor
            See `Pairs.batch`.
        """
        calls = batch_calls(groups, self.device)
        with read_ahead(calls, None if in_background else 0) as batches:
            try:
                yield batches
            finally:
                self.waited += batches.seconds

    def map(
        self,
        function: Callable[[Batch], Result],
        pairs: Pairs,
        batches: Sequence[Sequence[int]],
        workers: Workers,
    ) -> list[Result]:
        """Call a function for each batch, by the threads of `workers`.

        Parameters
        ----------
        function : callable
        pairs : Pairs
        batches : list of list of int
            Indices of sequences.
        workers : Workers

        Returns
        -------
        results : list
            In the order of the batches.
        """
        if not pairs.is_lazy:
            return workers.map(lambda indices: function(pairs.batch(indices, self.device)), batches)
        results: list[Result] = []
        with self.batches([(pairs, batches)], in_background=True) as computed:
            # Some at a time, so that few are in memory.
            while part := list(islice(computed, workers.n_threads)):
                results += workers.map(function, part)
        return results


def batch_calls(groups: Iterable[Group], device: torch.device) -> Iterator[Callable[[], Batch]]:
    """Make the calls that compute the batches of groups, for `read_ahead`.

    Each also reads or mixes some recordings of the next group, in the order in which they will be
    needed: by then others are dropped, so that memory is that of one and a half groups.

    Parameters
    ----------
    groups : iterable of tuple (Pairs, list of ndarray of int)
        Sequences, and the indices of those in each batch. Each is taken while the one before is
        worked on.
    device : torch.device
        Of the tensors.

    Yields
    ------
    call : callable
        Returns a batch, see `Pairs.batch`.
    """
    for (pairs, batches), following in _with_next(groups):
        # One of several processes may have no batches.
        parts = np.array_split(np.arange(len(following)), len(batches)) if len(batches) else []
        for indices, part in zip(batches, parts, strict=True):
            ahead = [following[i] for i in part]
            yield functools.partial(_compute, pairs, indices, device, ahead)


def _with_next(groups):
    """Yield each group, and the recordings that the next one needs."""
    iterator = iter(groups)
    group = next(iterator, None)
    if group is not None:
        group[0].expect(group[1])
    while group is not None:
        following = next(iterator, None)
        yield group, [] if following is None else following[0].expect(following[1])
        group = following


def _compute(
    pairs: Pairs, indices: Sequence[int], device: torch.device, ahead: Sequence[Source]
) -> Batch:
    batch = pairs.batch(indices, device)
    for source in ahead:
        source.prepare()
    return batch
