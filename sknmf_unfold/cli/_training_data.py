"""Training data of the command `fit`: pairs of recordings, or voices and noise to mix."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sknmf_unfold.separators._recipes import GAINS_DB, SPEED_FACTORS
from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from sknmf_unfold.validation.lazy import samples_of

from ._folders import find_distinct, find_recordings, hold_out
from ._pairs import Pairs, check_groups
from ._parts import equal_parts, part_of
from ._reading import Reading, read_recordings
from ._recordings import refuse_equal

# Longer recordings are divided, so that an epoch has each part at another signal-to-noise ratio.
MAX_TARGET_SECONDS = 10
# Mixtures that dictionaries start from, and mixtures for validation.
MAX_START_SECONDS = MAX_VALIDATION_SECONDS = 600
# Conditions of mixtures where the user sets no others.
CONDITIONS: dict[str, Any] = {
    "snr_db": tuple(range(-6, 21)),
    "gain_db": GAINS_DB,
    "speed_factors": SPEED_FACTORS,
}
# Share of the mixtures in rooms, where there are impulse responses.
ROOM_FRACTION = 0.5
# Parameters of `MixtureDataset` that are no conditions or have options of their own.
NO_CONDITIONS = {"self", "targets", "interference", "rooms", "sample_rate", "random_state"}


class Examples(NamedTuple):
    """Mixtures and their targets.

    Attributes
    ----------
    X, y : list of ndarray or LazyWaveform of shape (n_times,)
    """

    X: list[Any]
    y: list[Any]


class TrainingData(NamedTuple):
    """Recordings of a fit.

    Attributes
    ----------
    training : Examples
        All recordings for training; with `mixtures`, examples of what it draws.
    validation : Examples or None
        Of recordings that training does not get.
    mixtures : MixtureDataset or None
        The mixtures of every epoch; None where the recordings are mixtures.
    description : str
        Number and duration of the recordings.
    """

    training: Examples
    validation: Examples | None
    mixtures: MixtureDataset | None
    description: str


class Split(NamedTuple):
    """Settings of the division for training and validation.

    Attributes
    ----------
    fraction : float
        Least share of the recordings for validation.
    seed : int
        Of all random choices.
    rate : int
        Sampling rate in Hz.
    skip_unreadable : bool, default=False
        Whether to leave out recordings that cannot be read.
    """

    fraction: float
    seed: int
    rate: int
    skip_unreadable: bool = False


def condition_names() -> list[str]:
    """List the parameters of `MixtureDataset` that ``--set`` can change."""
    names = inspect.signature(MixtureDataset).parameters
    return [name for name in names if name not in NO_CONDITIONS]


def read_pairs(pairs: Pairs, split: Split) -> TrainingData:
    """Read pairs of noisy and clean recordings.

    Parameters
    ----------
    pairs : Pairs
    split : Split

    Returns
    -------
    data : TrainingData
        Without validation if there is only one pair.

    Raises
    ------
    ValueError
        If files cannot be read, every noisy recording equals its clean one, or there is only one
        group.
    """
    check_groups(pairs.groups or [])
    found = read_recordings(pairs.paths, split.rate, split.skip_unreadable, np.array_equal)
    if all(reading.fact for reading in found):
        refuse_equal(pairs.paths)
    kept = pairs.subset([reading.place for reading in found])
    held_out = np.zeros(len(found), dtype=bool)
    if len(found) > 1:
        held_out = kept.hold_out(split.fraction, np.random.RandomState(split.seed))
    training, validation = (
        Examples(*([reading.waveforms[i] for reading in part] for i in (0, 1)))
        for part in _parted(found, held_out)
    )
    limited = _limit(validation, MAX_VALIDATION_SECONDS * split.rate) if held_out.any() else None
    return TrainingData(training, limited, None, _describe(training.y, "recordings", split.rate))


def read_clean_and_noise(
    clean: Sequence[Path],
    noise: Sequence[Path],
    rooms: Sequence[Path],
    conditions: dict[str, Any],
    split: Split,
) -> TrainingData:
    """Read clean recordings and noise, to be mixed at random in every epoch.

    Parameters
    ----------
    clean, noise : list of Path
        Files and folders. Recordings of both are held out for validation; a single one is divided.
    rooms : list of Path
        Files and folders of impulse responses, or none.
    conditions : dict
        Parameters of `MixtureDataset` that replace `CONDITIONS`.
    split : Split

    Returns
    -------
    data : TrainingData

    Raises
    ------
    ValueError
        If recordings cannot be read, or a condition is not as described.
    """
    found = find_distinct({"--clean": clean, "--noise": noise})
    settings = {**CONDITIONS, **conditions, "sample_rate": split.rate}
    settings["random_state"] = split.seed
    if rooms:
        settings.setdefault("room_fraction", ROOM_FRACTION)
        found_rooms = _read(find_recordings(rooms), split)
        settings["rooms"] = [samples_of(room) for room in _waveforms(found_rooms)]
    learns = functools.partial(_audible, rate=split.rate), _nothing
    parts = [_divide(*each, split) for each in zip(found, learns, strict=True)]
    mixtures, validation = (
        MixtureDataset(
            _pieces(_waveforms(clean_part), split.rate, [reading.fact for reading in clean_part]),
            _waveforms(noise_part),
            **settings | speeds,
        )
        for clean_part, noise_part, speeds in zip(
            *parts, ({}, {"speed_factors": (1,)}), strict=True
        )
    )
    targets, interference = (_waveforms(part[0]) for part in parts)
    return TrainingData(
        _examples(mixtures, MAX_START_SECONDS * split.rate),
        _examples(validation, MAX_VALIDATION_SECONDS * split.rate),
        mixtures,
        f"{_describe(targets, 'clean recordings', split.rate)} and "
        f"{_describe(interference, 'of noise', split.rate)}",
    )


def _nothing(*_):
    """Learn nothing about the samples of a recording."""


def _read(recordings, split, learn=_nothing):
    """Read recordings one by one; tell for each what `learn` returns."""
    paths = [(each.path,) for each in recordings]
    return read_recordings(paths, split.rate, split.skip_unreadable, learn)


def _divide(recordings, learn, split):
    """Read recordings and divide them for training and validation: two lists of `Reading`."""
    found = _read(recordings, split, learn)
    if len(found) == 1:
        [whole] = found[0].waveforms
        n_training = int((1 - split.fraction) * len(whole))
        if not 0 < n_training < len(whole):
            raise ValueError(
                f"{recordings[found[0].place].path} is too short to be divided for training and "
                f"validation; pass more recordings."
            )
        parts = part_of(whole, 0, n_training), part_of(whole, n_training, len(whole))
        return [[Reading(0, (part,), learn(samples_of(part)))] for part in parts]
    kept = [recordings[reading.place] for reading in found]
    return _parted(found, hold_out(kept, split.fraction, np.random.RandomState(split.seed)))


def _parted(readings, held_out):
    """Part readings into those for training and those held out."""
    pairs = list(zip(readings, held_out, strict=True))
    return [[each for each, is_out in pairs if is_out == wanted] for wanted in (False, True)]


def _waveforms(readings):
    """List the waveforms of single recordings."""
    return [reading.waveforms[0] for reading in readings]


def _divided(waveform, rate):
    """Divide a recording into equal parts of at most `MAX_TARGET_SECONDS`."""
    return equal_parts(waveform, MAX_TARGET_SECONDS * rate)


def _audible(waveform, rate):
    """Tell which parts of a recording are not silent."""
    return [bool(part.any()) for part in _divided(waveform, rate)]


def _pieces(waveforms, rate, audible=None):
    """List the parts of all recordings that are not silent, as `_audible` tells."""
    if audible is None:
        audible = [_audible(samples_of(waveform), rate) for waveform in waveforms]
    pieces = [
        part
        for waveform, flags in zip(waveforms, audible, strict=True)
        for part, is_audible in zip(_divided(waveform, rate), flags, strict=True)
        if is_audible
    ]
    if not pieces:
        raise ValueError(
            "The clean recordings for training or for validation are silent; pass others."
        )
    return pieces


def _examples(dataset, n_times):
    """Make mixtures of randomly drawn targets, up to so many samples in all."""
    order = np.random.RandomState(dataset.random_state).permutation(len(dataset))
    order = order[: _count([len(dataset.targets[i]) for i in order], n_times)]
    X, y = zip(*dataset.mixtures(0, order), strict=True)
    return Examples(list(X), list(y))


def _limit(examples, n_times):
    """Return the first examples, up to so many samples in all, in memory."""
    stop = _count([len(x) for x in examples.X], n_times)
    return Examples(*([samples_of(each) for each in part[:stop]] for part in examples))


def _count(lengths, n_times):
    """Count the first recordings that reach so many samples in all."""
    return 1 + np.searchsorted(np.cumsum(lengths), n_times)


def _describe(waveforms, kind, rate):
    """Tell number and duration of recordings."""
    seconds = sum(map(len, waveforms)) / rate
    unit, length = ("h", seconds / 3600) if seconds >= 3600 else ("min", seconds / 60)
    return f"{len(waveforms)} {kind} ({length:.1f} {unit})"
