"""Dtypes and shapes of samples: conversion to floats, PCM scaled to [-1, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np

PCM_DTYPES = ("uint8", "int8", "int16", "int32")
MAGNITUDES = "floats or whole numbers >= 0"
WAVEFORM = f"floats in [-1, 1] or PCM of dtype {', '.join(PCM_DTYPES)}"


def without_objects(array: np.ndarray) -> np.ndarray:
    """Convert an object array to one of the numbers in it; return any other array as it is.

    Examples
    --------
    >>> without_objects(np.array([0.5, 1.0], dtype=object)).dtype
    dtype('float64')
    """
    if array.dtype != object:
        return array
    try:
        return np.asarray(array.tolist())
    # Objects of different lengths, or that refuse to become an array.
    except Exception:
        return array


def refuse_bytes(value: object, label: str) -> None:
    """Raise ``TypeError`` for raw bytes, which do not say what numbers they stand for.

    Examples
    --------
    >>> refuse_bytes(bytearray(4), "samples")
    Traceback (most recent call last):
    ...
    TypeError: samples is raw bytes (bytearray); say which numbers they hold: ...
    """
    if isinstance(value, (str, list, tuple, dict)) or hasattr(value, "__array__"):
        return
    try:
        with memoryview(value) as view:  # type: ignore[arg-type]
            raw = view.itemsize == 1
    except TypeError:
        return
    if raw:
        raise TypeError(
            f"{label} is raw bytes ({type(value).__name__}); say which numbers they hold: "
            f'np.frombuffer(data, "<i2") for PCM of 16 bits.'
        )


def float_samples(array: np.ndarray, label: str) -> np.ndarray:
    """Convert samples to float32 or float64 in native byte order, PCM scaled to [-1, 1].

    Examples
    --------
    >>> float_samples(np.array([0, -32768], dtype="int16"), "X")
    array([ 0., -1.], dtype=float32)
    >>> float_samples(np.array([0, -32768]), "X")
    Traceback (most recent call last):
    ...
    TypeError: X has dtype int64; wanted floats in [-1, 1] or PCM of dtype uint8, ...
    """
    array = without_objects(array)
    if array.dtype.name in PCM_DTYPES:
        return _scaled(array)
    if array.dtype.kind in "iu":
        raise TypeError(
            f"{label} has dtype {array.dtype}; wanted {WAVEFORM}. Such numbers do not say what "
            f"full scale is: divide them by it, PCM of 16 bits by 2**15."
        )
    if array.dtype.kind in "SV":
        raise TypeError(
            f'{label} is raw bytes; wanted {WAVEFORM}. PCM of 16 bits is np.frombuffer(data, "<i2")'
        )
    return native_float(array, label, WAVEFORM)


def _scaled(array):
    offset = 128.0 if array.dtype.kind == "u" else 0.0
    # Rounds once, on conversion: the rest is exact.
    scaled = array.astype(np.float32)
    scaled -= np.float32(offset)
    scaled /= np.float32(2.0 ** (8 * array.dtype.itemsize - 1))
    return scaled


def native_float(array: np.ndarray, label: str, wants: str) -> np.ndarray:
    """Convert floats to float32 or float64 in native byte order; refuse other dtypes."""
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {label} has dtype {array.dtype}.")
    if array.dtype.kind != "f":
        raise TypeError(f"{label} has dtype {array.dtype}; wanted {wants}.")
    dtype = np.float32 if array.dtype.itemsize <= 4 else np.float64
    # A long double that float64 cannot hold becomes an infinity, which is reported by its place.
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def float_dtype(data: Any, name: str) -> np.dtype:
    """Return the dtype that magnitudes are converted to: float32 or float64.

    Examples
    --------
    >>> float_dtype(np.zeros(3, dtype="int16"), "X"), float_dtype(np.zeros(3, dtype=">f4"), "X")
    (dtype('float64'), dtype('float32'))
    """
    if data.dtype.kind in "iub":
        return np.dtype(np.float64)
    return native_float(np.empty(0, data.dtype), name, MAGNITUDES).dtype


def check_one_axis(shape: tuple[int, ...], label: str) -> None:
    """Raise ``ValueError`` unless a waveform has the shape (n_times,)."""
    if len(shape) == 2 and 1 in shape:
        first = "[:, 0]" if shape[1] == 1 else "[0]"
        raise ValueError(
            f"{label} has shape {shape}, an axis for one channel; a waveform is 1-D, of shape "
            f"(n_times,): take {first} of it."
        )
    if len(shape) == 2 and min(shape) <= 8:
        raise ValueError(
            f"{label} has shape {shape}: stereo or transposed? A waveform is 1-D, of shape "
            f"(n_times,); average the channels, or pick one."
        )
    if len(shape) != 1:
        whole = label.rpartition("[")[0]
        hint = f" For one waveform pass a list of one, [{whole}]." if whole and not shape else ""
        raise ValueError(f"{label} must be 1-D, of shape (n_times,); got shape {shape}.{hint}")


def check_rows(shape: tuple[int, ...], name: str) -> None:
    """Raise where the rows of a 2-D array are not recordings: a column, or samples by channels.

    Examples
    --------
    >>> check_rows((512, 1), "X")
    Traceback (most recent call last):
    ...
    ValueError: X has shape (512, 1), which is 512 waveforms of one sample (n_features=1). ...
    """
    if len(shape) != 2 or shape[0] < 2:
        return
    n_rows, n_times = shape
    if n_times == 1:
        raise ValueError(
            f"{name} has shape {tuple(shape)}, which is {n_rows} waveforms of one sample "
            f"(n_features=1). For one recording of {n_rows} samples pass a list of one 1-D array, "
            f"as [{name}[:, 0]] of a column."
        )
    if 2 <= n_times <= 8 and n_rows >= 64 * n_times:
        raise ValueError(
            f"{name} has shape {tuple(shape)}: stereo or transposed audio? Rows are waveforms, so "
            f"these would be {n_rows} waveforms of {n_times} samples; pass a list of 1-D waveforms."
        )
