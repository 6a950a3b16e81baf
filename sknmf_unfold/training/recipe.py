"""Hyper-parameters of a `Trainer`, and the best weights that it has found."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of training.

    Parameters
    ----------
    learning_rate : float
        Adam's.
    batch_size : int
        Sequences a batch.
    sequence_length : int
        Frames a sequence at most; longer recordings are cut into equal parts.
    max_epochs : int
        Passes over the training data.
    patience : int
        Epochs without a better validation loss before training stops.
    max_gradient_norm : float or None
        Longer gradients are shortened to this l2-norm.
    learning_rate_patience : int or None
        Epochs without a better validation loss before the learning rate is halved.
    ema_decay : float
        Weights are validated and kept as their exponential moving average over the steps, which
        forgets this little at a step; 0 takes the weights of the last step.
    """

    learning_rate: float
    batch_size: int
    sequence_length: int
    max_epochs: int
    patience: int
    max_gradient_norm: float | None = None
    learning_rate_patience: int | None = None
    ema_decay: float = 0.0


@dataclasses.dataclass
class Best:
    """The weights with the lowest validation loss so far.

    Parameters
    ----------
    loss : float
        Their validation loss.
    epoch : int
        When that was.
    weights : dict of Tensor
        The averaged network's ``state_dict``.
    """

    loss: float
    epoch: int
    weights: dict
