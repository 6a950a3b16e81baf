"""Checks of sparse tables of frames, for the estimators that take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from .recordings import check_peak
from .samples import float_dtype
from .sequences import Sequences, check_sequences, draw_frames
from .tables import check_finite_table, check_one_recording


class SparseTable:
    """Checked sparse table of frames, with the part of `Sequences` that an NMF uses.

    Parameters
    ----------
    table : csr_array of shape (n_frames, n_freqs)
    """

    kind = "table"

    def __init__(self, table: csr_array) -> None:
        self._table = table

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64."""
        return self._table.dtype

    def frames(
        self, max_frames: int | None = None, rng: np.random.RandomState | None = None
    ) -> csr_array:
        """Return all frames, or a random part of them, as `Sequences.frames` draws it.

        Parameters
        ----------
        max_frames : int, optional
            Largest number of frames, drawn without replacement; order is kept.
        rng : numpy.random.RandomState, optional
            Draws the part; needed where `max_frames` is given.

        Returns
        -------
        frames : csr_array of shape (n_frames, n_freqs)
        """
        keep = draw_frames(self._table.shape[0], max_frames, rng)
        return self._table if keep.all() else self._table[np.flatnonzero(keep)]


def check_frames(estimator: BaseEstimator, X: Any, *, reset: bool) -> Sequences | SparseTable:
    """Check the X of an estimator that takes sparse tables beside what `check_sequences` takes.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` where `reset` is true, and is compared with it otherwise.
    X : sparse matrix or array of shape (n_samples, n_features), or as in `check_sequences`
    reset : bool
        Whether this is ``fit``.

    Returns
    -------
    frames : Sequences or SparseTable
    """
    if issparse(X):
        return SparseTable(check_sparse_table(estimator, X, reset))
    return check_sequences(estimator, X, reset=reset)


def check_sparse_table(estimator: BaseEstimator, X: Any, reset: bool, name: str = "X") -> csr_array:
    """Check a sparse table of magnitudes, whatever its format.

    Parameters
    ----------
    estimator : estimator
    X : sparse matrix or array of shape (n_samples, n_features)
        Stays as it is.
    reset : bool
    name : str, default="X"
        Its name in messages.

    Returns
    -------
    X : csr_array of shape (n_samples, n_features), float32 or float64
        In canonical format: sorted indices, no duplicates, no stored zeros.
    """
    check_one_recording(X, name, f"make STFT().transform([{name}]) of it first")
    dtype = float_dtype(X, name)
    settings: dict[str, Any] = {"dtype": None, "ensure_all_finite": False}
    X = csr_array(validate_data(estimator, X, reset=reset, accept_sparse="csr", **settings))
    # In the dtype of X, as scipy sums duplicates.
    with np.errstate(over="ignore"):
        X = _canonical(X).astype(dtype, copy=False)
    check_finite_table(X, name)
    check_peak(X, name)
    if X.min() < 0:
        raise ValueError(
            f"Negative values in data passed to {type(estimator).__name__}: {name} has a minimum "
            f"of {X.min():.6g}; magnitudes are >= 0."
        )
    return X


def _canonical(X):
    """Sum duplicates and drop stored zeros, in a copy where there are any."""
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if np.count_nonzero(X.data) < X.nnz:
        X = X.copy()
        X.eliminate_zeros()
    return X
