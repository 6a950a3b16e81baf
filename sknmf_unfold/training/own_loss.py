"""The user's own loss: a trial before training, and checks of what it returns."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .batches import Batch


def checked(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Make a loss function raise where it does not return what training needs.

    Parameters
    ----------
    function : callable
        ``function(mask, mixture, target)``, written by the user. What it raises is not touched.

    Returns
    -------
    checked : callable
        The same function, which raises ``TypeError`` or ``ValueError`` unless it returns finite
        real numbers, one for each sequence, with a gradient where there is one. Where the mask has
        NaN, training has diverged, and so may the loss.
    """

    def call(mask, mixture, target):
        values = function(mask, mixture, target)
        _check_form(function, values, len(mask))
        if torch.is_grad_enabled() and mask.requires_grad and not values.requires_grad:
            raise ValueError(
                f"`loss` must return a Tensor with a gradient; {_name(function)} returned one "
                f"without. Compute it from `mask` by operations of torch alone, without detach(), "
                f"numpy() or no_grad()."
            )
        if not bool(values.isfinite().all()) and bool(mask.isfinite().all()):
            raise ValueError(
                f"`loss` must return finite numbers; {_name(function)} returned "
                f"{_first_infinite(values)} for a sequence of {mask.shape[1]} frames. Keep "
                f"logarithms and divisions away from 0, which silence leads to: log(x + 1e-8)."
            )
        return values

    return call


def try_loss(function: Callable[..., torch.Tensor], batch: Batch) -> None:
    """Call a loss function once before training, and differentiate it.

    Parameters
    ----------
    function : callable
        ``function(mask, mixture, target)``.
    batch : tuple of Tensor
        From `Pairs.batch`, sequences of one length.

    Raises
    ------
    ValueError, TypeError
        If it does not return what training needs, or its gradient is not finite.
    """
    mixture, target, _ = batch
    # Masks from 0.1 to 0.9, a different one for each sequence.
    values = torch.linspace(0.1, 0.9, mixture.numel(), device=mixture.device)
    mask = values.reshape(mixture.shape).to(mixture.real.dtype).requires_grad_()
    losses = checked(function)(mask, mixture, target)
    (gradient,) = torch.autograd.grad(losses.sum(), mask, allow_unused=True)
    if gradient is None:
        raise ValueError(f"`loss` must depend on the mask; {_name(function)} does not.")
    if not bool(gradient.isfinite().all()):
        raise ValueError(
            f"`loss` must have a finite gradient; that of {_name(function)} has "
            f"{_first_infinite(gradient)}. Keep roots, logarithms and divisions away from 0, which "
            f"silence leads to: sqrt(x + 1e-8)."
        )


def _check_form(function, values, n_sequences):
    wanted = (
        f"`loss` must return a torch.Tensor of shape ({n_sequences},), a real number for each "
        f"sequence"
    )
    if not isinstance(values, torch.Tensor):
        raise TypeError(f"{wanted}; {_name(function)} returned a {type(values).__name__}.")
    if values.shape != (n_sequences,):
        raise ValueError(
            f"{wanted}; {_name(function)} returned shape {tuple(values.shape)}. A mean over frames "
            f"and bins is .mean(dim=(1, 2))."
        )
    if not values.is_floating_point():
        raise TypeError(f"{wanted}; {_name(function)} returned {values.dtype}.")


def _name(function):
    return getattr(function, "__name__", type(function).__name__)


def _first_infinite(values):
    return values.detach()[~values.isfinite()][0].item()
