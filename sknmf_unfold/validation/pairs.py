"""Checks of waveforms that pair up: reference, estimate and mixture of a metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from .recordings import (
    as_array,
    as_list,
    as_waveform,
    check_waveform,
    is_number,
)
from .samples import check_rows, refuse_bytes


def check_pairs(**signals: Any) -> tuple[list[list[np.ndarray]], bool]:
    """Check signals that belong together; return each as a list of float64 waveforms.

    Parameters
    ----------
    **signals : array-like of shape (n_times,), Spectrogram, or a list or 2-D array of them
        Waveforms by their name in messages; spectrograms stand for their waveforms, the masks
        applied. Each is compared with the first.

    Returns
    -------
    waveforms : list of list of ndarray of shape (n_times,), float64
        One list for each signal.
    single : bool
        Whether the signals were one waveform each.

    Raises
    ------
    TypeError
        If a signal is not an array of numbers.
    ValueError
        If the signals do not pair up, or a waveform is not 1-D, empty or not finite.

    Examples
    --------
    >>> check_pairs(reference=[1.0, 2.0], estimate=[0.5, 0.5])
    ([[array([1., 2.])], [array([0.5, 0.5])]], True)
    >>> check_pairs(reference=[np.ones(3)], estimate=[np.ones(4)])
    Traceback (most recent call last):
    ...
    ValueError: reference[0] has 3 samples but estimate[0] has 4; they must be equally long. ...
    """
    signals = {name: _as_waveforms(signal, name) for name, signal in signals.items()}
    first = next(iter(signals))
    single = _is_single(signals[first], first)
    for name, signal in signals.items():
        if _is_single(signal, name) != single:
            raise ValueError(f"{first} and {name} must both be one waveform or both be lists.")
    labels = {name: name if single else name + "[{}]" for name in signals}
    waveforms = {
        name: [
            check_waveform(as_waveform(item), labels[name].format(i)).astype(np.float64)
            for i, item in enumerate([signal] if single else signal)
        ]
        for name, signal in signals.items()
    }
    for name in () if single else signals:
        check_rows((len(waveforms[name]), max(map(len, waveforms[name]))), name)
    for name in signals:
        _check_lengths(waveforms, labels, first, name)
    return list(waveforms.values()), single


def _as_waveforms(signal, name):
    """Return a list of waveforms as it is, anything else (such as a DataFrame) as an array."""
    signal = as_list(as_waveform(signal))
    if isinstance(signal, (list, tuple)):
        # Items of raw bytes look like numbers, or like recordings.
        refuse_bytes(signal[0] if signal else None, f"{name}[0]")
        return signal
    array = as_array(signal, name)
    if array.ndim == 0:
        raise TypeError(
            f"{name} must be a waveform or a list of waveforms; got {type(signal).__name__}."
        )
    return array


def _is_single(signal, name):
    """Whether `signal` is one waveform; raise unless it is that or a list of waveforms."""
    if not isinstance(signal, (list, tuple)):
        check_rows(signal.shape, name)
    if len(signal) == 0:
        raise ValueError(f"{name} is empty; wanted a waveform or a list of waveforms.")
    return is_number(signal[0])


def _check_lengths(waveforms, labels, first, name):
    """Raise unless the waveforms called `name` are as many and as long as those called `first`."""
    n_first, n_items = len(waveforms[first]), len(waveforms[name])
    if n_first != n_items:
        raise ValueError(
            f"{first} has {n_first} waveforms but {name} has {n_items}; they must pair up."
        )
    for i, (a, b) in enumerate(zip(waveforms[first], waveforms[name], strict=True)):
        if len(a) != len(b):
            raise ValueError(
                f"{labels[first].format(i)} has {len(a)} samples but {labels[name].format(i)} has "
                f"{len(b)}; they must be equally long. Trim or pad one of them."
            )
