"""Checks of recordings: lists of them, and waveforms one by one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from .lazy import LazyWaveform, LazyWaveforms, is_lazy
from .messages import shown
from .samples import (
    check_one_axis,
    check_rows,
    float_samples,
    refuse_bytes,
    without_objects,
)


class SpectrogramLike(Protocol):
    """The part of `signal.Spectrogram` that checks and estimators rely on."""

    waveform: np.ndarray
    mask: np.ndarray | None

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_frames, n_freqs)``."""

    @property
    def settings(self) -> dict[str, Any]:
        """The STFT settings as plain values."""

    def magnitude(self) -> np.ndarray:
        """Compute the magnitudes."""

    def inverse(self) -> np.ndarray:
        """Synthesise the waveform of the (masked) frames."""


def is_number(value: Any) -> bool:
    """Tell whether an item of a list is one number, not a row or a recording."""
    # A ragged list has no number of dimensions.
    return not isinstance(value, (list, tuple)) and np.ndim(value) == 0


def is_spectrogram(item: object) -> TypeGuard[SpectrogramLike]:
    """Tell whether an item is a spectrogram with its waveform, which is not read."""
    has_waveform = hasattr(item, "source") or hasattr(item, "waveform")
    return has_waveform and hasattr(item, "magnitude")


def source_of(item: SpectrogramLike) -> np.ndarray | LazyWaveform:
    """Return the waveform that a spectrogram was made of; one in a file is not read."""
    return item.source if hasattr(item, "source") else item.waveform


def waveform_of(item: SpectrogramLike) -> np.ndarray:
    """Return the waveform of a spectrogram, with a mask that of the masked frames."""
    return item.waveform if item.mask is None else item.inverse()


def lazy_waveform_of(item: SpectrogramLike) -> np.ndarray | LazyWaveform:
    """Do what `waveform_of` does, but do not read a waveform in a file unless it has a mask."""
    return source_of(item) if item.mask is None else item.inverse()


def as_waveform(item: Any) -> Any:
    """Return the waveform of a spectrogram (see `waveform_of`), and anything else as it is."""
    return waveform_of(item) if is_spectrogram(item) else item


def as_list(X: Any) -> Any:
    """Convert an object array or Series of recordings to a list; return anything else as it is.

    numpy makes such arrays of lists whose items differ in length. Files become a list of
    `LazyWaveform` items.

    Examples
    --------
    >>> X = np.empty(2, dtype=object)
    >>> X[:] = [np.ones(2), np.ones(1)]
    >>> as_list(X)
    [array([1., 1.]), array([1.])]
    """
    if isinstance(X, LazyWaveforms):
        return X.items()
    if getattr(X, "ndim", None) != 1 or getattr(getattr(X, "dtype", None), "kind", "") != "O":
        return X
    return list(X) if any(is_spectrogram(x) or not is_number(x) for x in X) else X


def as_array(value: Any, label: str) -> np.ndarray:
    """Convert to an array of numbers; refuse masked samples, raw bytes and other objects.

    Examples
    --------
    >>> as_array([[1.0, 2.0], [3.0]], "X[0]")
    Traceback (most recent call last):
    ...
    TypeError: X[0] cannot become an array of numbers: ...
    """
    if is_lazy(value):
        # Its errors name the file.
        return value.read()
    if np.ma.is_masked(value):
        raise ValueError(f"{label} has masked entries; fill them first, for example by filled(0).")
    refuse_bytes(value, label)
    try:
        return np.asarray(value)
    # Whatever the __array__ of a foreign type raises, a tensor that records gradients for one.
    except Exception as error:
        raise TypeError(f"{label} cannot become an array of numbers: {error}") from error


def as_numbers(value: ArrayLike, label: str, wants: str) -> np.ndarray:
    """Convert to a float64 array of real numbers, which need not be finite.

    Examples
    --------
    >>> as_numbers("hann", "`window`", "samples")
    Traceback (most recent call last):
    ...
    TypeError: `window` must be samples; got 'hann'.
    """
    array = as_array(value, label)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{label} must be {wants}; got {shown(value)}.")
    return array.astype(np.float64)


def check_list(X: Any, name: str, what: str) -> None:
    """Raise unless `X` is a non-empty list or tuple of recordings, or of files."""
    X = as_list(X) if isinstance(X, LazyWaveforms) else X
    if isinstance(X, np.ndarray) and X.ndim == 1:
        raise ValueError(f"{name} is one 1-D array; pass a list of {what}, for one [{name}].")
    if not isinstance(X, (list, tuple)):
        raise TypeError(f"{name} must be a list of {what}; got {type(X).__name__}.")
    if len(X) == 0:
        raise ValueError(f"{name} is an empty list; at least one of the {what} is needed.")


def check_finite(array: np.ndarray, label: str, axes: Sequence[str], start: int = 0) -> None:
    """Raise ``ValueError`` with the position of the first NaN or infinity.

    The first axis counts from `start`, for parts of recordings.
    """
    # The sum is finite whenever all entries are (unless it overflows), and needs no temporary.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        value = "NaN" if np.isnan(array[tuple(bad[0])]) else "infinity"
        place = (bad[0][0] + start, *bad[0][1:])
        where = ", ".join(f"{axis} {index}" for axis, index in zip(axes, place, strict=True))
        raise ValueError(f"{label} contains {value} at {where}.")


