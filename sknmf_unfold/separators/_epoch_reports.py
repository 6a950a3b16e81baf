"""Reports of the epochs of a fit: progress bars, callbacks, and how training ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import ConvergenceWarning

from sknmf_unfold.base.progress import batch_bar, end_early, progress_bar
from sknmf_unfold.validation.warn import warn_user

if TYPE_CHECKING:
    from sknmf_unfold.base.callbacks import FitTask
    from sknmf_unfold.training.checkpoint import Checkpoint, NoCheckpoint
    from sknmf_unfold.training.loop import Trainer


def train(
    separator: Any, trainer: Trainer, pairs: tuple, task: FitTask, after_epoch: Callable[[], None]
) -> None:
    """Train until early stopping, the last epoch, or a callback that stops it.

    Parameters
    ----------
    separator : TrainedSeparator
    trainer : Trainer
    pairs : tuple
        Arguments of `Trainer.begin`.
    task : FitTask
        Gets a subtask for every epoch.
    after_epoch : callable
        Called after every epoch, before the callbacks.

    Raises
    ------
    MemoryError
        If a batch does not fit into the memory of the GPU.
    """
    import torch

    name, total = type(separator).__name__, trainer.recipe.max_epochs
    verbose = trainer.ranks.is_first and separator.verbose
    try:
        with (
            progress_bar(total, verbose, name, trainer.n_epochs) as bar,
            trainer.ranks.deferring_interrupts(),
        ):
            trainer.begin(*pairs)
            stopped = False
            while trainer.unfinished and not stopped:
                stopped = _epoch(separator, trainer, task, after_epoch, bar)
            end_early(bar, "stopped by a callback" if stopped else "stopped early")
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(
            f"A batch of {trainer.recipe.batch_size} sequences of "
            f"{trainer.recipe.sequence_length} frames does not fit into the memory of "
            f"{trainer.device}; lower `batch_size` or `sequence_length`."
        ) from error


def _epoch(separator, trainer, task, after_epoch, bar):
    """Train for an epoch; return whether a callback stops training."""
    part = task.part("epoch")
    verbose = trainer.ranks.is_first and separator.verbose
    with batch_bar(verbose, trainer.n_epochs + 1) as batches:
        loss = trainer.epoch(batches)
    after_epoch()
    text = f"validation {loss:.4g} (best {trainer.best.loss:.4g})"
    bar.set_postfix_str(text, refresh=False)
    bar.update()
    stops = part.end(lambda: separator._trained_attributes(trainer, trainer.average))
    return trainer.ranks.any(stops)


def warn_if_diverged(trainer: Trainer, name: str) -> None:
    """Warn if the last value of a loss is not finite.

    Parameters
    ----------
    trainer : Trainer
    name : str
        Column of its history.
    """
    history = trainer.history
    if not math.isfinite(history[name][-1]):
        warn_user(
            f"The loss became {history[name][-1]} in epoch {history['epoch'][-1]}; the "
            f"weights of epoch {trainer.best.epoch} are kept. Lower learning_rate, or scale "
            f"the recordings to [-1, 1].",
            ConvergenceWarning,
        )


def say_what_is_kept(
    interrupt: KeyboardInterrupt, trainer: Trainer, checkpoint: Checkpoint | NoCheckpoint
) -> None:
    """Give an interrupt without a message one: which weights and which checkpoint are kept."""
    text = (
        f"training was interrupted after {trainer.n_epochs} epochs; the estimator has the weights "
        f"of epoch {trainer.best.epoch}"
    )
    if checkpoint.path is not None:
        text += f", and the same fit resumes from {checkpoint.path}"
    interrupt.args = interrupt.args or (text,)
