"""Training data that are drawn every epoch, as by remixing recordings (dynamic mixing)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.base.lazy_frames import LazyFrames, Source
from sknmf_unfold.signal.mixing import Interference
from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from sknmf_unfold.signal.planned_mixtures import plan_mixtures
from sknmf_unfold.signal.stft import n_frames_of
from sknmf_unfold.training.losses import Loss
from sknmf_unfold.validation.lazy import is_lazy
from sknmf_unfold.validation.recordings import lazy_waveform_of
from sknmf_unfold.validation.sequences import Sequences

from ._file_pairs import MAX_FILE_BYTES
from ._frames import target_frames
from ._measures import MeasuredSequences
from ._pairs import pairs_of

if TYPE_CHECKING:
    from sknmf_unfold.training.batches import Pairs

# Waveforms in memory are mixed in groups of about this size.
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
    X, y = ([lazy_waveform_of(item) for item in part.items] for part in (mixtures, targets))
    snrs = mixtures.snrs if isinstance(mixtures, MeasuredSequences) else None
    dataset = MixtureDataset.from_checked(X, y, random_state=seed, snr_db=snrs, **mixing)
    # Targets at their own speed and level stay the same, and so do their frames.
    unchanged = dataset.speed_factors == [1.0] and dataset.gain_db == [0.0]
    stay = unchanged and loss.input != "in_phase" and not targets.is_lazy
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
        most = MAX_FILE_BYTES if _has_files(dataset) else MAX_REMIXED_BYTES
        self.n_groups = math.ceil(2 * mean_bytes * len(dataset) / most)

    def __call__(self, epoch: int) -> Iterator[Pairs]:
        """Draw the mixtures of an epoch, group by group.

        Parameters
        ----------
        epoch : int
            Its number.

        Yields
        ------
        pairs : Pairs
            Of some of the recordings, drawn at random where there is more than one group. Each
            mixture is computed when its first frames are.
        """
        order = np.arange(len(self.dataset))
        if self.n_groups > 1:
            np.random.RandomState([self.dataset.random_state, epoch, 1]).shuffle(order)
        planned = plan_mixtures(self.dataset, epoch, order)
        for group in np.array_split(order, self.n_groups):
            mixtures = [next(planned) for _ in group]
            sources = [Source(self._spectrograms(mixture)) for mixture in mixtures]
            kept = None if self._kept is None else [self._kept[i] for i in group]
            shapes = [self._shape(mixture.n_times) for mixture in mixtures]
            yield pairs_of(self.loss, sources, shapes, self._dtype, self.scale, kept)

    def _spectrograms(self, mixture):
        def compute():
            waveforms = (x.astype(self._dtype, copy=False) for x in mixture())
            return tuple(self._template.of(x) for x in waveforms)

        return compute

    def _shape(self, n_times):
        item = self._template
        return n_frames_of(n_times, item.n_fft, item.hop_length), item.shape[1]


def _has_files(dataset):
    interference = dataset.interference
    is_difference = isinstance(interference, Interference)
    recordings = [*dataset.targets, *(() if is_difference else interference)]
    return any(is_lazy(x) for x in recordings)
