"""Training data: frames of mixtures and targets for a loss, as recorded or remixed every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.base.tensors import resolve_device
from sknmf_unfold.training.losses import LOSSES, Loss, resolve_loss
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.sequences import Sequences

from ._drawn_pairs import DrawnPairs, remixed_pairs
from ._file_pairs import FilePairs
from ._pairs import make_pairs

if TYPE_CHECKING:
    from sknmf_unfold.training.batches import Pairs

    from ._fit_data import FitData

# The loss that a recipe stands for where the data are magnitudes, which have no phase.
MAGNITUDE_LOSS = "signal_approximation"


def suit_data(settings: dict, separator: object, sequences: Sequences) -> None:
    """Resolve the loss, and adapt the recipe to magnitudes, which have no phase and no waveform.

    Parameters
    ----------
    settings : dict
        ``loss`` and ``remix`` of recipe and parameters. The loss becomes a `Loss`.
    separator : object
        Its parameters `loss` and `remix` are None where the recipe decides.
    sequences : Sequences
        Checked training data.

    Raises
    ------
    ValueError
        If a parameter needs more than magnitudes.
    """
    loss, remix = separator.loss, separator.remix  # type: ignore[attr-defined]
    settings["loss"] = resolve_loss(settings["loss"])
    if sequences.kind == "spectrograms":
        return
    if remix:
        raise ValueError(
            "`remix`=True mixes waveforms, which spectrograms have, as STFT makes them; X has "
            "magnitudes. Use remix=False."
        )
    settings["remix"] = False
    if loss is None:
        settings["loss"] = LOSSES[MAGNITUDE_LOSS]
    elif settings["loss"].input != "magnitude":
        raise ValueError(
            f"`loss`={shown(loss)} needs the phase of spectrograms, as STFT makes them; X has "
            f"magnitudes. Use loss={MAGNITUDE_LOSS!r}."
        )


def try_own_loss(separator: Any, settings: dict, mixtures: Sequences, targets: Sequences) -> None:
    """Call the user's loss on the first recording, before anything is computed that takes long.

    Parameters
    ----------
    separator : TrainedSeparator
        With ``input_scale_``.
    settings : dict
        ``loss``, a `Loss`, and ``sequence_length``.
    mixtures, targets : Sequences

    Raises
    ------
    ValueError, TypeError
        If its return value is not what training needs.
    """
    loss: Loss = settings["loss"]
    if not loss.is_own:
        return
    from sknmf_unfold.training.own_loss import try_loss

    pairs = make_pairs(loss, mixtures.subset([0]), targets.subset([0]), separator.input_scale_)
    pairs = pairs.segments(settings["sequence_length"])
    try_loss(loss.function, pairs.batch([0, 0], resolve_device(separator.device)))


def make_training_pairs(
    loss: Loss,
    data: FitData,
    plan: dict,
    scale: float,
    mixing: dict,
    rng: np.random.RandomState,
) -> tuple[Pairs | DrawnPairs | FilePairs, Pairs]:
    """Compute the frames of a fit, for training and for validation.

    Parameters
    ----------
    loss : Loss
    data : FitData
    plan : dict
        ``parts`` (indices of the recordings for training and for validation, or None) and ``seed``
        (of remixing, or None).
    scale : float
        Factor of all frames.
    mixing : dict
        ``speed_factors`` and ``gain_db`` for remixing, see `MixtureDataset`.
    rng : numpy.random.RandomState
        The trainer's, which draws the order of files.

    Returns
    -------
    train : Pairs, DrawnPairs or FilePairs
    validation : Pairs
    """
    mixtures, targets = data.mixtures, data.targets
    if plan["parts"] is not None:
        train, held_out = plan["parts"]
        validation = mixtures.subset(held_out), targets.subset(held_out)
        mixtures, targets = mixtures.subset(train), targets.subset(train)
    else:
        assert data.validation is not None
        validation = data.validation
    validation_pairs = make_pairs(loss, *validation, scale)
    if data.dataset is not None:
        return DrawnPairs(loss, data.dataset, mixtures, scale), validation_pairs
    if plan["seed"] is None:
        return recorded_pairs(loss, mixtures, targets, scale, rng), validation_pairs
    pairs = remixed_pairs(loss, mixtures, targets, plan["seed"], scale, **mixing)
    return pairs, validation_pairs


def recorded_pairs(
    loss: Loss, mixtures: Sequences, targets: Sequences, scale: float, rng: np.random.RandomState
) -> Pairs | FilePairs:
    """Make the training data of recordings as they are, without remixing.

    Parameters
    ----------
    loss : Loss
    mixtures, targets : Sequences
    scale : float
        Factor of all frames.
    rng : numpy.random.RandomState
        Draws the order of files.

    Returns
    -------
    train : Pairs, or FilePairs where some recordings are in files
    """
    if mixtures.is_lazy or targets.is_lazy:
        return FilePairs(loss, mixtures, targets, scale, rng)
    return make_pairs(loss, mixtures, targets, scale)
