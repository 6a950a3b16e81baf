"""Resumption of training from a fitted model, which the parameters have to describe."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from sknmf_unfold.base.tensors import tree_to_tensors
from sknmf_unfold.validation.messages import shown


def check_same_level(level_frames, fitted):
    """Raise unless a fitted model has a running level of so many frames.

    Parameters
    ----------
    level_frames : int
        Of the recipe or the parameter.
    fitted : int
        Of the fitted model.

    Raises
    ------
    ValueError
        If they differ.
    """
    if level_frames != fitted:
        raise refuse_to_resume("level_frames", level_frames, fitted)


def refuse_to_resume(name: str, value: object, fitted: object, way_out: str = "") -> ValueError:
    """Make the error for a parameter that is not that of the fitted model.

    Parameters
    ----------
    name : str
    value : object
        The parameter, and what the user passed.
    fitted : object
        What the fitted model has.
    way_out : str, default=""
        What to do about it.

    Returns
    -------
    error : ValueError
    """
    return ValueError(
        f"`{name}` is {shown(value)}, but the fitted model has {fitted}; training cannot resume "
        f"from it.{way_out}"
    )


def restore_training(separator: Any, trainer: Any, learning_rate: float) -> None:
    """Give a trainer the state of an earlier call of ``partial_fit``.

    Parameters
    ----------
    separator : TrainedSeparator
        With ``_training_state``.
    trainer : training.loop.Trainer
    learning_rate : float
        Of the steps that follow.

    Raises
    ------
    ValueError
        If the state is not that of the trainer's network.
    """
    # A copy: tensors share memory with arrays, and training changes them.
    state = tree_to_tensors(copy.deepcopy(separator._training_state))
    # The fitted attributes, the trainer's first weights, are the best ones.
    best = vars(trainer.best) | {"epoch": separator.best_epoch_}
    trainer.rng = np.random.RandomState()
    try:
        trainer.load_state_dict(state | {"best": best})
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"`_training_state` of this {type(separator).__name__}, from which partial_fit "
            f"resumes, is not that of its network ({error}). Other parameters train another part "
            f"of it: set them back, or call fit with warm_start=True."
        ) from error
    trainer.optimizer.param_groups[0]["lr"] = learning_rate
