"""Training data of the command `fit`: pairs of recordings, or voices and noise to mix."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sknmf_unfold.separators._recipes import GAINS_DB, SPEED_FACTORS
from sknmf_unfold.signal.mixture_dataset import MixtureDataset

from . import _recordings
from ._folders import Recording, find_distinct, find_recordings, hold_out, pair_recordings

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
    X, y : list of ndarray of shape (n_times,)
    """

    X: list[np.ndarray]
    y: list[np.ndarray]


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
    """

    fraction: float
    seed: int
    rate: int


def condition_names() -> list[str]:
    """List the parameters of `MixtureDataset` that ``--set`` can change."""
    names = inspect.signature(MixtureDataset).parameters
    return [name for name in names if name not in NO_CONDITIONS]


def read_noisy_and_clean(
    noisy: Sequence[Path], clean: Sequence[Path], split: Split
) -> TrainingData:
    """Read pairs of noisy and clean recordings.

    Parameters
    ----------
    noisy, clean : list of Path
        Files and folders.
    split : Split

    Returns
    -------
    data : TrainingData
        Without validation if there is only one pair.

    Raises
    ------
    ValueError
        If files do not pair up or cannot be read, or every noisy recording equals its clean one.
    """
    pairs = pair_recordings(noisy, clean)
    X, y, failures = _recordings.read_pairs(list(pairs.values()), split.rate)
    _recordings.refuse_failures(failures)
    _recordings.refuse_equal(X, y, list(pairs.values()))
    held_out = _held_out(list(pairs), split)
    training = Examples(_selected(X, ~held_out), _selected(y, ~held_out))
    validation = Examples(_selected(X, held_out), _selected(y, held_out))
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
        settings["rooms"] = _read(find_recordings(rooms), split.rate)
    parts = [_divide(recordings, split) for recordings in found]
    (targets, voices_held_out), (interference, noise_held_out) = parts
    mixtures = MixtureDataset(_pieces(targets, split.rate), interference, **settings)
    settings["speed_factors"] = (1,)
    validation = MixtureDataset(_pieces(voices_held_out, split.rate), noise_held_out, **settings)
    return TrainingData(
        _examples(mixtures, MAX_START_SECONDS * split.rate),
        _examples(validation, MAX_VALIDATION_SECONDS * split.rate),
        mixtures,
        f"{_describe(targets, 'clean recordings', split.rate)} and "
        f"{_describe(interference, 'of noise', split.rate)}",
    )


def _held_out(recordings, split):
    """Tell which recordings are for validation: none of a single one."""
    if len(recordings) < 2:
        return np.zeros(len(recordings), dtype=bool)
    return hold_out(recordings, split.fraction, np.random.RandomState(split.seed))


def _divide(recordings: list[Recording], split: Split) -> list[list[np.ndarray]]:
    """Read recordings and divide them for training and validation."""
    waveforms = _read(recordings, split.rate)
    if len(waveforms) == 1:
        [whole] = waveforms
        n_training = int((1 - split.fraction) * len(whole))
        if not 0 < n_training < len(whole):
            raise ValueError(
                f"{recordings[0].path} is too short to be divided for training and validation; "
                f"pass more recordings."
            )
        return [[whole[:n_training]], [whole[n_training:]]]
    held_out = _held_out(recordings, split)
    return [_selected(waveforms, ~held_out), _selected(waveforms, held_out)]


def _selected(waveforms, mask):
    return [waveform for waveform, is_in in zip(waveforms, mask, strict=True) if is_in]


def _read(recordings, rate):
    """Read all recordings; raise ``ValueError`` with the faults of all that cannot be read."""
    failures: list[str] = []
    waveforms = [_recordings.read_or_note(each.path, rate, failures) for each in recordings]
    _recordings.refuse_failures(failures)
    return waveforms


def _pieces(waveforms, rate):
    """Divide waveforms into equal parts of at most `MAX_TARGET_SECONDS`, without silent ones."""
    pieces = []
    for waveform in waveforms:
        n_parts = -(-len(waveform) // (MAX_TARGET_SECONDS * rate))
        pieces += np.array_split(waveform, n_parts)
    audible = [piece for piece in pieces if piece.any()]
    if not audible:
        raise ValueError(
            "The clean recordings for training or for validation are silent; pass others."
        )
    return audible


def _examples(dataset, n_times):
    """Make mixtures of randomly drawn targets, up to so many samples in all."""
    order = np.random.RandomState(dataset.random_state).permutation(len(dataset))
    order = order[: _count([len(dataset.targets[i]) for i in order], n_times)]
    X, y = zip(*dataset.mixtures(0, order), strict=True)
    return Examples(list(X), list(y))


def _limit(examples, n_times):
    """Return the first examples, up to so many samples in all."""
    stop = _count([len(x) for x in examples.X], n_times)
    return Examples(examples.X[:stop], examples.y[:stop])


def _count(lengths, n_times):
    """Count the first recordings that reach so many samples in all."""
    return 1 + np.searchsorted(np.cumsum(lengths), n_times)


def _describe(waveforms, kind, rate):
    """Tell number and duration of recordings."""
    seconds = sum(map(len, waveforms)) / rate
    unit, length = ("h", seconds / 3600) if seconds >= 3600 else ("min", seconds / 60)
    return f"{len(waveforms)} {kind} ({length:.1f} {unit})"
