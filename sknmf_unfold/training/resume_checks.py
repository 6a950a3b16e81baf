"""Checks of the state of training that was loaded from a checkpoint."""

from __future__ import annotations

import math
from typing import Any

import torch

from .history import HISTORY_COLUMNS
from .loop import Trainer


def check_resumed(trainer: Trainer, plan: dict, n_recordings: int | None, n_freqs: int) -> None:
    """Raise unless a trainer whose state was loaded can train on these data.

    Parameters
    ----------
    trainer : Trainer
        After ``load_state_dict``, which checked the shapes of its weights.
    plan : dict
        ``parts``, ``start`` and ``seed`` of the fit.
    n_recordings : int or None
        Number of recordings, where they are divided for training and validation.
    n_freqs : int
        Number of bins.

    Raises
    ------
    ValueError
        If something is missing, has another shape, or is NaN.
    """
    _check_history(trainer.history)
    _check_parts(plan["parts"], n_recordings)
    network: Any = trainer.network
    if set(plan["start"]) != set(network.values()):
        raise ValueError("the start has other values")
    if not isinstance(plan["seed"], (int, type(None))):
        raise ValueError("the seed is no whole number")
    _check_optimizer(trainer.optimizer)
    weights = {"start": plan["start"], "best weights": trainer.best.weights}
    if math.isfinite(trainer.history["validation_loss"][-1]):
        weights |= {"weights": trainer.network.state_dict()}
        weights |= {"averaged weights": trainer.average.state_dict()}
    for name, tensors in weights.items():
        if any(bool(tensor.isnan().any()) for tensor in tensors.values()):
            raise ValueError(f"the {name} have NaN")
    shapes = {name: tensor.shape for name, tensor in trainer.average.state_dict().items()}
    if {name: tensor.shape for name, tensor in trainer.best.weights.items()} != shapes:
        raise ValueError("the best weights have other shapes")
    _check_runs(trainer.average, trainer.device, n_freqs)


def _check_history(history):
    lengths = {len(values) for values in history.values()}
    epochs = list(range(max(lengths, default=0)))
    if set(history) != set(HISTORY_COLUMNS) or len(lengths) != 1 or history["epoch"] != epochs:
        raise ValueError("the history is not one of whole epochs")


def _check_parts(parts, n_recordings):
    if (parts is None) != (n_recordings is None):
        raise ValueError("the recordings are divided otherwise")
    # One recording alone is in both parts.
    if parts is not None and {i for part in parts for i in part} != set(range(n_recordings)):
        raise ValueError("the recordings are divided otherwise")


def _check_optimizer(optimizer):
    for parameter, state in optimizer.state.items():
        moments = [state["exp_avg"], state["exp_avg_sq"]]
        if any(moment.shape != parameter.shape for moment in moments):
            raise ValueError("the moments of Adam have other shapes")


@torch.no_grad()
def _check_runs(network, device, n_freqs):
    dtype = next(network.parameters()).dtype
    network(torch.zeros(1, 1, n_freqs, device=device, dtype=dtype))