def check_waveform(waveform: ArrayLike, label: str) -> np.ndarray:
    """Check a 1-D waveform; return it as finite float32 or float64, PCM scaled to [-1, 1].

    Parameters
    ----------
    waveform : array-like of shape (n_times,)
        Samples: floats, or integer PCM (uint8, int8, int16, int32).
    label : str
        Its name in messages, for example ``"X[3]"``.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float32 or float64

    Examples
    --------
    >>> check_waveform(np.array([0, -32768], dtype="int16"), "X[0]")
    array([ 0., -1.], dtype=float32)
    """
    if isinstance(waveform, (str, os.PathLike)):
        raise TypeError(
            f"{label} is a path, {shown(str(waveform))}; read it with "
            f"sknmf_unfold.datasets.load_audio."
        )
    if is_spectrogram(waveform):
        raise TypeError(f"{label} is a Spectrogram; the waveform of one is its `inverse()`.")
    array = without_objects(as_array(waveform, label))
    if array.dtype == object:
        raise TypeError(f"{label} must be a 1-D array of samples; got dtype object.")
    check_one_axis(array.shape, label)
    if array.size == 0:
        raise ValueError(f"{label} is empty; a waveform has at least one sample.")
    array = float_samples(array, label)
    check_finite(array, label, ("sample",))
    return array


def refuse_one_item(X: object, name: str) -> None:
    """Raise ``TypeError`` for a spectrogram in place of a list of them."""
    if is_spectrogram(X):
        raise TypeError(f"{name} is one Spectrogram; pass a list of one, [{name}].")


def rows_of(X: Any, name: str) -> Any:
    """Convert a 2-D array of waveforms, which may be a DataFrame or a tensor, to a list of rows.

    Object arrays and Series of recordings become lists too; anything else returns as it is.

    Examples
    --------
    >>> rows_of(np.eye(2), "Y")
    [array([1., 0.]), array([0., 1.])]
    """
    refuse_one_item(X, name)
    X = as_list(X)
    if isinstance(X, (list, tuple)) or len(getattr(X, "shape", ())) < 2:
        return X
    array = as_array(X, name)
    # Sparse matrices do not become one.
    if array.ndim < 2:
        return X
    check_rows(array.shape, name)
    return list(array)


def check_peak(array: np.ndarray, label: str) -> None:
    """Raise ``ValueError`` where sums over the entries may overflow, as those of an STFT do.

    Examples
    --------
    >>> check_peak(np.array([1e38], dtype="float32"), "X[0]")
    Traceback (most recent call last):
    ...
    ValueError: X[0] peaks at 1e+38, too much to compute with in float32; scale it to about [-1, 1].
    """
    peak = float(max(abs(array.min()), abs(array.max())))
    if peak > 1e-6 * np.finfo(array.dtype).max:
        raise ValueError(
            f"{label} peaks at {peak:.6g}, too much to compute with in {array.dtype}; scale it to "
            f"about [-1, 1]."
        )


def check_source(waveform: Any, label: str) -> np.ndarray | LazyWaveform:
    """Check a waveform as `check_waveform` does; of a lazy one only the length is read now."""
    if not is_lazy(waveform):
        return check_waveform(waveform, label)
    if len(waveform) == 0:
        raise ValueError(f"{label} is empty; a waveform has at least one sample.")
    return waveform


def check_waveforms(X: Any, name: str = "X") -> list[Any]:
    """Check a list of 1-D waveforms of any lengths; return them as `check_waveform` does.

    Of `AudioFiles` and other lazy waveforms only the lengths are read. They return as
    `LazyWaveform` items, which check their samples at every read.

    Examples
    --------
    >>> check_waveforms([np.zeros((16000, 2))])
    Traceback (most recent call last):
    ...
    ValueError: X[0] has shape (16000, 2): stereo or transposed? ...
    """
    check_list(X, name, "1-D waveforms")
    waveforms: list[Any] = [check_source(x, f"{name}[{i}]") for i, x in enumerate(as_list(X))]
    check_rows((len(waveforms), max(map(len, waveforms))), name)
    for i, waveform in enumerate(waveforms):
        if not is_lazy(waveform):
            check_peak(waveform, f"{name}[{i}]")
    return waveforms


def check_same_length(
    X: Sequence, Y: Any, names: tuple[str, str] = ("X", "y"), unit: str = "samples"
) -> None:
    """Raise unless mixtures and targets are equally many, and equally long in pairs."""
    first, second = names
    check_list(Y, second, "targets")
    if len(X) != len(Y):
        raise ValueError(
            f"{first} has {len(X)} items but {second} has {len(Y)}; they must pair up."
        )
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        if len(x) != len(y):
            raise ValueError(
                f"{first}[{i}] has {len(x)} {unit} but {second}[{i}] has {len(y)}; mixtures and "
                f"targets must be equally long."
            )
