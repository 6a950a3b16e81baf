"""Training: mini-batches, early stopping, the best weights kept, and going on later."""

from __future__ import annotations

import contextlib
import copy
import math
import time

import torch
from torch.optim.swa_utils import AveragedModel

from sknmf_unfold.base.tensors import batches_by_length
from sknmf_unfold.base.workers import Workers, worker_threads

from .batch_loss import framewise_loss
from .checkpoint import rng_state, set_rng_state
from .pairs import split_batch
from .recipe import Best

# Threads that take part at most, each with a part of a batch in memory, or a batch of validation.
MAX_THREADS = 8
HISTORY = ("epoch", "train_loss", "validation_loss", "learning_rate", "seconds")


class Trainer:
    """Trains one network.

    Parameters
    ----------
    network : torch.nn.Module
        ``forward(magnitude, state=None) -> (masks, state)``.
    recipe : Recipe
        How to train.
    rng : numpy.random.RandomState
        Shuffles; torch's global random state is not used.
    loss : callable, default=framewise_loss
        ``loss(network, batch) -> (total, count)``, whose quotient is what training lowers.

    Attributes
    ----------
    history : dict of lists
        ``epoch`` (0 is before training), ``train_loss``, ``validation_loss``, ``learning_rate`` and
        ``seconds``.
    average : torch.nn.Module
        The network with the moving average of its weights.
    best : Best
        Its weights with the lowest validation loss so far.
    """

    def __init__(self, network, recipe, rng, loss=framewise_loss):
        self.loss = loss
        self.network = network
        self.recipe = recipe
        self.rng = rng
        self._averager = AveragedModel(network, multi_avg_fn=_moving_average(recipe.ema_decay))
        _join_weights(self.average)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimizer = torch.optim.Adam(self.parameters, lr=recipe.learning_rate)
        self._workers = Workers(1)
        self.history: dict[str, list] = {name: [] for name in HISTORY}
        self.best = Best(math.inf, 0, copy.deepcopy(self.average.state_dict()))

    @property
    def average(self):
        """The network with the moving average of its weights."""
        return self._averager.module

    def begin(self, train, validation):
        """Take the data, and the loss before training unless `load_state_dict` brought one.

        Parameters
        ----------
        train : Pairs, or callable
            Cut to `sequence_length`. What is called gets the number of an epoch, 1 for the first,
            and returns an iterable of the pairs to train on in it, some after others.
        validation : Pairs or None
            Not cut. With None the validation loss is NaN, and the latest weights count as the best
            as long as they are finite.
        """
        self._train = train
        self._validation = validation
        if not self.history["epoch"]:
            with self._threads():
                loss = self._validate()
            self._record(0, math.nan, loss, 0.0)

    @contextlib.contextmanager
    def _threads(self):
        """Share the parts of a batch, and the batches of validation, among threads inside."""
        if self.device.type != "cpu":
            yield
            return
        with worker_threads(MAX_THREADS) as self._workers:
            try:
                yield
            finally:
                self._workers = Workers(1)

    @property
    def n_epochs(self):
        """Number of epochs so far."""
        return max(len(self.history["epoch"]) - 1, 0)

    @property
    def unfinished(self):
        """Whether another epoch is due: the loss is finite and has not stopped falling."""
        waited = self.n_epochs - self.best.epoch
        finite = math.isfinite(self.history["validation_loss"][-1])
        return finite and self.n_epochs < self.recipe.max_epochs and waited < self.recipe.patience

    def epoch(self, batches=None):
        """Train on all data once in a new order, validate, bring `history` and `best` up to date.

        Parameters
        ----------
        batches : object, optional
            Whom to tell of each batch: ``expect(n)`` before some, and ``add(total, count)`` with
            what `train_step` returned after each.

        Returns
        -------
        loss : float
            Validation loss.
        """
        start = time.perf_counter()
        with self._threads():
            train_loss = _mean(self._train_parts(batches))
            loss = self._validate()
        seconds = self.history["seconds"][-1] + time.perf_counter() - start
        self._record(self.n_epochs + 1, train_loss, loss, seconds)
        self._anneal()
        return loss

    def restore_best(self):
        """Give the network the best weights."""
        self.network.load_state_dict(self.best.weights)

    def train_step(self, batch):
        """Take one step of Adam.

        Parameters
        ----------
        batch : tuple of Tensor
            From `Pairs.batch`.

        Returns
        -------
        total : float
            Summed loss before the step.
        count : int
            Number of entries in the sum.
        """
        results = self._workers.map(self._part_gradients, split_batch(batch))
        totals, counts, gradients = zip(*results, strict=True)
        self._set_gradients(gradients, sum(counts))
        if self.recipe.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.max_gradient_norm)
        self.optimizer.step()
        self._averager.update_parameters(self.network)
        return math.fsum(totals), sum(counts)

    def _part_gradients(self, batch):
        """Compute the summed loss of some sequences, its count, and its gradients."""
        total, count = self.loss(self.network, batch)
        gradients = torch.autograd.grad(total, self.parameters, allow_unused=True)
        return total.detach().item(), count, gradients

    def _set_gradients(self, parts, count):
        """Add up the gradients of all parts, always in the same order, for the mean loss."""
        by_parameter = zip(*parts, strict=True)
        for parameter, gradients in zip(self.parameters, by_parameter, strict=True):
            used = [gradient for gradient in gradients if gradient is not None]
            parameter.grad = sum(used[1:], start=used[0]) / count if used else None

    @torch.no_grad()
    def validation_step(self, batch):
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

    def state_dict(self):
        """Return all that training goes on from: tensors and plain Python values.

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

    def load_state_dict(self, state):
        """Go back to what `state_dict` returned.

        Parameters
        ----------
        state : dict
        """
        self.network.load_state_dict(state["network"])
        self._averager.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        set_rng_state(self.rng, state["rng"])
        self.history = {name: list(values) for name, values in state["history"].items()}
        self.best = Best(**state["best"])

    def _validate(self):
        if self._validation is None:
            return math.nan
        frames = self.recipe.batch_size * self.recipe.sequence_length
        batches = batches_by_length(self._validation.n_frames, frames)
        pairs = self._validation

        def step(indices):
            return self.validation_step(pairs.batch(indices, self.device))

        return _mean(self._workers.map(step, batches))

    def _train_parts(self, watch):
        """Take the steps of an epoch, and yield what they return."""
        parts = self._train(self.n_epochs + 1) if callable(self._train) else [self._train]
        for pairs in parts:
            segments = pairs.segments(self.recipe.sequence_length)
            batches = segments.batches(self.recipe.batch_size, self.rng)
            if watch is not None:
                watch.expect(len(batches))
            for indices in batches:
                result = self.train_step(segments.batch(indices, self.device))
                if watch is not None:
                    watch.add(*result)
                yield result
            # Its memory is free before the next part's is taken.
            del pairs, segments

    def _record(self, epoch, train_loss, loss, seconds):
        learning_rate = self.optimizer.param_groups[0]["lr"]
        row = (epoch, train_loss, loss, learning_rate, seconds)
        # Anew, so that an interruption cannot leave columns of different lengths.
        rows = zip(self.history.items(), row, strict=True)
        self.history = {name: [*values, value] for (name, values), value in rows}
        if epoch == 0 or self._is_best(loss):
            self.best = Best(loss, epoch, copy.deepcopy(self.average.state_dict()))

    def _is_best(self, loss):
        if self._validation is None:
            return all(bool(p.isfinite().all()) for p in self.average.parameters())
        return loss < self.best.loss

    def _anneal(self):
        patience = self.recipe.learning_rate_patience
        waited = self.n_epochs - self.best.epoch
        if patience is not None and waited and waited % patience == 0:
            self.optimizer.param_groups[0]["lr"] *= 0.5


def _mean(results):
    """Divide what sums of some batches add up to by their number of entries."""
    totals, counts = zip(*results, strict=True)
    return math.fsum(totals) / sum(counts)


def _join_weights(network):
    """Put the weights of recurrent layers side by side, which a GPU wants and a copy's are not."""
    for module in network.modules():
        if isinstance(module, torch.nn.RNNBase):
            module.flatten_parameters()


def _moving_average(ema_decay):
    """Make the update of an exponential moving average that at first forgets faster."""

    def update(averages, values, n_averaged):
        kept = min(ema_decay, (1 + int(n_averaged)) / (10 + int(n_averaged)))
        torch._foreach_lerp_(averages, values, 1 - kept)

    return update
