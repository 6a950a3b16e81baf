"""Hyper-parameters of a `Trainer`."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of training.

    Parameters
    ----------
    learning_rate : float
        Of Adam.
    batch_size : int
        Sequences in a batch.
    sequence_length : int
        Maximal number of frames of a sequence; longer recordings are cut into equal parts.
    max_epochs : int
        Maximal number of passes over the training data.
    patience : int
        Epochs without a better validation loss before training stops.
    max_gradient_norm : float or None
        Longer gradients are scaled to this l2-norm.
    learning_rate_patience : int or None
        Epochs without a better validation loss before the learning rate is halved.
    ema_decay : float
        Decay at a step of the exponential moving average of the weights, which are the ones that
        are validated and kept; 0 takes the weights of the last step.
    """

    learning_rate: float
    batch_size: int
    sequence_length: int
    max_epochs: int
    patience: int
    max_gradient_norm: float | None = None
    learning_rate_patience: int | None = None
    ema_decay: float = 0.0
