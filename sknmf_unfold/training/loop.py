"""Training loop: mini-batches, gradients, steps of Adam and validation, epoch by epoch.

When it stops is decided in `early_stopping`, the loss is computed in `batch_loss`, and the file
from which it resumes is a `checkpoint`.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from sknmf_unfold.base.tensors import batches_by_length
from sknmf_unfold.base.workers import Workers, worker_threads

from .batch_loss import framewise_loss
from .batch_supply import BatchSupply, Group
from .batches import Batch, Pairs, split_batch
from .checkpoint import rng_state, set_rng_state
from .early_stopping import Best, halves_learning_rate, needs_epoch
from .gradients import add_up, set_gradients
from .history import HISTORY_COLUMNS, restored, with_row
from .ranks import Ranks
from .recipe import Recipe
from .weight_average import averaged_copy

# Maximal number of threads, each with a share of a batch in memory, or a batch of validation.
MAX_THREADS = 8


class Trainer:
    """Trains one network.

    Parameters
    ----------
    network : torch.nn.Module
        As `batch_loss` describes it.
    recipe : Recipe
        Hyper-parameters.
    rng : numpy.random.RandomState
        Shuffles; torch's global random state is not used.
    loss : callable, default=framewise_loss
        ``loss(network, batch) -> (total, count)``; training lowers ``total / count``.
    ranks : Ranks, optional
        The processes that train it together; by default this one alone. Each has a copy of the
        network and the same data, and a step is on ``batch_size`` sequences of each.

    Attributes
    ----------
    history : dict of lists
        ``epoch`` (0 is before training), ``train_loss``, ``validation_loss``, ``learning_rate``,
        ``seconds``, and ``data_wait_seconds``, the part of them in which training waited for data.
    average : torch.nn.Module
        The network with the moving average of its weights.
    best : Best
        Its weights with the lowest validation loss so far.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        recipe: Recipe,
        rng: np.random.RandomState,
        loss: Callable[[torch.nn.Module, Batch], tuple[torch.Tensor, int]] = framewise_loss,
        ranks: Ranks | None = None,
    ):
        self.ranks = Ranks() if ranks is None else ranks
        self.loss = loss
        self.network = network
        self.recipe = recipe
        self.rng = rng
        self._averager = averaged_copy(network, recipe.ema_decay)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimizer = torch.optim.Adam(self.parameters, lr=recipe.learning_rate)
        self._workers = Workers(1)
        self._supply = BatchSupply(self.device)
        self.history: dict[str, list] = {name: [] for name in HISTORY_COLUMNS}
        self.best = Best(math.inf, 0, copy.deepcopy(self.average.state_dict()))

    @property
    def average(self) -> torch.nn.Module:
        """The network with the moving average of its weights."""
        return self._averager.module

    def begin(
        self, train: Pairs | Callable[[int], Iterable[Pairs]], validation: Pairs | None
    ) -> None:
        """Set the data, and compute the loss before training unless a state was loaded.

        Parameters
        ----------
        train : Pairs, or callable
            Cut to `sequence_length`. A callable takes the number of an epoch, from 1 on, and
            returns an iterable of pairs: the data of that epoch, in groups. Their batches are
            computed in background threads, and so are those of lazy frames.
        validation : Pairs or None
            Not cut. With None the validation loss is NaN, and the latest weights count as the best
            as long as they are finite.
        """
        self._train = train
        self._validation = validation
        if not self.history["epoch"]:
            with self._threads():
                loss = self._validate()
            self._record(0, math.nan, loss, 0.0, 0.0)

    @contextlib.contextmanager
    def _threads(self):
        """Divide each batch, and the batches of validation, among threads inside."""
        if self.device.type != "cpu":
            yield
            return
        with worker_threads(MAX_THREADS) as self._workers:
            try:
                yield
            finally:
                self._workers = Workers(1)

    @property
    def n_epochs(self) -> int:
        """Number of epochs so far."""
        return max(len(self.history["epoch"]) - 1, 0)

    @property
    def unfinished(self) -> bool:
        """Whether another epoch follows, see `early_stopping`."""
        loss = self.history["validation_loss"][-1]
        return needs_epoch(self.recipe, self.best, self.n_epochs, loss)

    def epoch(self, progress: Any = None) -> float:
        """Train on all data once in a new order, validate, and update `history` and `best`.

        Parameters
        ----------
        progress : object, optional
            With ``expect(n_batches)``, called before each group of batches, and ``add(total,
            count)``, called with the return value of `train_step` after each batch.

        Returns
        -------
        loss : float
            Validation loss.
        """
        start, self._supply.waited = time.perf_counter(), 0.0
        with self._threads():
            # Closed where an interrupt comes between two steps: no thread is left behind.
            with contextlib.closing(self._steps(progress)) as steps:
                train_loss = _mean(steps)
            self.ranks.make_equal([*self.network.parameters(), *self.average.parameters()])
            loss = self._validate()
        elapsed = self.ranks.mean(time.perf_counter() - start)
        seconds = self.history["seconds"][-1] + elapsed
        waited = self.history["data_wait_seconds"][-1] + self.ranks.mean(self._supply.waited)
        self._record(self.n_epochs + 1, train_loss, loss, seconds, waited)
        if halves_learning_rate(self.recipe, self.best, self.n_epochs):
            self.optimizer.param_groups[0]["lr"] *= 0.5
        return loss

    def restore_best(self) -> None:
        """Give the network the best weights."""
        self.network.load_state_dict(self.best.weights)

    def train_step(self, batch: Batch) -> tuple[float, int]:
        """Take one step of Adam.

        Parameters
        ----------
        batch : tuple of Tensor
            From `Pairs.batch`: this rank's sequences, which may be none.

        Returns
        -------
        total : float
            Summed loss of all ranks before the step.
        count : int
            Number of entries in the sum.
        """
        shares = split_batch(batch) if len(batch[2]) else []
        results = self._workers.map(self._share_gradients, shares)
        total, count = set_gradients(self.parameters, results, self.ranks)
        if self.recipe.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.max_gradient_norm)
        self.optimizer.step()
        self._averager.update_parameters(self.network)
        return total, count

    def _share_gradients(self, batch):
        """Compute the summed loss of some sequences, its count, and its gradients."""
        total, count = self.loss(self.network, batch)
        gradients = torch.autograd.grad(total, self.parameters, allow_unused=True)
        return total.detach().item(), count, gradients

    @torch.no_grad()
    def validation_step(self, batch: Batch) -> tuple[float, int]:
        """Compute the loss of the averaged weights only.

        Parameters
        ----------
        batch : tuple of Tensor
            From `Pairs.batch`.

        Returns
        -------
        total : float
            Summed loss.
        count : int
            Number of entries in the sum.
        """
        total, count = self.loss(self.average, batch)
        return total.detach().item(), count

    def state_dict(self) -> dict:
        """Return the state that training resumes from: tensors and plain Python values.

        Returns
        -------
        state : dict
            For `load_state_dict` of a trainer of the same network and recipe.
        """
        return {
            "network": self.network.state_dict(),
            "average": self._averager.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": rng_state(self.rng),
            "history": self.history,
            "best": vars(self.best).copy(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Restore a state that `state_dict` returned.

        Parameters
        ----------
        state : dict
        """
        self.network.load_state_dict(state["network"])
        self._averager.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        set_rng_state(self.rng, state["rng"])
        self.history = restored(state["history"])
        self.best = Best(**state["best"])

    def _validate(self):
        if self._validation is None:
            return math.nan
        frames = self.recipe.batch_size * self.recipe.sequence_length
        batches = self.ranks.part(batches_by_length(self._validation.n_frames, frames))
        results = self._supply.map(self.validation_step, self._validation, batches, self._workers)
        total, count = add_up(results, self.ranks)
        return total / count

    def _steps(self, progress: Any) -> Generator[tuple[float, int], None, None]:
        """Take the steps of an epoch, and yield their results."""
        in_background = callable(self._train) or self._train.is_lazy
        with self._supply.batches(self._groups(progress), in_background) as batches:
            for batch in batches:
                result = self.train_step(batch)
                # Its memory is free before that of another one is taken.
                del batch
                if progress is not None:
                    progress.add(*result)
                yield result

    def _groups(self, progress: Any) -> Iterator[Group]:
        """Draw the batches of an epoch, group by group; no frames are computed here."""
        groups = self._train(self.n_epochs + 1) if callable(self._train) else [self._train]
        for pairs in groups:
            segments = pairs.segments(self.recipe.sequence_length)
            batches = segments.batches(self.recipe.batch_size * self.ranks.n, self.rng)
            batches = self.ranks.shares(batches, pairs.n_frames, self.recipe.sequence_length)
            if progress is not None:
                progress.expect(len(batches))
            yield segments, batches

    def _record(self, epoch, train_loss, loss, *seconds):
        learning_rate = self.optimizer.param_groups[0]["lr"]
        row = (epoch, train_loss, loss, learning_rate, *seconds)
        self.history = with_row(self.history, row)
        if epoch == 0 or self._is_best(loss):
            self.best = Best(loss, epoch, copy.deepcopy(self.average.state_dict()))

    def _is_best(self, loss):
        if self._validation is None:
            return all(bool(p.isfinite().all()) for p in self.average.parameters())
        return loss < self.best.loss


def _mean(results):
    """Add up the sums of all batches, and divide by their number of entries."""
    totals, counts = zip(*results, strict=True)
    return math.fsum(totals) / sum(counts)
