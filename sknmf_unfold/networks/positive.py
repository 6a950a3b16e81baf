"""Positive weights, which networks train as logarithms."""

from __future__ import annotations

import torch


def log_or_epsilon(value: torch.Tensor) -> torch.Tensor:
    """Compute the logarithm of a non-negative tensor.

    Parameters
    ----------
    value : Tensor
        The dtype's epsilon stands in for smaller numbers.

    Returns
    -------
    logarithm : Tensor

    Examples
    --------
    >>> log_or_epsilon(torch.tensor([1.0, 0.0])).exp()
    tensor([1.0000e+00, 1.1921e-07])
    """
    return torch.log(value.clamp(min=torch.finfo(value.dtype).eps))


def log_parameter(value: torch.Tensor, is_trained: bool = True) -> torch.nn.Parameter:
    """Make the parameter that stands for a positive weight, its logarithm.

    Parameters
    ----------
    value : Tensor
        Non-negative.
    is_trained : bool, default=True

    Returns
    -------
    parameter : torch.nn.Parameter
    """
    return torch.nn.Parameter(log_or_epsilon(value), requires_grad=is_trained)


def unit_rows(logarithms: torch.Tensor) -> torch.Tensor:
    """Compute positive rows of unit l2-norm from logarithms.

    Parameters
    ----------
    logarithms : Tensor of shape (..., n)

    Returns
    -------
    rows : Tensor of shape (..., n)
    """
    return torch.nn.functional.normalize(logarithms.exp(), dim=-1)
