"""`TrainingDisplay`: learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.recordings import as_numbers

from ._figures import LINE_STYLES, count_from_whole_numbers, single_axes
from ._recordings import last_step

# Units of the losses, by name; that of a loss of one's own is not known.
LOSS_UNITS = {
    "signal_approximation": "squared magnitude",
    "phase_sensitive": "squared magnitude",
    "snr": "dB",
    "si_sdr": "dB",
    "snr_compressed": "dB",
}


class TrainingDisplay:
    """Learning curves: training and validation loss over the epochs, the best epoch marked.

    Parameters
    ----------
    history : dict of str to list of float
        ``"train_loss"`` and, after a fit with validation, ``"validation_loss"``: a number for each
        epoch, as in a fitted separator's ``history_``. Other entries are ignored.
    loss : str, optional
        Name of the loss, for the axis.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
    lines_ : list of Line2D
        The curves.
    best_ : Line2D or None
        The mark of the epoch with the lowest validation loss.

    Examples
    --------
    >>> from sknmf_unfold.plotting import TrainingDisplay
    >>> history = {"train_loss": [3.0, 2.0, 1.0], "validation_loss": [3.0, 2.5, 2.7]}
    >>> display = TrainingDisplay(history).plot()
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['Training', 'Validation', 'Best epoch (2)']
    """

    def __init__(self, history: Mapping[str, Sequence[float]], *, loss: str | None = None):
        self.history = history
        self.loss = loss

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> TrainingDisplay:
        """Draw the learning curves of a trained separator.

        Parameters
        ----------
        estimator : DRNMFSeparator, DeepNMFSeparator, LSTMSeparator or RNNSeparator
            Fitted, or a `Pipeline` that ends in one.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; those of a new figure by default.

        Returns
        -------
        display : TrainingDisplay

        Raises
        ------
        TypeError, ValueError
            If the estimator is not trained over epochs.
        NotFittedError
            If it is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        last = last_step(estimator)
        if not hasattr(last, "validation_fraction"):
            raise TypeError(
                f"`estimator` must be a separator that is trained over epochs, such as "
                f"DRNMFSeparator, or a Pipeline that ends in one; got {shown(estimator)}."
            )
        check_is_fitted(last)
        return cls(last.history_, loss=_loss_of(last)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> TrainingDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; those of a new figure by default.

        Returns
        -------
        display : TrainingDisplay
            This object.

        Raises
        ------
        TypeError, ValueError
            If `history` is not a dict of equally long lists of numbers with ``"train_loss"``.
        """
        _check_keys(self.history)
        curves, epochs = _check_curves(self.history)
        self.figure_, self.ax_ = single_axes(ax)
        named = {"train_loss": "Training", "validation_loss": "Validation"}
        styles = zip(curves.items(), LINE_STYLES, strict=False)
        # A loss between two that are not known is a point, which no line would show.
        self.lines_ = [
            self.ax_.plot(epochs, losses, style, marker=".", label=named[key])[0]
            for (key, losses), style in styles
        ]
        self.best_ = self._mark_best(epochs, curves.get("validation_loss", np.empty(0)))
        unit = LOSS_UNITS.get(self.loss or "")
        label = f"Loss{f' {self.loss}' * bool(self.loss)}{f' ({unit})' * bool(unit)}"
        self.ax_.set(xlabel="Epoch", ylabel=label)
        count_from_whole_numbers(self.ax_.xaxis)
        self.ax_.legend()
        return self

    def _mark_best(self, epochs, losses):
        """Mark the lowest validation loss, which early stopping minimises."""
        if not np.isfinite(losses).any():
            return None
        best = int(np.nanargmin(losses))
        label = f"Best epoch ({epochs[best]})"
        return self.ax_.plot(epochs[best], losses[best], "ko", label=label)[0]


def _loss_of(separator):
    """Return the name of the loss that a separator was trained by; None for a function."""
    # On magnitudes, which have no phase, recipes take the first loss.
    if separator.loss is None and separator.stft_settings_ is None:
        return "signal_approximation"
    loss = separator._check_parameters()["loss"]
    return loss if isinstance(loss, str) else None


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
