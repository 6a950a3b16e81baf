"""Measures of recordings in files, taken in one pass over the files before training."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from sknmf_unfold.base.read_ahead import read_ahead
from sknmf_unfold.runtime.level import TrainingLevel, frame_sums
from sknmf_unfold.signal.mixing import energy, snrs_of_energies
from sknmf_unfold.training.ranks import Ranks
from sknmf_unfold.validation.recordings import waveform_of
from sknmf_unfold.validation.sequences import Sequences
from sknmf_unfold.validation.targets import is_useless, warn_of_faults, warn_of_useless_targets

# Frames whose magnitudes are in memory together.
BLOCK_FRAMES = 4096
# Numbers that are measured of a recording: two faults of the target, three sums, two energies.
N_MEASURES = 7


class MeasuredSequences(Sequences):
    """Recordings of which some are in files, with what was measured when they were read.

    Parameters
    ----------
    items : list of Spectrogram
    sums : ndarray of shape (n_recordings, 3)
        See `runtime.level.frame_sums`.
    energies : ndarray of shape (n_recordings, 2)
        Of the target, and of the rest of the mixture.
    name : str
        Their name in messages.
    """

    def __init__(self, items: list[Any], sums: np.ndarray, energies: np.ndarray, name: str):
        super().__init__(items, "spectrograms", name)
        self.sums, self.energies = sums, energies

    def subset(self, indices: Any) -> MeasuredSequences:
        """Select the recordings at `indices`."""
        indices = np.asarray(indices, dtype=int)
        items = [self.items[i] for i in indices]
        return MeasuredSequences(items, self.sums[indices], self.energies[indices], self.name)

    @property
    def snrs(self) -> list[float]:
        """Signal-to-noise ratios in dB, see `signal.mixing.observed_snrs`."""
        return snrs_of_energies(self.energies)


def measured(mixtures: Sequences, targets: Sequences, ranks: Ranks | None = None) -> Sequences:
    """Warn of useless targets; where recordings are in files, measure the mixtures meanwhile.

    Each file is read once, in background threads.

    Parameters
    ----------
    mixtures, targets : Sequences
        Checked data of ``fit``.
    ranks : Ranks, optional
        The processes that have the same files and share the reading; by default this one alone.

    Returns
    -------
    mixtures : Sequences or MeasuredSequences
        The same recordings.
    """
    if not (mixtures.is_lazy or targets.is_lazy):
        warn_of_useless_targets(mixtures, targets)
        return mixtures
    ranks = ranks or Ranks()
    pairs = ranks.part(list(zip(mixtures.items, targets.items, strict=True)))
    with read_ahead(functools.partial(_measure, *pair) for pair in pairs) as results:
        rows = np.array(list(results), dtype=np.float64).reshape(-1, N_MEASURES)
    faults, sums, energies = np.split(ranks.join(rows), [2, 5], axis=1)
    warn_of_faults(faults, targets)
    return MeasuredSequences(mixtures.items, sums, energies, mixtures.name)


def training_level(sequences: Sequences) -> TrainingLevel:
    """Measure the level of a training set; files are read once unless they were measured before.

    Parameters
    ----------
    sequences : Sequences

    Returns
    -------
    level : TrainingLevel
    """
    if not sequences.is_lazy:
        return TrainingLevel(sequences)
    if isinstance(sequences, MeasuredSequences):
        return TrainingLevel.of_sums(sequences.sums)
    with read_ahead(functools.partial(_sums_of, item) for item in sequences.items) as sums:
        return TrainingLevel.of_sums(np.array(list(sums)))


def _measure(mixture, target):
    mixture, target = mixture.load(), target.load()
    x, y = waveform_of(mixture), waveform_of(target)
    return [*is_useless(x, y), *_sums_of(mixture), energy(y), energy(x - y)]


def _sums_of(item):
    item = item.load()
    starts = range(0, len(item), BLOCK_FRAMES)
    return frame_sums(np.abs(item.stft(start, start + BLOCK_FRAMES)) for start in starts)
