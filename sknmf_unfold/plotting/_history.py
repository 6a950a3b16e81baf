"""Plot of a training run: the losses over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.recordings import as_numbers

from ._figures import check_canvas, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_history(history: Mapping[str, Sequence[float]], ax: Axes | None = None) -> Axes:
    """Draw the training and validation loss over the epochs, and mark the best epoch.

    Parameters
    ----------
    history : dict of str to list of float
        ``"train_loss"`` and, after a fit with validation, ``"validation_loss"``: a number for each
        epoch, as in a fitted separator's ``history_``. Other entries are ignored.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; those of a new figure by default.

    Returns
    -------
    ax : matplotlib.axes.Axes
        ``ax.figure`` is the figure.

    Raises
    ------
    ValueError, TypeError
        If `history` is not a dict of equally long lists of numbers with ``"train_loss"``.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = plot_history({"train_loss": [3.0, 2.0, 1.0], "validation_loss": [3.0, 2.5, 2.7]})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Training', 'Validation', 'Best epoch (2)']
    """
    _check_keys(history)
    check_canvas("ax", ax, "plot", "matplotlib axes")
    curves, epochs = _check_curves(history)
    ax = new_figure(figsize=(6, 4)).subplots() if ax is None else ax
    for key, label in [("train_loss", "Training"), ("validation_loss", "Validation")]:
        losses = curves.get(key, np.empty(0))
        if losses.size:
            ax.plot(epochs, losses, label=label)
    # After the loop `losses` is the validation loss, which early stopping minimises.
    if np.isfinite(losses).any():
        best = int(np.nanargmin(losses))
        ax.plot(epochs[best], losses[best], "ko", label=f"Best epoch ({epochs[best]})")
    locator: Any = ax.xaxis.get_major_locator()
    locator.set_params(integer=True)
    ax.set(xlabel="Epoch", ylabel="Loss")
    ax.legend()
    return ax


def _check_keys(history: object) -> None:
    if not isinstance(history, Mapping):
        raise TypeError(
            f"`history` must be a dict, as a fitted separator's `history_` is; got "
            f"{type(history).__name__}."
        )
    if "train_loss" not in history:
        raise ValueError(
            f"`history` must have an entry 'train_loss'; got {shown(sorted(history))}."
        )


def _check_curves(history: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], Any]:
    """Return losses as arrays, without empty ones, and the number of each epoch."""
    curves = {
        key: as_numbers(_without_none(history[key]), f"`history`[{key!r}]", "a list of numbers")
        for key in ("train_loss", "validation_loss")
        if key in history
    }
    shape = curves["train_loss"].shape
    if len(shape) != 1 or shape == (0,):
        raise ValueError(f"`history`['train_loss'] must have a number for each epoch; got {shape}.")
    curves = {key: losses for key, losses in curves.items() if losses.size}
    epochs = history.get("epoch", np.arange(1, shape[0] + 1))
    for key, values in {"epoch": epochs, **curves}.items():
        if np.shape(values) != shape:
            raise ValueError(
                f"`history`[{key!r}] has shape {np.shape(values)} but 'train_loss' has {shape}."
            )
    return curves, epochs


def _without_none(values: Any) -> Any:
    is_list = isinstance(values, (list, tuple))
    return [np.nan if value is None else value for value in values] if is_list else values
