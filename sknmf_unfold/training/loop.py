"""The training loop: mini-batches, early stopping, the best weights kept."""

from __future__ import annotations

import copy
import dataclasses
import math
import time

import torch
from torch.optim.swa_utils import AveragedModel

from sknmf_unfold._arrays import batches_by_length

from .losses import signal_approximation


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    learning_rate : float
        Adam's.
    batch_size : int
        Sequences a batch.
    sequence_length : int
        Frames a sequence at most; longer recordings are cut into equal parts.
    max_epochs : int
        Passes over the training data.
    patience : int
        Epochs without a better validation loss before training stops.
    max_gradient_norm : float or None
        Longer gradients are shortened to this l2-norm.
    learning_rate_patience : int or None
        Epochs without a better validation loss before the learning rate is halved.
    averaging : float
        Weights are validated and kept as their exponential moving average over the steps, which
        forgets this little at a step; 0 takes the weights of the last step.
    """

    learning_rate: float
    batch_size: int
    sequence_length: int
    max_epochs: int
    patience: int
    max_gradient_norm: float | None = None
    learning_rate_patience: int | None = None
    averaging: float = 0.0


class Trainer:
    """Trains one network on one set of pairs.

    Parameters
    ----------
    network : torch.nn.Module
        ``forward(magnitude, state=None) -> (masks, state)``.
    recipe : Recipe
        How to train.
    rng : numpy.random.RandomState
        Shuffles; torch's global random state is not used.
    """

    def __init__(self, network, recipe, rng):
        self.network = network
        self.recipe = recipe
        self.rng = rng
        self.average = AveragedModel(network, multi_avg_fn=_moving_average(recipe.averaging))
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimizer = torch.optim.Adam(self.parameters, lr=recipe.learning_rate)

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
        self.optimizer.zero_grad(set_to_none=True)
        total, count = self._loss(self.network, batch)
        (total / count).backward()
        if self.recipe.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.max_gradient_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return total.detach().item(), count

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
        total, count = self._loss(self.average, batch)
        return total.detach().item(), count

    def run_epoch(self, pairs, step, batches):
        """Go through all batches once.

        Parameters
        ----------
        pairs : Pairs
            Data.
        step : callable
            `train_step` or `validation_step`.
        batches : list of sequence of int
            Indices into `pairs`.

        Returns
        -------
        loss : float
            Mean over all frames and bins.
        """
        results = [step(pairs.batch(indices, self.device)) for indices in batches]
        totals, counts = zip(*results, strict=True)
        return math.fsum(totals) / sum(counts)

    def fit(self, train, validation, progress):
        """Train until the validation loss stops falling, then go back to the best weights.

        Parameters
        ----------
        train, validation : Pairs
            Data; the training part is cut to `sequence_length`, the validation part is not.
        progress : object with ``update()`` and ``set_postfix_str(text, refresh=...)``
            A progress bar.

        Returns
        -------
        history : dict of lists
            ``epoch`` (0 is before training), ``train_loss``, ``validation_loss``,
            ``learning_rate`` and ``seconds``.
        best_epoch : int
            The epoch whose weights the network now has.
        """
        segments = train.segments(self.recipe.sequence_length)
        validate = _Validation(self, validation)
        history: dict[str, list] = {
            key: []
            for key in ("epoch", "train_loss", "validation_loss", "learning_rate", "seconds")
        }
        best = _Best(self.average.module, validate())
        start = time.perf_counter()
        _append(history, 0, math.nan, best.loss, self._learning_rate, 0.0)
        for epoch in range(1, self.recipe.max_epochs + 1):
            train_loss = self.run_epoch(segments, self.train_step, self._shuffled(segments))
            loss = validate()
            seconds = time.perf_counter() - start
            _append(history, epoch, train_loss, loss, self._learning_rate, seconds)
            best.update(self.average.module, loss, epoch)
            text = f"validation {loss:.4g} (best {best.loss:.4g})"
            progress.set_postfix_str(text, refresh=False)
            progress.update()
            if epoch - best.epoch >= self.recipe.patience or not math.isfinite(loss):
                break
            self._anneal(epoch - best.epoch)
        best.restore(self.network)
        return history, best.epoch

    @property
    def _learning_rate(self):
        return self.optimizer.param_groups[0]["lr"]

    def _anneal(self, epochs_since_best):
        patience = self.recipe.learning_rate_patience
        if patience is not None and epochs_since_best and epochs_since_best % patience == 0:
            self.optimizer.param_groups[0]["lr"] *= 0.5

    @staticmethod
    def _loss(network, batch):
        mixture, target, n_frames = batch
        masks, _ = network(mixture)
        return signal_approximation(masks, mixture, target, n_frames)

    def _shuffled(self, pairs):
        order = self.rng.permutation(len(pairs))
        starts = range(0, len(order), self.recipe.batch_size)
        return [order[start : start + self.recipe.batch_size] for start in starts]


class _Validation:
    """Validation loss on whole recordings, batched by length once."""

    def __init__(self, trainer, pairs):
        frames = trainer.recipe.batch_size * trainer.recipe.sequence_length
        self.trainer, self.pairs = trainer, pairs
        self.batches = batches_by_length(pairs.n_frames, frames)

    def __call__(self):
        return self.trainer.run_epoch(self.pairs, self.trainer.validation_step, self.batches)


class _Best:
    """The weights with the lowest validation loss so far."""

    def __init__(self, network, loss):
        self.loss, self.epoch = loss, 0
        self.weights = copy.deepcopy(network.state_dict())

    def update(self, network, loss, epoch):
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            self.weights = copy.deepcopy(network.state_dict())

    def restore(self, network):
        network.load_state_dict(self.weights)


def _moving_average(averaging):
    """Make the update of an exponential moving average that at first forgets faster."""

    def update(averages, values, n_averaged):
        kept = min(averaging, (1 + int(n_averaged)) / (10 + int(n_averaged)))
        torch._foreach_lerp_(averages, values, 1 - kept)

    return update


def _append(history, *row):
    for values, value in zip(history.values(), row, strict=True):
        values.append(value)
