"""Frames of mixtures and targets for a loss: magnitudes, parts in phase, or complex frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sknmf_unfold.training.losses import Loss
from sknmf_unfold.validation.sequences import Sequences

if TYPE_CHECKING:
    from sknmf_unfold.training.batches import LazyFrames, Pairs

# Frames of all mixtures, or of all targets, are kept in memory up to this size.
MAX_KEPT_BYTES = 2**31


def make_pairs(loss: Loss, mixtures: Sequences, targets: Sequences, scale: float = 1.0) -> Pairs:
    """Compute the frames of mixtures and targets that a loss takes.

    Parameters
    ----------
    loss : Loss
        Its ``input`` decides; magnitudes and tables have ``"magnitude"`` only.
    mixtures, targets : Sequences
    scale : float, default=1
        Factor of all frames.

    Returns
    -------
    pairs : Pairs
        Above `MAX_KEPT_BYTES` the frames are computed batch by batch.
    """
    from sknmf_unfold.training.batches import Pairs

    return Pairs(
        mixture_frames(loss, mixtures, scale),
        target_frames(loss, mixtures, targets, scale),
    )


def mixture_frames(
    loss: Loss, mixtures: Sequences, scale: float, keep: bool = True
) -> list[np.ndarray | LazyFrames]:
    """Compute the frames of mixtures that a loss takes.

    Parameters
    ----------
    loss : Loss
    mixtures : Sequences
    scale : float
        Factor of all frames.
    keep : bool, default=True
        Whether to compute them now, unless that takes more than `MAX_KEPT_BYTES`.

    Returns
    -------
    frames : list of ndarray or LazyFrames of shape (n_frames, n_freqs)
    """
    if mixtures.kind != "spectrograms":
        return [x * x.dtype.type(scale) for x in mixtures]
    is_complex = loss.input == "complex"
    functions = [item.stft if is_complex else _magnitude(item) for item in mixtures.items]
    return _lazy(mixtures, functions, scale, is_complex, keep)


def target_frames(
    loss: Loss, mixtures: Sequences, targets: Sequences, scale: float, keep: bool = True
) -> list[np.ndarray | LazyFrames]:
    """Compute the frames of targets that a loss takes, see `mixture_frames`."""
    if loss.input != "in_phase":
        return mixture_frames(loss, targets, scale, keep)
    pairs = zip(mixtures.items, targets.items, strict=True)
    return _lazy(targets, [_in_phase(*pair) for pair in pairs], scale, False, keep)


def _lazy(sequences, functions, scale, is_complex, keep):
    """Frames of all sequences, computed now if they are to be kept and small enough."""
    from sknmf_unfold.training.batches import LazyFrames

    dtype = np.result_type(sequences.dtype, np.complex64) if is_complex else sequences.dtype
    factor = sequences.dtype.type(scale)

    def scaled(function):
        return lambda start, stop: (function(start, stop) * factor).astype(dtype, copy=False)

    shapes = [item.shape for item in sequences.items]
    pairs = zip(functions, shapes, strict=True)
    frames = [LazyFrames(scaled(function), shape, dtype) for function, shape in pairs]
    size = sum(sequences.n_frames) * sequences.n_freqs * dtype.itemsize
    return [np.asarray(x) for x in frames] if keep and size <= MAX_KEPT_BYTES else frames


def _magnitude(item):
    return lambda start, stop: np.abs(item.stft(start, stop))


def _in_phase(mixture, target):
    def compute(start, stop):
        X, Y = mixture.stft(start, stop), target.stft(start, stop)
        # Where there is no mixture no mask makes a difference.
        magnitude = np.abs(X)
        return (Y * X.conj()).real / np.where(magnitude > 0, magnitude, 1)

    return compute
