"""Training: ``fit`` and ``partial_fit``. The separator of a new network inherits this class."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.base.all_or_nothing import all_or_nothing
from sknmf_unfold.base.callbacks import FitTask, with_callbacks
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.tensors import (
    gradients,
    resolve_device,
    to_tensor,
    tree_to_numpy,
)
from sknmf_unfold.base.threads import one_thread_an_operation
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.warn import once_per_call

from ._checkpoints import naming, note_interrupt, open_checkpoint, resumes_fit
from ._epoch_reports import say_what_is_kept, train, warn_if_diverged
from ._measures import training_level
from ._network_separator import NetworkSeparator
from ._recipes import LEARN_FLAGS
from ._resume import check_same_level, restore_training
from ._training_data import make_training_pairs, recorded_pairs, suit_data, try_own_loss
from ._training_invariants import check_training

if TYPE_CHECKING:
    from typing_extensions import Self

    from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from ._fit_data import check_fit_data, check_pair, split_recordings


class TrainedSeparator(NetworkSeparator):
    """A separator whose network is trained by `training.loop.Trainer`.

    A subclass has the parameters `device`, `random_state`, `verbose`, `validation_fraction`,
    `warm_start`, `checkpoint_dir` and those that its recipes set.
    """

    @abstractmethod
    def _check_parameters(self):
        """Check all parameters; return the settings of training."""

    @abstractmethod
    def _starting_values(self, sequences, targets, rng):
        """Make the tensors of the network before training."""

    @abstractmethod
    def _remember_start(self, start):
        """Set fitted attributes from the tensors before training."""

    @with_callbacks
    @once_per_call()
    @default_settings()
    @one_thread_an_operation()
    def fit(
        self,
        X: Any,
        y: Any,
        validation_data: tuple[Any, Any] | None = None,
        training_mixtures: MixtureDataset | None = None,
    ) -> Self:
        """Train from first weights or, with `warm_start`, from those of the last fit.

        An interrupt (Ctrl-C) is passed on. If it comes after the first epoch, the estimator has the
        best weights so far, and with `checkpoint_dir` the same fit resumes. If it comes before, and
        after an error, the estimator is unchanged.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures: spectrograms, magnitudes, or a 2-D table of independent frames.
        y : list of ndarray of shape (n_times,), or magnitudes like X
            Clean targets: waveforms (or spectrograms, or a 2-D array with one in each row) for
            spectrograms, magnitudes for magnitudes. A warning names those that are silent or equal
            to their mixtures.
        validation_data : tuple (X, y), optional
            Recordings for the validation loss, instead of a part of X and y. Beside spectrograms
            its X may be raw waveforms, since a pipeline transforms only the X of its own ``fit``.
        training_mixtures : MixtureDataset, optional
            Draws the mixtures of every epoch, instead of X and y, from any amount of clean
            recordings and interference, and with its own levels, speeds and conditions. X and y
            are then the start: they set the input level and the first dictionaries, and the
            validation loss is that of a part of them, or of `validation_data`.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described, if the checkpoint of this fit is
            damaged, or if the same fit is running with it.
        OSError
            If nothing can be written to `checkpoint_dir`.
        MemoryError
            If a batch does not fit into the memory of the GPU.
        KeyboardInterrupt
            If training is interrupted.
        """
        settings = self._check_parameters()
        context = self._init_callback_context(max_subtasks=settings["max_epochs"])
        task = FitTask(context, self, X, y)
        with gradients(), all_or_nothing(self) as keep:
            data = check_fit_data(self, X, y, validation_data, training_mixtures)
            suit_data(settings, self, data.mixtures)
            self._set_level(settings, data.mixtures, resumes_fit(self))
            try_own_loss(self, settings, data.mixtures, data.targets)
            with open_checkpoint(self, data) as checkpoint:
                plan, trainer = self._prepare(data, settings, checkpoint)
                mixing = {name: settings[name] for name in ("speed_factors", "gain_db")}
                pairs = make_training_pairs(
                    settings["loss"], data, plan, self.input_scale_, mixing, trainer.rng
                )
                self._train(trainer, pairs, task, checkpoint, plan, keep)
                warn_if_diverged(trainer, "validation_loss")
                self._store_best(trainer)
                task.end(dict)
                checkpoint.remove()
        return self

    @default_settings()
    @one_thread_an_operation()
    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for an epoch; the first call also fits the NMF that training starts from.

        Adam and the moving average of the weights keep their state from call to call. Nothing is
        validated: the latest weights are kept.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures, as for ``fit``.
        y : list of ndarray of shape (n_times,), or magnitudes like X
            Clean targets, as for ``fit``.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        settings = self._check_parameters()
        first = not self.__sklearn_is_fitted__()
        with gradients(), all_or_nothing(self):
            sequences, targets = check_pair(self, X, y, not first)
            suit_data(settings, self, sequences)
            rng = check_random_state(self.random_state)
            self._set_level(settings, sequences, not first)
            try_own_loss(self, settings, sequences, targets)
            start = self._begin(sequences, targets, rng) if first else self._fitted_values()
            trainer = self._make_trainer(start, settings, sequences.dtype, rng)
            if hasattr(self, "_training_state"):
                restore_training(self, trainer, settings["learning_rate"])
            data = settings["loss"], sequences, targets, self.input_scale_
            pairs = recorded_pairs(*data, trainer.rng)
            trainer.begin(pairs, None)
            trainer.epoch()
            warn_if_diverged(trainer, "train_loss")
            if trainer.best.epoch == trainer.n_epochs:
                state = tree_to_numpy(trainer.state_dict() | {"best": None})
                self._store_best(trainer)
                self._training_state = state
            elif first:
                self._store_best(trainer)
        return self

    def _check_fitted_attributes(self):
        super()._check_fitted_attributes()
        if self._fitted_mark in vars(self):
            check_training(type(self).__name__, vars(self))

    def _set_level(self, settings, sequences, resumes):
        """Set the scaling of magnitudes to the reference level, once for a model."""
        n_frames = settings["level_frames"]
        if resumes:
            check_same_level(n_frames, self.level_frames_)
            return
        is_paper = self.recipe == "paper"
        self.input_scale_ = 1.0 if is_paper else training_level(sequences).scale
        self.level_frames_ = int(n_frames)

    def _prepare(self, data, settings, checkpoint):
        """Draw and compute the start of training, or take it from a checkpoint.

        Returns
        -------
        plan : dict
            ``parts`` (recordings of training and of validation), ``start`` (the network's values),
            ``is_first`` (whether they are not those of an earlier fit) and ``seed`` (of
            remixing, None without).
        trainer : Trainer
        """
        plan = checkpoint.load()
        if plan is not None:
            with naming(checkpoint):
                return plan, self._resume(data, settings, plan)
        rng = check_random_state(self.random_state)
        parts = None
        if data.validation is None:
            split = split_recordings(len(data.mixtures), self.validation_fraction, rng)
            parts = [part.tolist() for part in split]
        is_first = not resumes_fit(self)
        if is_first:
            sequences, targets = data.mixtures, data.targets
            if parts is not None:
                sequences, targets = sequences.subset(parts[0]), targets.subset(parts[0])
            start = self._begin(sequences, targets, rng)
        else:
            start = self._fitted_values()
        trainer = self._make_trainer(start, settings, data.mixtures.dtype, rng)
        seed = rng.randint(2**31 - 1) if settings["remix"] else None
        return {"parts": parts, "start": start, "is_first": is_first, "seed": seed}, trainer

    def _resume(self, data, settings, plan):
        """Make the trainer that a plan of `_prepare` was saved with."""
        from sknmf_unfold.training.resume_checks import check_resumed

        # The saved state replaces this generator's; numpy's global one must stay as it is.
        rng, dtype = np.random.RandomState(), data.mixtures.dtype
        trainer = self._make_trainer(plan["start"], settings, dtype, rng)
        trainer.load_state_dict(plan.pop("trainer"))
        n_divided = len(data.mixtures) if data.validation is None else None
        check_resumed(trainer, plan, n_divided, data.mixtures.n_freqs)
        if plan["is_first"]:
            self._remember_start(plan["start"])
        return trainer

    def _begin(self, sequences, targets, rng):
        start = self._starting_values(sequences, targets, rng)
        self._remember_start(start)
        return start

    def _make_trainer(self, start, settings, dtype, rng):
        from sknmf_unfold.networks.level import LevelledNetwork
        from sknmf_unfold.training.batch_loss import make_batch_loss
        from sknmf_unfold.training.loop import Trainer
        from sknmf_unfold.training.recipe import Recipe

        device, settings = resolve_device(self.device), dict(settings)
        loss = make_batch_loss(settings.pop("loss"), self.stft_settings_)
        # Settings of the data, not of the trainer.
        del settings["remix"], settings["speed_factors"], settings["gain_db"]
        n_frames = settings.pop("level_frames")
        learned = {name: settings.pop(name) for name in LEARN_FLAGS if name in settings}
        dtype = to_tensor(np.zeros(0, dtype), device).dtype
        values = {name: value.to(device, dtype) for name, value in start.items()}
        network = LevelledNetwork(self._make_network(values, **learned), n_frames)
        return Trainer(network, Recipe(**settings), rng, loss)

    def _train(self, trainer, pairs, task, checkpoint, plan, keep):
        """Train; if that is interrupted after an epoch, keep the best weights."""

        def after_epoch():
            checkpoint.save(plan | {"trainer": trainer.state_dict()})

        try:
            train(self, trainer, pairs, task, after_epoch)
        except KeyboardInterrupt as interrupt:
            if trainer.n_epochs:
                self._store_best(trainer)
                note_interrupt(self, checkpoint)
                say_what_is_kept(interrupt, trainer, checkpoint)
                keep()
            raise

    def _store_best(self, trainer):
        """Set the fitted attributes, and drop the training state of an earlier fit."""
        trainer.restore_best()
        for name in ("_training_state", "_interrupted_start"):
            if hasattr(self, name):
                delattr(self, name)
        for name, value in self._trained_attributes(trainer, trainer.network).items():
            setattr(self, name, value)

    def _trained_attributes(self, trainer, network):
        return self._attributes(network.network) | {
            "history_": {name: list(values) for name, values in trainer.history.items()},
            "best_epoch_": trainer.best.epoch,
            "n_parameters_": sum(p.numel() for p in trainer.parameters),
        }
