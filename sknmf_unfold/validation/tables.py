"""Checks of 2-D arrays: rows of waveforms or frames, activations, components, weights."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import assert_all_finite, check_array, validate_data

from .dask_collections import refuse_dask
from .recordings import as_array, as_numbers, check_peak, refuse_one_item
from .samples import (
    MAGNITUDES,
    PCM_DTYPES,
    check_rows,
    float_samples,
    native_float,
    refuse_bytes,
    without_objects,
)

# Whole numbers of other dtypes than those of PCM are samples in [-1, 1] up to this magnitude: too
# small to be PCM, such tables are used by scikit-learn's own checks of dtypes.
MAX_UNSCALED_SAMPLE = 2


def check_waveform_table(estimator: BaseEstimator, X: Any, reset: bool) -> np.ndarray:
    """Check a 2-D array of waveforms, one in each row; return it as float32 or float64."""
    check_array_like(X, "X", "1-D waveforms")
    check_one_recording(X, "X", "pass a list of one, [X]")
    return _validated(estimator, X, reset, "X", _table_samples)


def _table_samples(table, name):
    check_rows(table.shape, name)
    table = without_objects(table)
    whole = table.dtype.kind in "iu" and table.dtype.name not in PCM_DTYPES
    if whole and -MAX_UNSCALED_SAMPLE <= table.min() and table.max() <= MAX_UNSCALED_SAMPLE:
        return table.astype(np.float64)
    # scikit-learn refuses other objects.
    return table if table.dtype == object else float_samples(table, name)


def _table_magnitudes(table, name):
    # scikit-learn makes numbers of objects, or refuses them.
    if table.dtype.kind in "iubO":
        return table
    return native_float(table, name, MAGNITUDES)


def _validated(estimator, X, reset, name, as_floats):
    """Check a table as scikit-learn does; name the place of a value that is not finite."""
    X = as_floats(_plain_table(estimator, X, reset, name), name)
    X = check_array(X, dtype=[np.float64, np.float32], ensure_all_finite=False)
    check_finite_table(X, name)
    check_peak(X, name)
    return X


def _plain_table(estimator, X, reset, name):
    """Let scikit-learn check names and shape; return an array of the dtype of the data."""
    settings: dict[str, Any] = {"dtype": None, "ensure_all_finite": False}
    if hasattr(X, "columns"):
        plain = without_objects(as_array(X, name))
        if plain.dtype.kind in "iub":
            # scikit-learn would make floats of the whole numbers that pandas calls Int16.
            validate_data(estimator, X, reset=reset, skip_check_array=True)
            return check_array(plain, **settings)
    elif not issparse(X) and type(X) is not np.ndarray:
        X = as_array(X, name)
    return validate_data(estimator, X, reset=reset, **settings)


def check_finite_table(table: np.ndarray, name: str) -> None:
    """Raise as scikit-learn does, whose checks look for these words, and name the place."""
    try:
        assert_all_finite(table, input_name=name)
    except ValueError as error:
        words = str(error).splitlines()[0].rstrip(".")
        place = zip(("row", "column"), _first_not_finite(table), strict=False)
        where = ", ".join(f"{axis} {index}" for axis, index in place)
        raise ValueError(f"{words}. The first is in {where}.") from None


def _first_not_finite(table):
    if not issparse(table):
        return np.argwhere(~np.isfinite(table))[0]
    index = np.flatnonzero(~np.isfinite(table.data))[0]
    return np.searchsorted(table.indptr, index, side="right") - 1, table.indices[index]


def check_array_like(X: Any, name: str, what: str) -> None:
    """Raise ``TypeError`` for objects that cannot become an array of numbers."""
    refuse_dask(X, name)
    # Sparse matrices, some of which are dicts, are refused later, or taken.
    others = (str, bytes, numbers.Number, dict, set, Iterator)
    refuse_bytes(X, name)
    if X is None or (isinstance(X, others) and not issparse(X)):
        raise TypeError(f"{name} must be a list of {what}, or a 2-D array; got {type(X).__name__}.")
    # A column of lists, as polars has them.
    one_axis = len(getattr(X, "shape", ())) == 1
    if one_axis and not isinstance(X, np.ndarray) and as_array(X, name).dtype.kind == "O":
        raise TypeError(
            f"{name} must be a list of {what}, or a 2-D array; got a {type(X).__name__} of "
            f"objects. Make a list of it."
        )


def check_one_recording(X: Any, name: str, way_out: str) -> None:
    """Raise for one recording in place of a list, in words that scikit-learn's checks know."""
    refuse_one_item(X, name)
    shape = getattr(X, "shape", ()) or np.shape(as_array(X, name))
    if len(shape) == 1:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: {name} has shape {tuple(shape)}. If it is "
            f"one waveform, {way_out}. Reshape your data to (1, -1) if it is a row of a table."
        )


