"""Training data in files, read group by group."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sknmf_unfold.training.losses import Loss
from sknmf_unfold.validation.sequences import Sequences

from ._pairs import make_pairs

if TYPE_CHECKING:
    from sknmf_unfold.training.batches import Pairs

# Size of a group, of mixtures and targets together: with that of the next one it is what training
# keeps in memory. Batches are drawn inside a group: hundreds of recordings of a few seconds.
MAX_FILE_BYTES = 2**26


class FilePairs:
    """Frames of recordings in files, read group by group in a new order every epoch.

    Parameters
    ----------
    loss : Loss
    mixtures, targets : Sequences
        Of spectrograms, checked.
    scale : float
        Factor of all frames.
    rng : numpy.random.RandomState
        Draws the order of the recordings, where there is more than one group.
    """

    def __init__(
        self,
        loss: Loss,
        mixtures: Sequences,
        targets: Sequences,
        scale: float,
        rng: np.random.RandomState,
    ):
        self.loss, self.scale, self.rng = loss, scale, rng
        self.mixtures, self.targets = mixtures, targets
        size = sum(item.n_times for item in mixtures.items) * mixtures.dtype.itemsize
        self.n_groups = math.ceil(2 * size / MAX_FILE_BYTES)

    def __call__(self, epoch: int) -> Iterator[Pairs]:
        """Draw the groups of an epoch.

        Parameters
        ----------
        epoch : int
            Its number.

        Yields
        ------
        pairs : Pairs
            Of some of the recordings, each read when its first frames are needed.
        """
        order = np.arange(len(self.mixtures))
        if self.n_groups > 1:
            self.rng.shuffle(order)
        for group in np.array_split(order, self.n_groups):
            parts = self.mixtures.subset(group), self.targets.subset(group)
            yield make_pairs(self.loss, *parts, self.scale)
