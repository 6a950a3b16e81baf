"""Frames of mixtures and targets for a loss: magnitudes, parts in phase, or complex frames."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from sknmf_unfold.base.lazy_frames import LazyFrames
from sknmf_unfold.training.losses import Loss
from sknmf_unfold.validation.sequences import Sequences

# Frames of all mixtures, or of all targets, are kept in memory up to this size: those of half an
# hour. To compute them again takes a small part of the time of training.
MAX_KEPT_BYTES = 2**28


def mixture_frames(loss: Loss, mixtures: Sequences, scale: float) -> list[np.ndarray | LazyFrames]:
    """Compute the frames of mixtures that a loss takes.

    Parameters
    ----------
    loss : Loss
    mixtures : Sequences
    scale : float
        Factor of all frames.

    Returns
    -------
    frames : list of ndarray or LazyFrames of shape (n_frames, n_freqs)
    """
    if mixtures.kind == "table":
        return [x * x.dtype.type(scale) for x in mixtures]
    if mixtures.kind == "magnitudes":
        functions = [functools.partial(mixtures.block, i) for i in range(len(mixtures))]
        return _kept_or_lazy(mixtures, functions, scale, loss.input)
    function, _ = frame_functions(loss)
    functions = [functools.partial(function, item, None) for item in mixtures.items]
    return _kept_or_lazy(mixtures, functions, scale, loss.input)


def target_frames(
    loss: Loss, mixtures: Sequences, targets: Sequences, scale: float
) -> list[np.ndarray | LazyFrames]:
    """Compute the frames of targets that a loss takes, see `mixture_frames`."""
    if targets.kind != "spectrograms":
        return mixture_frames(loss, targets, scale)
    _, function = frame_functions(loss)
    pairs = zip(mixtures.items, targets.items, strict=True)
    functions = [functools.partial(function, *pair) for pair in pairs]
    return _kept_or_lazy(targets, functions, scale, loss.input)


def frame_functions(loss: Loss) -> tuple[Callable, Callable]:
    """Find the functions that compute frames of mixtures and of targets from spectrograms.

    Parameters
    ----------
    loss : Loss

    Returns
    -------
    of_mixture, of_target : callable
        ``function(mixture, target, start, stop)`` returns frames of shape (n_frames, n_freqs).
    """
    if loss.input == "complex":
        return _mixture_stft, _target_stft
    return _mixture_magnitude, _target_in_phase if loss.input == "in_phase" else _target_magnitude


def lazy_frames(
    functions: Sequence[Callable[[int, int], np.ndarray]],
    shapes: Sequence[tuple[int, int]],
    dtype: np.dtype,
    scale: float,
    kind: str,
) -> list[LazyFrames]:
    """Make frames that are computed when they are needed.

    Parameters
    ----------
    functions : list of callable
        ``function(start, stop)`` computes frames of a sequence.
    shapes : list of tuple (n_frames, n_freqs)
        Of the sequences.
    dtype : numpy.dtype
        Of the waveforms.
    scale : float
        Factor of all frames.
    kind : str
        The ``input`` of the loss; ``"complex"`` has complex frames.

    Returns
    -------
    frames : list of LazyFrames
    """
    frame_dtype = np.result_type(dtype, np.complex64) if kind == "complex" else dtype
    factor = dtype.type(scale)

    def scaled(function):
        return lambda start, stop: (function(start, stop) * factor).astype(frame_dtype, copy=False)

    pairs = zip(functions, shapes, strict=True)
    return [LazyFrames(scaled(function), shape, frame_dtype) for function, shape in pairs]


def _kept_or_lazy(sequences, functions, scale, kind):
    """Frames of all sequences, computed now if they are small enough to be kept."""
    shapes = [item.shape for item in sequences.items]
    frames = lazy_frames(functions, shapes, sequences.dtype, scale, kind)
    size = sum(sequences.n_frames) * sequences.n_freqs * frames[0].dtype.itemsize
    return [np.asarray(x) for x in frames] if size <= MAX_KEPT_BYTES else frames


def _mixture_stft(mixture, target, start, stop):
    return mixture.stft(start, stop)


def _target_stft(mixture, target, start, stop):
    return target.stft(start, stop)


def _mixture_magnitude(mixture, target, start, stop):
    return np.abs(mixture.stft(start, stop))


def _target_magnitude(mixture, target, start, stop):
    return np.abs(target.stft(start, stop))


def _target_in_phase(mixture, target, start, stop):
    X, Y = mixture.stft(start, stop), target.stft(start, stop)
    # Where there is no mixture no mask makes a difference.
    magnitude = np.abs(X)
    return (Y * X.conj()).real / np.where(magnitude > 0, magnitude, 1)
