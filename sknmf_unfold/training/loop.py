"""The training loop: mini-batches, early stopping, the best weights kept."""

from __future__ import annotations

import copy
import dataclasses
import math
import time

import numpy as np
import torch

from sknmf_unfold._arrays import batches_by_length, pad, to_tensor

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
    """

    learning_rate: float
    batch_size: int
    sequence_length: int
    max_epochs: int
    patience: int
    max_gradient_norm: float | None = None
    learning_rate_patience: int | None = None


class Pairs:
    """Mixture and target magnitudes that go through training together.

    Parameters
    ----------
    mixtures, targets : list of ndarray of shape (n_frames, n_freqs)
        Sequences, pairwise of one shape.
    """

    def __init__(self, mixtures, targets):
        self.mixtures = list(mixtures)
        self.targets = list(targets)

    def __len__(self):
        return len(self.mixtures)

    @property
    def n_frames(self):
        """Length of each sequence."""
        return np.array([len(mixture) for mixture in self.mixtures])

    def segments(self, sequence_length):
        """Cut the sequences into equal parts.

        Parameters
        ----------
        sequence_length : int
            Frames a part at most.

        Returns
        -------
        segments : Pairs
        """
        parts = [math.ceil(n / sequence_length) for n in self.n_frames]
        cut = [
            [piece for x, n in zip(xs, parts, strict=True) for piece in np.array_split(x, n)]
            for xs in (self.mixtures, self.targets)
        ]
        return Pairs(*cut)

    def batch(self, indices, device):
        """Pad some sequences to tensors.

        Parameters
        ----------
        indices : sequence of int
            Which ones.
        device : torch.device
            Where the tensors go.

        Returns
        -------
        mixture, target : Tensor of shape (batch, frames, bins)
        n_frames : Tensor of shape (batch,), int
        """
        mixture, n_frames = pad([self.mixtures[i] for i in indices])
        target, _ = pad([self.targets[i] for i in indices])
        return tuple(to_tensor(array, device) for array in (mixture, target, n_frames))


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
        total, count = self._loss(batch)
        (total / count).backward()
        if self.recipe.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.max_gradient_norm)
        self.optimizer.step()
        return total.detach().item(), count

    @torch.no_grad()
    def validation_step(self, batch):
        """Compute the loss only.

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
        total, count = self._loss(batch)
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
        best = _Best(self.network, validate())
        start = time.perf_counter()
        _append(history, 0, math.nan, best.loss, self._learning_rate, 0.0)
        for epoch in range(1, self.recipe.max_epochs + 1):
            train_loss = self.run_epoch(segments, self.train_step, self._shuffled(segments))
            loss = validate()
            seconds = time.perf_counter() - start
            _append(history, epoch, train_loss, loss, self._learning_rate, seconds)
            best.update(self.network, loss, epoch)
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

    def _loss(self, batch):
        mixture, target, n_frames = batch
        masks, _ = self.network(mixture)
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


def _append(history, *row):
    for values, value in zip(history.values(), row, strict=True):
        values.append(value)
