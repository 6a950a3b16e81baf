"""Training: ``fit`` and ``partial_fit``. The separator of a new network inherits this class."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from sknmf_unfold.base.all_or_nothing import all_or_nothing
from sknmf_unfold.base.callbacks import FitTask, with_callbacks
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.tensors import gradients, tree_to_numpy
from sknmf_unfold.base.threads import one_thread_an_operation
from sknmf_unfold.training.ranks import find_ranks, on_all_ranks
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.warn import once_per_call

from ._checkpoints import naming, note_interrupt, open_checkpoint, resumes_fit
from ._epoch_reports import say_what_is_kept, train, warn_if_diverged
from ._measures import training_level
from ._network_separator import NetworkSeparator
from ._rank_facts import agree_on_fit
from ._resume import check_same_level, restore_training
from ._trainers import make_trainer, restored_trainer, trainer_from_first
from ._training_data import make_training_pairs, recorded_pairs, suit_data, try_own_loss
from ._training_invariants import check_training

if TYPE_CHECKING:
    from typing_extensions import Self

    from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from ._fit_data import FitData, check_fit_data, check_pair, measured_data, split_recordings


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
    @on_all_ranks()
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

        In a process group of torch.distributed, as torchrun starts one, all processes fit one model
        together: each step is on `batch_size` sequences of every process, and all end with the same
        model. An error of one is raised in all.

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
        RuntimeError
            If another process of the group ends or does not answer.
        KeyboardInterrupt
            If training is interrupted.
        """
        settings = self._check_parameters()
        context = self._init_callback_context(max_subtasks=settings["max_epochs"])
        task = FitTask(context, self, X, y)
        with gradients(), all_or_nothing(self) as keep:
            data = check_fit_data(self, X, y, validation_data, training_mixtures)
            agree_on_fit(self, data)
            data = measured_data(data)
            suit_data(settings, self, data.mixtures)
            self._set_level(settings, data.mixtures, resumes_fit(self))
            try_own_loss(self, settings, data.mixtures, data.targets)
            with open_checkpoint(self, data) as checkpoint:
                begin = functools.partial(self._prepare, data, settings, checkpoint)
                plan, trainer = trainer_from_first(self, begin, settings, data.mixtures.dtype)
                mixing = {name: settings[name] for name in ("speed_factors", "gain_db")}
                pairs = make_training_pairs(
                    settings["loss"], data, plan, self.input_scale_, mixing, trainer.rng
                )
                self._train(trainer, pairs, task, checkpoint, plan, keep)
                warn_if_diverged(trainer, "validation_loss")
                self._store_best(trainer)
                task.end(dict)
                # Rank 0 keeps the file until all have what is in it.
                find_ranks().any(False)
                checkpoint.remove()
        return self

    @default_settings()
    @one_thread_an_operation()
    @on_all_ranks()
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
            pair = FitData(*check_pair(self, X, y, not first))
            agree_on_fit(self, pair)
            sequences, targets = measured_data(pair).mixtures, pair.targets
            suit_data(settings, self, sequences)
            self._set_level(settings, sequences, not first)
            try_own_loss(self, settings, sequences, targets)
            begin = functools.partial(self._continue, settings, sequences, targets, first)
            trainer = trainer_from_first(self, begin, settings, sequences.dtype)[1]
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
        measure = (lambda: 1.0) if is_paper else (lambda: training_level(sequences).scale)
        self.input_scale_ = find_ranks().from_first(measure)
        self.level_frames_ = int(n_frames)

    def _continue(self, settings, sequences, targets, first):
        """Begin an epoch of ``partial_fit``; return plan and trainer as `_prepare` does."""
        rng = check_random_state(self.random_state)
        start = self._begin(sequences, targets, rng) if first else self._fitted_values()
        trainer = self._make_trainer(start, settings, sequences.dtype, rng)
        if hasattr(self, "_training_state"):
            restore_training(self, trainer, settings["learning_rate"])
        return {"start": start, "is_first": first}, trainer

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

        trainer = restored_trainer(self, plan, settings, data.mixtures.dtype)
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
        return make_trainer(self, start, settings, dtype, rng)

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
