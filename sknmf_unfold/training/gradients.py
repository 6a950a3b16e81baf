"""Sums over the shares of a batch: of losses, their counts, and gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from .ranks import Ranks

# Summed loss of some sequences, its number of entries, and the gradients of the parameters.
Share = tuple[float, int, Sequence[Any]]


def add_up(results: Iterable[tuple], ranks: Ranks) -> tuple[float, int]:
    """Add up losses and counts, those of all ranks.

    Parameters
    ----------
    results : iterable of tuple
        Each begins with a summed loss and its number of entries. There may be none.
    ranks : Ranks

    Returns
    -------
    total : float
    count : int

    Examples
    --------
    >>> add_up([(0.5, 2), (0.25, 1)], Ranks())
    (0.75, 3)
    """
    pairs = [result[:2] for result in results]
    return ranks.sum(math.fsum(total for total, _ in pairs), sum(count for _, count in pairs))


def set_gradients(
    parameters: Sequence[torch.nn.Parameter], shares: Sequence[Share], ranks: Ranks
) -> tuple[float, int]:
    """Give parameters the gradients of the mean loss over the shares of all ranks.

    Parameters
    ----------
    parameters : sequence of Parameter
    shares : sequence of tuple
        Summed loss, its count and the gradients of the sum, which are None for a parameter that is
        not used. Always added in the same order. There may be none.
    ranks : Ranks

    Returns
    -------
    total : float
        Summed loss.
    count : int
        Number of entries in the sum.
    """
    total, count = add_up(shares, ranks)
    # A rank without sequences adds zeros.
    columns = [*zip(*(share[2] for share in shares), strict=True)] or [()] * len(parameters)
    gradients = ranks.sum_gradients([_sum(column) for column in columns], parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else gradient / count
    return total, count


def _sum(gradients):
    used = [gradient for gradient in gradients if gradient is not None]
    return sum(used[1:], start=used[0]) if used else None
