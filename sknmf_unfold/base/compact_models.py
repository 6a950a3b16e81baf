"""Compact copies of fitted models, and skops files of them with canonical bytes."""

from __future__ import annotations

import hashlib
import inspect
import io
import itertools
import json
import zipfile
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from .versions import VersionedEstimator, is_fitted

# Bits of the significand of a number in half precision, with the leading one.
HALF_PRECISION_BITS = 11
# Parameters that a compact model has at their defaults: they are for training or for one machine.
RESET_PARAMETERS = ("nmf", "warm_start", "checkpoint_dir", "device", "verbose")
PLAIN_TYPES = (type(None), bool, int, float, str, np.ndarray, np.generic)
# The settings must stay those of the STFT, to the last bit.
EXACT_ATTRIBUTES = ("stft_settings_",)
# Attributes that tell where training began, except in networks that have them as weights.
START_ATTRIBUTES = ("initial_components_",)
# Seconds differ from run to run.
DROPPED_COLUMNS = ("seconds", "data_wait_seconds")
# The earliest date of a zip archive.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def round_to_half_precision(array: np.ndarray) -> np.ndarray:
    """Round to the 11 significant bits of half precision, with the range of float32.

    The relative error is at most 2^-11 wherever float32 has that precision, above 1e-38. Numbers
    that half precision itself would round to 0 or to infinity, below 6e-8 or above 65504, keep
    their size: training resumes from the logarithms of dictionaries.

    Parameters
    ----------
    array : ndarray of float

    Returns
    -------
    rounded : ndarray of float32
        Of the same shape. The 13 low bits are 0, and compress.

    Examples
    --------
    >>> round_to_half_precision(np.array([1 + 2**-10, 1 + 2**-12, 1e-10]))
    array([1.0009766e+00, 1.0000000e+00, 9.9987574e-11], dtype=float32)
    """
    significand, exponent = np.frexp(np.asarray(array, dtype=np.float64))
    scale = 2.0**HALF_PRECISION_BITS
    return np.asarray(np.ldexp(np.rint(significand * scale) / scale, exponent), dtype=np.float32)


def compact_copy(pipe: Pipeline) -> Pipeline:
    """Copy a fitted pipeline, rounded, without what prediction does not need.

    Parameters
    ----------
    pipe : Pipeline
        Of estimators of this package, fitted.

    Returns
    -------
    copy : Pipeline
        Weights are rounded by `round_to_half_precision`, parameters in `RESET_PARAMETERS` and those
        that are no plain values have their defaults, and the history keeps the first, the best and
        the last epoch. Random states and the dictionaries that training started from are dropped.

    Raises
    ------
    TypeError, ValueError
        If it is another object, or not fitted.
    """
    steps = pipe.steps if isinstance(pipe, Pipeline) else []
    if not steps or not all(isinstance(step, VersionedEstimator) for _, step in steps):
        raise TypeError(
            f"`pipe` must be a Pipeline of estimators of this package; got {type(pipe).__name__} "
            f"({', '.join(type(step).__name__ for _, step in steps)})."
        )
    if not all(is_fitted(step) for _, step in steps):
        raise ValueError("`pipe` is not fitted; fit it before it is stored.")
    return Pipeline([(name, _compact_step(step)) for name, step in steps])


def canonical_bytes(content: bytes) -> bytes:
    """Rewrite a skops file so that its bytes depend on the model alone.

    skops numbers objects and arrays by their addresses in memory, and zip archives store the time.
    Here objects are numbered in their order, equal arrays are stored once, and the time is fixed.

    Parameters
    ----------
    content : bytes
        A skops file.

    Returns
    -------
    content : bytes
        A skops file of the same model, compressed.
    """
    source = zipfile.ZipFile(io.BytesIO(content))
    arrays: dict[bytes, str] = {}
    schema = json.loads(source.read("schema.json"))
    schema = _renumbered(schema, itertools.count(1), source, arrays)
    files = {name: data for data, name in arrays.items()}
    files["schema.json"] = json.dumps(schema, separators=(",", ":")).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, ZIP_DATE)
            # Otherwise they name the operating system.
            info.create_system, info.external_attr = 3, 0o600 << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    return target.getvalue()


def _renumbered(node: Any, numbers: Any, source: zipfile.ZipFile, arrays: dict) -> Any:
    """Copy a node of the schema with new numbers and file names; collect the files."""
    if isinstance(node, list):
        return [_renumbered(each, numbers, source, arrays) for each in node]
    if not isinstance(node, dict):
        return node
    node = dict(node)
    # In a dict of the model a key of this name has a node as its value.
    if isinstance(node.get("__id__"), int):
        node["__id__"] = next(numbers)
    if isinstance(node.get("file"), str):
        data = source.read(node["file"])
        suffix = node["file"].rpartition(".")[2]
        node["file"] = arrays.setdefault(data, f"{len(arrays)}.{suffix}")
    return {key: _renumbered(value, numbers, source, arrays) for key, value in node.items()}


def _compact_step(step: VersionedEstimator) -> VersionedEstimator:
    """Copy one fitted estimator; see `compact_copy`."""
    params = step.get_params(deep=False)
    defaults = {name: p.default for name, p in inspect.signature(type(step)).parameters.items()}
    if params.get("nmf") is not None and params.get("n_components") is None:
        # The number that the NMF had given, for another fit of the same size.
        params["n_components"] = int(step._n_features_out) // 2
    for name, value in params.items():
        if name in RESET_PARAMETERS or not _is_plain(value):
            params[name] = defaults[name]
    copy = type(step)(**params)
    for name in sorted(vars(step).keys() - params.keys()):
        if name.endswith("_") and not name.startswith("_"):
            setattr(copy, name, _compact_attribute(step, name))
    return copy


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(each) for each in value)
    return isinstance(value, PLAIN_TYPES)


def _compact_attribute(step: VersionedEstimator, name: str) -> Any:
    value = getattr(step, name)
    weights = getattr(step, "_weight_attributes", {}).values()
    if name in START_ATTRIBUTES and name not in weights:
        value = value[:0]
    if name == "history_":
        return _summary(value, step)
    return value if name in EXACT_ATTRIBUTES else _rounded(value)


def _rounded(value: Any) -> Any:
    """Round all arrays of floats in nested dicts; other values are kept."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (np.ndarray, np.generic)) and np.asarray(value).dtype.kind == "f":
        return round_to_half_precision(np.ascontiguousarray(value).reshape(np.shape(value)))
    return value


def _summary(history: dict, step: Any) -> dict:
    """Keep the first, the best and the last row of a history."""
    epochs = history.get("epoch", [])
    kept = {*epochs[:1], step.best_epoch_, *epochs[-1:]}
    rows = [i for i, epoch in enumerate(epochs) if epoch in kept]
    columns = {name: column for name, column in history.items() if name not in DROPPED_COLUMNS}
    return {name: [column[i] for i in rows] for name, column in columns.items()}


def sha256(content: bytes) -> str:
    """Compute the SHA-256 digest of a file's content, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
