"""The data of a fit: check of mixtures and targets, and the part for the validation loss."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from sknmf_unfold.training.ranks import find_ranks
from sknmf_unfold.validation.lazy import check_rates
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.recordings import (
    as_list,
    check_list,
    check_source,
    is_spectrogram,
    rows_of,
)
from sknmf_unfold.validation.sequences import Sequences, check_sequences
from sknmf_unfold.validation.targets import check_targets
from sknmf_unfold.validation.warn import warn_user

from ._checkpoints import resumes_fit
from ._measures import measured

MIXTURES, TARGETS = "validation_data[0]", "validation_data[1]"
# Parameters of the separators that a dataset of training mixtures replaces by its own.
MIXING_PARAMETERS = ("speed_factors", "gain_db")


@dataclasses.dataclass(frozen=True)
class FitData:
    """Checked data of a fit.

    Parameters
    ----------
    mixtures, targets : Sequences
    validation : tuple of Sequences, or None
        Mixtures and targets for the validation loss; None for a part of the others.
    dataset : MixtureDataset or None
        What training draws its mixtures from, in place of `mixtures` and `targets`.
    """

    mixtures: Sequences
    targets: Sequences
    validation: tuple[Sequences, Sequences] | None = None
    dataset: MixtureDataset | None = None


def check_fit_data(
    separator: Any,
    X: Any,
    y: Any,
    validation_data: tuple[Any, Any] | None,
    training_mixtures: MixtureDataset | None = None,
) -> FitData:
    """Check all data of a fit.

    Parameters
    ----------
    separator : TrainedSeparator
        The one that is fitted.
    X, y, validation_data, training_mixtures
        Arguments of ``fit``.

    Returns
    -------
    data : FitData
    """
    sequences, targets = check_pair(separator, X, y, resumes_fit(separator))
    if training_mixtures is not None:
        check_training_mixtures(separator, training_mixtures, sequences)
    validation = None
    if validation_data is not None:
        validation = check_validation_data(separator, validation_data, sequences)
    return FitData(sequences, targets, validation, training_mixtures)


def measured_data(data: FitData) -> FitData:
    """Warn of useless targets, and measure recordings in files, which all processes share.

    Parameters
    ----------
    data : FitData
        The same in all processes of the group.

    Returns
    -------
    data : FitData
    """
    ranks = find_ranks()
    if data.validation is not None:
        measured(*data.validation, ranks)
    return dataclasses.replace(data, mixtures=measured(data.mixtures, data.targets, ranks))


def check_training_mixtures(separator: Any, dataset: object, sequences: Sequences) -> None:
    """Check the ``training_mixtures`` of ``fit``; its recordings were checked when it was made.

    Parameters
    ----------
    separator : TrainedSeparator
    dataset : object
        What the user passed.
    sequences : Sequences
        Checked training mixtures.

    Raises
    ------
    ValueError, TypeError
        If it is no dataset, or contradicts the other arguments or the parameters.
    """
    if not isinstance(dataset, MixtureDataset):
        raise TypeError(f"`training_mixtures` must be a MixtureDataset; got {shown(dataset)}.")
    if sequences.kind != "spectrograms":
        raise ValueError(
            "`training_mixtures` are waveforms, so X must be spectrograms, as STFT makes them; X "
            "has magnitudes."
        )
    rate = sequences.items[0].sample_rate
    if dataset.conditions.sample_rate != rate:
        raise ValueError(
            f"`training_mixtures` have sample_rate={dataset.conditions.sample_rate} Hz, but X has "
            f"{rate} Hz."
        )
    if separator.remix is False:
        raise ValueError(
            "`training_mixtures` are drawn every epoch, which remix=False forbids. Use remix=None."
        )
    for name in MIXING_PARAMETERS:
        value = getattr(separator, name)
        if value is not None:
            raise ValueError(
                f"`{name}`={shown(value)} does not apply to `training_mixtures`, which have their "
                f"own `{name}`. Use {name}=None."
            )


def check_pair(separator: Any, X: Any, y: Any, resumes: bool) -> tuple[Sequences, Sequences]:
    """Check mixtures and targets, against those of the first fit if training resumes from it.

    Parameters
    ----------
    separator : TrainedSeparator
        Gets ``stft_settings_``.
    X, y
        Arguments of ``fit``.
    resumes : bool
        Whether training starts from fitted weights.

    Returns
    -------
    mixtures, targets : Sequences
    """
    sequences = separator._check_input(X) if resumes else check_sequences(separator, X, reset=True)
    targets = check_targets(y, sequences)
    separator.stft_settings_ = sequences.settings
    return sequences, targets


def check_validation_data(
    estimator: object, validation_data: tuple, sequences: Sequences
) -> tuple[Sequences, Sequences]:
    """Check the ``validation_data`` of ``fit``.

    Parameters
    ----------
    estimator : estimator
        With ``n_features_in_``.
    validation_data : tuple (X, y)
        Where the training data are spectrograms its X may be waveforms, which get the same STFT.
    sequences : Sequences
        Checked training mixtures.

    Returns
    -------
    mixtures, targets : Sequences

    Raises
    ------
    ValueError, TypeError
        If it is no pair, or not like the training data.
    """
    kind = type(validation_data).__name__
    if not isinstance(validation_data, (tuple, list)):
        raise TypeError(f"`validation_data` must be a pair (X, y); got {kind}.")
    if len(validation_data) != 2:
        raise ValueError(
            f"`validation_data` must be a pair (X, y); got a {kind} of {len(validation_data)}."
        )
    X, Y = as_list(validation_data[0]), validation_data[1]
    if sequences.kind == "spectrograms":
        X = rows_of(X, MIXTURES)
        check_list(X, MIXTURES, "waveforms or Spectrogram items")
        check_rates(X, sequences.items[0].sample_rate, MIXTURES, "X")
        X = [_with_stft(x, f"{MIXTURES}[{i}]", sequences) for i, x in enumerate(X)]
    X = check_sequences(estimator, X, reset=False, name=MIXTURES)
    if X.settings != sequences.settings:
        raise ValueError(
            f"`validation_data` was made with {X.settings}, but X with {sequences.settings}."
        )
    return X, check_targets(Y, X, TARGETS)


def _with_stft(x, label, sequences):
    if is_spectrogram(x):
        return x
    waveform = check_source(x, label).astype(sequences.dtype, copy=False)
    return sequences.items[0].of(waveform)


def split_recordings(
    n_recordings: int, fraction: float, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Divide recordings for training and validation, with a warning if there is only one.

    Parameters
    ----------
    n_recordings : int
    fraction : float
        Share of the recordings for validation; at least one of them.
    rng : numpy.random.RandomState
        Draws the recordings for validation.

    Returns
    -------
    train, validation : ndarray of int
        Indices of recordings; a single recording is in both.
    """
    if n_recordings > 1:
        return split_validation(n_recordings, fraction, rng)
    warn_user(
        "X has one recording, which is used for training and for validation: early stopping cannot "
        "see overfitting. Pass more recordings or validation_data."
    )
    return np.zeros(1, dtype=int), np.zeros(1, dtype=int)


def split_validation(
    n_recordings: int, fraction: float, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the recordings for validation; return the indices of the others and of those, in order.

    Examples
    --------
    >>> train, validation = split_validation(5, 0.2, np.random.RandomState(0))
    >>> train, validation
    (array([0, 1, 3, 4]), array([2]))
    """
    n_validation = min(n_recordings - 1, max(1, round(fraction * n_recordings)))
    order = rng.permutation(n_recordings)
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])
