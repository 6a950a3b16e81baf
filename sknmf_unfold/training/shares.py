"""Division of the sequences of a batch among ranks."""

from __future__ import annotations

import numpy as np


def segment_owners(n_frames: np.ndarray, sequence_length: int, n_ranks: int) -> np.ndarray:
    """Deal recordings to ranks in runs of about equally many segments.

    Parameters
    ----------
    n_frames : ndarray of shape (n_recordings,), int
    sequence_length : int
        Maximal number of frames of a segment.
    n_ranks : int

    Returns
    -------
    owners : ndarray of shape (n_segments,), int
        All segments of a recording have the same owner.

    Examples
    --------
    >>> segment_owners(np.array([10, 25, 5, 12]), 10, n_ranks=2)
    array([0, 0, 0, 0, 1, 1, 1])
    """
    n_segments = -(-np.asarray(n_frames) // sequence_length)
    # By the middle of a recording, so that the parts differ by half a recording at most.
    middles = np.cumsum(n_segments) - n_segments / 2
    owners = (middles * n_ranks / n_segments.sum()).astype(int)
    return np.repeat(owners, n_segments)


def share_of(indices: np.ndarray, owners: np.ndarray, n_ranks: int, index: int) -> np.ndarray:
    """Select the sequences of a batch that a rank computes: equally many, mostly its own.

    Parameters
    ----------
    indices : ndarray of int
        The sequences of the batch.
    owners : ndarray of int
        The rank that each sequence of the epoch belongs to.
    n_ranks, index : int
        Number of ranks, and this one.

    Returns
    -------
    share : ndarray of int
        In the order of the batch. The shares of all ranks are a partition; their sizes differ by
        one at most.

    Examples
    --------
    >>> owners = np.array([0, 0, 0, 1, 1, 1])
    >>> [share_of(np.array([5, 0, 1, 2]), owners, 2, index).tolist() for index in (0, 1)]
    [[0, 1], [5, 2]]
    """
    order = np.argsort(owners[indices], kind="stable")
    return indices[np.sort(np.array_split(order, n_ranks)[index])]
