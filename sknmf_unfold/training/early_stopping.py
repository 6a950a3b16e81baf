"""Early stopping: the best weights, when training ends, and when the learning rate is halved."""

from __future__ import annotations

import dataclasses
import math

from .recipe import Recipe


@dataclasses.dataclass
class Best:
    """The weights with the lowest validation loss so far.

    Parameters
    ----------
    loss : float
        Their validation loss.
    epoch : int
        Number of the epoch that they are from, 0 before training.
    weights : dict of Tensor
        The ``state_dict`` of the averaged network.
    """

    loss: float
    epoch: int
    weights: dict


def needs_epoch(recipe: Recipe, best: Best, n_epochs: int, validation_loss: float) -> bool:
    """Decide whether training goes through another epoch.

    Parameters
    ----------
    recipe : Recipe
        Its ``max_epochs``, and ``patience``, the epochs without a better validation loss.
    best : Best
    n_epochs : int
        Number of epochs so far.
    validation_loss : float
        After the last one. Training stops where it is not finite.

    Returns
    -------
    needs_epoch : bool

    Examples
    --------
    >>> recipe = Recipe(0.01, batch_size=4, sequence_length=9, max_epochs=20, patience=3)
    >>> [needs_epoch(recipe, Best(0.5, 4, {}), n_epochs, 0.6) for n_epochs in (6, 7)]
    [True, False]
    """
    is_patient = n_epochs - best.epoch < recipe.patience
    return math.isfinite(validation_loss) and n_epochs < recipe.max_epochs and is_patient


def halves_learning_rate(recipe: Recipe, best: Best, n_epochs: int) -> bool:
    """Decide whether the learning rate is halved after an epoch.

    Parameters
    ----------
    recipe : Recipe
        Its ``learning_rate_patience``, the epochs without a better validation loss, or None.
    best : Best
    n_epochs : int
        Number of epochs so far.

    Returns
    -------
    halves : bool
    """
    patience, n_waited = recipe.learning_rate_patience, n_epochs - best.epoch
    return patience is not None and n_waited > 0 and n_waited % patience == 0
