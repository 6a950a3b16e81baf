"""Checks of Dask arrays of frames."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from .dask_collections import is_dask
from .recordings import as_array, check_peak
from .samples import MAGNITUDES, float_dtype, native_float, without_objects


def is_dask_array(X: Any) -> bool:
    """Tell whether an object is a Dask array.

    Examples
    --------
    >>> is_dask_array(np.zeros((2, 3)))
    False
    """
    return is_dask(X) and hasattr(type(X), "rechunk")


def check_dask_array(estimator: BaseEstimator, X: Any, *, reset: bool) -> np.dtype:
    """Check what is known of a Dask array of frames without computing it.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` where `reset` is true, and is compared with it otherwise.
    X : dask.array.Array of shape (n_frames, n_freqs)
    reset : bool
        Whether this is ``fit``.

    Returns
    -------
    dtype : dtype
        float32 or float64, to which the frames are converted.
    """
    _check_shape(estimator, X)
    check_chunks(X, "X")
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    # Objects are numbers or refused when they are computed.
    return np.dtype(np.float64) if X.dtype == object else float_dtype(X, "X")


def _check_shape(estimator, X):
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead: X has shape {X.shape}.")
    for length, what in zip(X.shape, ("sample", "feature"), strict=True):
        if length == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 is required "
                f"by {type(estimator).__name__}."
            )


def check_chunks(X: Any, name: str) -> None:
    """Raise unless the chunks of a 2-D Dask array are numpy arrays of whole rows, of known sizes.

    Parameters
    ----------
    X : dask.array.Array of shape (n_rows, n_columns)
    name : str
        Its name in messages.
    """
    if any(math.isnan(size) for sizes in X.chunks for size in sizes):
        raise ValueError(
            f"{name} is a Dask array with chunks of unknown sizes, {X.chunks}; call "
            f"{name}.compute_chunk_sizes() first."
        )
    if X.numblocks[1] > 1:
        raise ValueError(
            f"{name} is a Dask array with {X.numblocks[1]} chunks along its columns, of sizes "
            f"{X.chunks[1]}; each chunk must have whole rows: pass {name}.rechunk({{1: -1}})."
        )
    if not isinstance(X._meta, np.ndarray):
        raise TypeError(
            f"{name} is a Dask array with chunks of type {type(X._meta).__name__}; wanted numpy "
            f"arrays. Convert each chunk by {name}.map_blocks."
        )


def as_rows(chunk: Any, dtype: np.dtype, n_columns: int, label: str) -> np.ndarray:
    """Convert a computed chunk as a table in memory is converted; values are not checked.

    Parameters
    ----------
    chunk : array-like of shape (n_rows, n_columns)
    dtype : dtype
    n_columns : int
    label : str
        Its name in messages.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_columns)
    """
    array = without_objects(as_array(chunk, label))
    if array.ndim != 2 or array.shape[1] != n_columns:
        raise ValueError(
            f"{label} has shape {array.shape}, but its Dask array says {n_columns} columns."
        )
    if array.dtype.kind not in "iub":
        array = native_float(array, label, MAGNITUDES)
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


class ChunkFacts(NamedTuple):
    """Range of a chunk, and the first value that is not allowed.

    Parameters
    ----------
    n_rows : int
    low, high : float
        Smallest and largest value; 0 of an empty chunk.
    place : tuple of int or None
        Row and column of the first value that is NaN, infinite or negative.
    value : float
        This value.
    """

    n_rows: int
    low: float
    high: float
    place: tuple[int, int] | None = None
    value: float = 0.0


def measure_chunk(frames: np.ndarray) -> ChunkFacts:
    """Find the range of a chunk of frames, and values that are not allowed.

    Examples
    --------
    >>> measure_chunk(np.array([[1.0, 2.0], [np.nan, 0.0]])).place
    (1, 0)
    """
    if frames.size == 0:
        return ChunkFacts(len(frames), 0.0, 0.0)
    low, high = float(frames.min()), float(frames.max())
    if low >= 0 and high < np.inf:
        return ChunkFacts(len(frames), low, high)
    bad = ~np.isfinite(frames)
    row, column = np.argwhere(bad if bad.any() else frames < 0)[0].tolist()
    return ChunkFacts(len(frames), low, high, (row, column), float(frames[row, column]))


def check_chunk(facts: ChunkFacts, index: int, start: int, dtype: np.dtype, estimator: str) -> None:
    """Raise ``ValueError`` for values of a chunk that are not allowed, and name their place.

    Parameters
    ----------
    facts : ChunkFacts
    index : int
        Of the chunk.
    start : int
        Of its first row in X.
    dtype : dtype
        Of the frames.
    estimator : str
        Name of its class, for messages.
    """
    if facts.place is None:
        check_peak(np.array([facts.low, facts.high], dtype), f"Chunk {index} of X")
        return
    row, column = facts.place
    where = f"chunk {index}, frame {row} of it (row {start + row} of X), bin {column}"
    if not math.isfinite(facts.value):
        # The words of scikit-learn.
        what = "NaN" if math.isnan(facts.value) else f"infinity or a value too large for {dtype!r}"
        raise ValueError(f"Input X contains {what}. The first is in {where}.")
    raise ValueError(
        f"Negative values in data passed to {estimator}: X has {facts.value:.6g} in {where}; "
        f"magnitudes are >= 0."
    )
