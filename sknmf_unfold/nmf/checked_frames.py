"""The frames that `SparseNMF` learns from: stacked in memory, or in files."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from sknmf_unfold.validation.sparse_tables import check_frames

from .file_frames import Change, FileFrames

# All frames of files together are taken into memory up to this size.
MAX_STACKED_BYTES = 2**26


def frames_of(
    sequences: Any,
    max_frames: int | None,
    rng: np.random.RandomState,
    change: Change | None = None,
) -> np.ndarray | csr_array | FileFrames:
    """Stack the frames of recordings, or a random part of them, unless they are many and in files.

    Parameters
    ----------
    sequences : Sequences or SparseTable
    max_frames : int or None
        Largest number of frames, see `Sequences.frames`.
    rng : numpy.random.RandomState
    change : callable, optional
        See `Sequences.frames`.

    Returns
    -------
    frames : ndarray, csr_array or FileFrames of shape (n_frames, n_freqs)
    """
    if not getattr(sequences, "is_lazy", False):
        return sequences.frames(max_frames, rng, *(() if change is None else (change,)))
    frames = FileFrames(sequences, change)
    is_part = max_frames is not None and max_frames < frames.shape[0]
    return frames.draw(max_frames, rng) if is_part or frames.nbytes <= MAX_STACKED_BYTES else frames


def check_and_stack(
    estimator: BaseEstimator,
    X: Any,
    max_frames: int | None,
    rng: np.random.RandomState,
    *,
    reset: bool,
) -> np.ndarray | csr_array | FileFrames:
    """Check the X of `SparseNMF`, and return its frames, see `frames_of`.

    Parameters
    ----------
    estimator : SparseNMF
    X : {array-like, sparse matrix}, list of arrays, Spectrograms, or FileFrames
        `FileFrames` are checked already.
    max_frames : int or None
    rng : numpy.random.RandomState
    reset : bool
        Whether to set ``n_features_in_``, or to compare with it.

    Returns
    -------
    frames : ndarray, csr_array or FileFrames of shape (n_frames, n_freqs)
    """
    if isinstance(X, FileFrames):
        estimator.n_features_in_ = X.shape[1]
        return X
    return frames_of(check_frames(estimator, X, reset=reset), max_frames, rng)


def check_batched(nmf: Any, frames: Any) -> None:
    """Raise unless frames in files are learned from in batches.

    Parameters
    ----------
    nmf : SparseNMF
        Its parameters are checked.
    frames : ndarray, csr_array or FileFrames

    Raises
    ------
    ValueError
        If `batch_size` is None.
    """
    if isinstance(frames, FileFrames) and nmf.batch_size is None:
        raise ValueError(
            f"`batch_size`=None needs all {frames.shape[0]} frames of the files in memory "
            f"({frames.nbytes / 2**30:.1f} GiB). Use batch_size='auto' or a number, or max_frames."
        )


def seen(frames: np.ndarray | csr_array | FileFrames) -> np.ndarray | csr_array:
    """Return the frames, or of those in files the first ones that were learned from.

    Parameters
    ----------
    frames : ndarray, csr_array or FileFrames of shape (n_frames, n_freqs)

    Returns
    -------
    frames : ndarray or csr_array of shape (n, n_freqs)
    """
    return frames.seen if isinstance(frames, FileFrames) else frames
