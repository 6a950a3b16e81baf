"""Exponential moving average of a network's weights over the steps of training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.optim.swa_utils import AveragedModel


def averaged_copy(network: torch.nn.Module, ema_decay: float) -> AveragedModel:
    """Copy a network; the weights of the copy are averages, updated by ``update_parameters``.

    Parameters
    ----------
    network : torch.nn.Module
    ema_decay : float
        Share of the average that remains at each step: at step t at most (1 + t) / (10 + t).

    Returns
    -------
    average : AveragedModel
        The copy is its ``module``.

    Examples
    --------
    >>> network = torch.nn.Linear(1, 1, bias=False)
    >>> average = averaged_copy(network, ema_decay=0.9)
    >>> for value in (1.0, 3.0):
    ...     _ = torch.nn.init.constant_(network.weight, value)
    ...     average.update_parameters(network)
    >>> round(average.module.weight.item(), 3)  # 2 / 11 of the first, 9 / 11 of the second
    2.636
    """
    average = AveragedModel(network, multi_avg_fn=_moving_average(ema_decay))
    # A GPU wants the weights of recurrent layers side by side, which those of a copy are not.
    for module in average.modules():
        if isinstance(module, torch.nn.RNNBase):
            module.flatten_parameters()
    return average


def _moving_average(ema_decay: float) -> Callable[..., None]:
    def update(averages, values, n_averaged):
        kept = min(ema_decay, (1 + int(n_averaged)) / (10 + int(n_averaged)))
        torch._foreach_lerp_(averages, values, 1 - kept)

    return update
