"""Training data that are drawn every epoch, as by remixing recordings (dynamic mixing)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from sknmf_unfold.training.losses import Loss
from sknmf_unfold.validation.recordings import waveform_of
from sknmf_unfold.validation.sequences import Sequences

from ._frames import mixture_frames, target_frames

if TYPE_CHECKING:
    from sknmf_unfold.training.batches import LazyFrames, Pairs

# Waveforms are mixed in groups of about this size.
MAX_REMIXED_BYTES = 2**30


def remixed_pairs(
    loss: Loss,
    mixtures: Sequences,
    targets: Sequences,
    seed: int,
    scale: float = 1.0,
    **mixing: Any,
) -> DrawnPairs:
    """Remix recordings every epoch (dynamic mixing).

    Parameters
    ----------
    loss : Loss
    mixtures, targets : Sequences
        Of spectrograms, checked.
    seed : int
        Of all random choices.
    scale : float, default=1
        Factor of all frames.
    **mixing
        ``speed_factors`` and ``gain_db`` of `MixtureDataset`.

    Returns
    -------
    pairs : DrawnPairs
    """
    X, y = ([waveform_of(item) for item in part.items] for part in (mixtures, targets))
    dataset = MixtureDataset.from_checked(X, y, random_state=seed, **mixing)
    # Targets at their own speed and level stay the same, and so do their frames.
    unchanged = dataset.speed_factors == [1.0] and dataset.gain_db == [0.0]
    stay = unchanged and loss.input != "in_phase"
    kept = target_frames(loss, mixtures, targets, scale) if stay else None
    return DrawnPairs(loss, dataset, targets, scale, kept)


class DrawnPairs:
    """Frames of the mixtures that a dataset draws every epoch.

    Parameters
    ----------
    loss : Loss
    dataset : MixtureDataset
    like : Sequences
        Spectrograms with the STFT settings and the dtype of the result.
    scale : float, default=1
        Factor of all frames.
    kept : list of ndarray or LazyFrames, optional
        Frames of the targets, where they are the same in every epoch.
    """

    def __init__(
        self,
        loss: Loss,
        dataset: MixtureDataset,
        like: Sequences,
        scale: float = 1.0,
        kept: list[np.ndarray | LazyFrames] | None = None,
    ):
        self.loss, self.dataset, self.scale = loss, dataset, scale
        self._template, self._dtype, self._kept = like.items[0], like.dtype, kept
        # Of mixtures and targets together, at the mean length of the targets.
        mean_bytes = sum(target.nbytes for target in dataset.targets) / len(dataset.targets)
        self.n_groups = math.ceil(2 * mean_bytes * len(dataset) / MAX_REMIXED_BYTES)

    def __call__(self, epoch: int) -> Iterator[Pairs]:
        """Draw the mixtures of an epoch, group by group.

        Parameters
        ----------
        epoch : int
            Its number.

        Yields
        ------
        pairs : Pairs
            Of some of the recordings, drawn at random where there is more than one group.
        """
        order = np.arange(len(self.dataset))
        if self.n_groups > 1:
            np.random.RandomState([self.dataset.random_state, epoch, 1]).shuffle(order)
        drawn = self.dataset.mixtures(epoch, order)
        for group in np.array_split(order, self.n_groups):
            yield self._pairs(group, [next(drawn) for _ in group])

    def _pairs(self, indices, drawn):
        from sknmf_unfold.training.batches import Pairs

        mixtures, targets = (self._sequences(waveforms) for waveforms in zip(*drawn, strict=True))
        # Each is needed once: computed when its batch is, it takes no memory.
        frames = mixture_frames(self.loss, mixtures, self.scale, keep=False)
        if self._kept is not None:
            return Pairs(frames, [self._kept[i] for i in indices])
        frames_of_targets = target_frames(self.loss, mixtures, targets, self.scale, keep=False)
        return Pairs(frames, frames_of_targets)

    def _sequences(self, waveforms):
        items = [self._template.of(x.astype(self._dtype, copy=False)) for x in waveforms]
        return Sequences(items, "spectrograms")
