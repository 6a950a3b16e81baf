"""Pairs of the frames of mixtures and targets, of recordings in memory or in files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sknmf_unfold.base.lazy_frames import LazyFrames, Source
from sknmf_unfold.training.losses import Loss
from sknmf_unfold.validation.sequences import Sequences

from ._frames import frame_functions, lazy_frames, mixture_frames, target_frames

if TYPE_CHECKING:
    from sknmf_unfold.training.batches import Pairs


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
        Above `MAX_KEPT_BYTES` the frames are computed batch by batch. Those of files always are: a
        file is read once for all of its frames, and not kept after the last of them.
    """
    from sknmf_unfold.training.batches import Pairs

    if mixtures.is_lazy or targets.is_lazy:
        items = zip(mixtures.items, targets.items, strict=True)
        sources = [Source(_loading(*pair)) for pair in items]
        return pairs_of(loss, sources, [x.shape for x in mixtures.items], mixtures.dtype, scale)
    return Pairs(
        mixture_frames(loss, mixtures, scale),
        target_frames(loss, mixtures, targets, scale),
    )


def pairs_of(
    loss: Loss,
    sources: list[Source],
    shapes: list[tuple[int, int]],
    dtype: np.dtype,
    scale: float,
    kept: list[np.ndarray | LazyFrames] | None = None,
) -> Pairs:
    """Make pairs of frames that are computed from sources.

    Parameters
    ----------
    loss : Loss
    sources : list of Source
        Of pairs of spectrograms: a mixture and its target.
    shapes : list of tuple (n_frames, n_freqs)
    dtype : numpy.dtype
        Of the waveforms.
    scale : float
        Factor of all frames.
    kept : list of ndarray or LazyFrames, optional
        Frames of the targets, if they are known.

    Returns
    -------
    pairs : Pairs
    """
    from sknmf_unfold.training.batches import Pairs

    mixture, target = frame_functions(loss)
    settings = shapes, dtype, scale, loss.input
    mixtures = lazy_frames([_of_source(mixture, x) for x in sources], *settings)
    targets = lazy_frames([_of_source(target, x) for x in sources], *settings)
    return Pairs(mixtures, targets if kept is None else kept, sources)


def _of_source(function: Callable, source: Source) -> Callable:
    return lambda start, stop: function(*source(), start, stop)


def _loading(mixture, target):
    return lambda: (mixture.load(), target.load())