def check_magnitude_table(
    estimator: BaseEstimator, X: Any, reset: bool, name: str = "X"
) -> np.ndarray:
    """Check a 2-D array of independent magnitude frames; return it as float32 or float64."""
    check_array_like(X, name, "Spectrogram items or magnitude arrays")
    check_one_recording(X, name, f"make STFT().transform([{name}]) of it first")
    X = _validated(estimator, X, reset, name, _table_magnitudes)
    if X.min() < 0:
        raise ValueError(
            f"Negative values in data passed to {type(estimator).__name__}: {name} has a minimum "
            f"of {X.min():.6g}; magnitudes are >= 0."
        )
    return X


def check_table_targets(Y: Any, X: np.ndarray, name: str = "y") -> np.ndarray:
    """Check targets of a table: anything non-negative that broadcasts to (n_samples, n_freqs).

    One number a sample (a 1-D `y`) is the target of all bins of that sample.
    """
    Y = check_array(
        as_array(Y, name),
        dtype=X.dtype,
        ensure_2d=False,
        ensure_all_finite=False,
        input_name=name,
    )
    check_finite_table(Y, name)
    if len(Y) != len(X):
        raise ValueError(f"X has {len(X)} samples but {name} has {len(Y)}; they must pair up.")
    if Y.min() < 0:
        raise ValueError(f"Negative values in data: {name} has a minimum of {Y.min():.6g}.")
    check_peak(Y, name)
    Y = Y[:, np.newaxis] if Y.ndim == 1 else Y
    if Y.ndim != 2 or Y.shape[1] not in (1, X.shape[1]):
        raise ValueError(f"{name} of shape {Y.shape} does not broadcast to X of shape {X.shape}.")
    return np.broadcast_to(Y, X.shape)


def check_activations(activations: ArrayLike, label: str, n_components: int) -> np.ndarray:
    """Check a table of activations; return it as float32 or float64."""
    if issparse(activations):
        raise TypeError(f"{label} is sparse; wanted dense activations: pass {label}.toarray().")
    shape = as_array(activations, label).shape
    if len(shape) != 2:
        raise ValueError(
            f"Expected 2D array: {label} must have the shape (n_frames, n_components); got {shape}."
        )
    dtypes = [np.float64, np.float32]
    table = check_array(activations, dtype=dtypes, input_name=label)
    if table.shape[1] != n_components:
        raise ValueError(
            f"{label} has {table.shape[1]} columns but there are {n_components} components."
        )
    return table


def check_components(name: str, components: ArrayLike, n_freqs: int) -> np.ndarray:
    """Check a dictionary: non-negative, rows of `n_freqs` bins, none of them all zeros."""
    components = as_numbers(components, f"`{name}`", "an array of numbers")
    if components.ndim != 2 or components.shape[1] != n_freqs or len(components) == 0:
        raise ValueError(
            f"`{name}` must be non-negative with {n_freqs} columns; got shape {components.shape}."
        )
    check_finite_table(components, name)
    if components.min() < 0:
        raise ValueError(
            f"`{name}` must be non-negative with {n_freqs} columns; got a minimum of "
            f"{components.min():.6g}."
        )
    if not components.any(axis=1).all():
        row = int(np.argmin(components.any(axis=1)))
        raise ValueError(f"`{name}` has only zeros in row {row}; unit norm needs one that is not.")
    return components


def check_sample_weight(sample_weight: ArrayLike | None, n_samples: int) -> np.ndarray | None:
    """Check weights of recordings (or rows of a table); return them as float64, None as it is.

    Examples
    --------
    >>> check_sample_weight([1, 2], 3)
    Traceback (most recent call last):
    ...
    ValueError: `sample_weight` must have one weight for each of the 3 items of X; got shape (2,).
    """
    if sample_weight is None:
        return None
    weights = np.atleast_1d(as_array(sample_weight, "`sample_weight`"))
    weights = check_array(weights, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.shape != (n_samples,):
        raise ValueError(
            f"`sample_weight` must have one weight for each of the {n_samples} items of X; got "
            f"shape {weights.shape}."
        )
    if weights.min() < 0 or not weights.any():
        raise ValueError(
            f"`sample_weight` must be >= 0 and not all 0; got a minimum of {weights.min():.6g} and "
            f"a maximum of {weights.max():.6g}."
        )
    return weights
