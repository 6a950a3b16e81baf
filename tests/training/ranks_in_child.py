"""Fits in the processes of a group; the tests of ranks run it by torchrun.

python ranks_in_child.py FOLDER SCENARIO...
"""

import itertools
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import warnings
from datetime import timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import AudioFiles, MixtureDataset, make_noisy_speech, save_audio
from sknmf_unfold.networks.drnmf import DRNMF
from sknmf_unfold.networks.initial_weights import unfold
from sknmf_unfold.separators import (
    DeepNMFSeparator,
    LSTMSeparator,
    RNNSeparator,
    _drawn_pairs,
    _file_pairs,
    _measures,
)
from sknmf_unfold.training.batches import Pairs
from sknmf_unfold.training.loop import Trainer
from sknmf_unfold.training.ranks import find_ranks, on_all_ranks
from sknmf_unfold.training.recipe import Recipe

# Sequences of a batch, of all ranks together.
BATCH = 4


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


def n_ranks():
    return dist.get_world_size() if dist.is_initialized() else 1


def magnitudes(n=9, n_freqs=17, seed=0):
    rng = np.random.RandomState(seed)
    X = [rng.gamma(0.5, 1.0, (rng.randint(20, 60), n_freqs)).astype("float32") for _ in range(n)]
    return X, [(x * np.linspace(1, 0, n_freqs, dtype="float32")) for x in X]


def speech(n=6):
    X, Y = make_noisy_speech(n, duration=0.5, random_state=0)
    return STFT(64, 32).fit_transform(X), Y


def drnmf(**settings):
    nmf = SupervisedNMFSeparator(3, sparsity=0.1, max_iter=5)
    return DRNMFSeparator(**({"n_components": None, "nmf": nmf} | common() | settings))


def common():
    return {
        "batch_size": BATCH // n_ranks(),
        "sequence_length": 25,
        "max_epochs": 3,
        "random_state": 0,
    }


def fitted(separator):
    """All that a fit has left in an estimator."""
    names = [name for name in vars(separator) if name.endswith("_") and not name.startswith("_")]
    return {name: getattr(separator, name) for name in names} | {
        "state": getattr(separator, "_training_state", None)
    }


# Scenarios


def gradients(dtype="float32"):
    """Gradients of the batches of an epoch, which the weights do not follow."""
    X, Y = ([x.astype(dtype) for x in part] for part in magnitudes(11))
    rng = np.random.RandomState(0)
    components = torch.from_numpy(rng.gamma(1.0, 1.0, (6, 17)).astype(dtype))
    components /= components.norm(dim=1, keepdim=True)
    network = DRNMF(unfold(components, 2, 0.1, 0.2))
    # The last batch is of one sequence: one of two ranks has none.
    recipe = Recipe(1e-30, BATCH // n_ranks(), 25, max_epochs=1, patience=1)
    with on_all_ranks():
        trainer = Trainer(network, recipe, np.random.RandomState(0), ranks=find_ranks())
        trainer.begin(Pairs(X, Y), Pairs(X[:3], Y[:3]))
        found = []
        for total, count in trainer._steps(None):
            flat = torch.cat([parameter.grad.flatten() for parameter in trainer.parameters])
            found.append((total, count, flat.numpy()))
        return found, trainer.history["validation_loss"]


def double_gradients():
    return gradients("float64")


def fit_drnmf():
    return fitted(drnmf(n_gru_units=4).fit(*speech()))


def fit_lstm():
    return fitted(LSTMSeparator(n_units=6, **common()).fit(*speech()))


def fit_rnn():
    return fitted(RNNSeparator(n_units=6, **common()).fit(*magnitudes()))


def fit_deep_nmf():
    separator = DeepNMFSeparator(3, nmf=SupervisedNMFSeparator(3, max_iter=5), **common())
    return fitted(separator.fit(*magnitudes()))


def fit_mixtures():
    X, Y = speech()
    noises = [item.waveform - y for item, y in zip(X, Y, strict=True)]
    dataset = MixtureDataset(Y, noises, random_state=0)
    return fitted(drnmf().fit(X, Y, training_mixtures=dataset))


def fit_files(remix=False):
    """A fit on files in several groups, and how many of them this process measured."""
    X, Y = make_noisy_speech(7, duration=(0.4, 0.6), random_state=0)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(_file_pairs, "MAX_FILE_BYTES", 2**17),
        mock.patch.object(_drawn_pairs, "MAX_FILE_BYTES", 2**17),
        mock.patch.object(_measures, "_measure", wraps=_measures._measure) as measure,
    ):
        files = []
        for name, recordings in {"noisy": X, "clean": Y}.items():
            paths = [Path(folder) / f"{name}-{i}.wav" for i in range(len(recordings))]
            for path, recording in zip(paths, recordings, strict=True):
                save_audio(path, recording)
            files.append(AudioFiles(paths))
        separator = drnmf(remix=remix).fit(STFT(64, 32).transform(files[0]), files[1])
        return fitted(separator) | {"n_measured": measure.call_count}


def fit_remixed_files():
    return fit_files(remix=True)


def partial_fits():
    separator = drnmf()
    for _ in range(2):
        separator.partial_fit(*magnitudes())
    return fitted(separator)


def warm_start():
    separator = drnmf(warm_start=True, max_epochs=2).fit(*magnitudes())
    return fitted(separator.fit(*magnitudes(seed=1)))


def early_stopping():
    """Validation against what the start predicts, from which every epoch leads away."""
    X, Y = magnitudes()
    start = drnmf(max_epochs=0).fit(X, Y).predict(X)
    separator = drnmf(patience=4, max_epochs=30)
    return fitted(separator.fit(X, Y, validation_data=(X, start)))


def few_recordings():
    """A single recording, of fewer segments than there are ranks."""
    X, Y = magnitudes(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        separator = drnmf(sequence_length=100).fit(X, Y)
    return fitted(separator), [str(each.message) for each in caught]


def local_methods():
    """Methods that one rank alone calls."""
    separator = drnmf().fit(*magnitudes())
    if rank() == 0:
        separator.predict(magnitudes()[0])
        SupervisedNMFSeparator(2, max_iter=2).fit(*magnitudes())
    return separator.score(*magnitudes())


def other_parameters():
    return drnmf(n_layers=2 + rank()).fit(*magnitudes())


def bad_parameters():
    return drnmf(n_layers=2 - 2 * rank()).fit(*magnitudes())


def other_number():
    return drnmf().fit(*magnitudes(9 - rank()))


def other_lengths():
    X, Y = magnitudes()
    cut = len(X[4]) - rank()
    X[4], Y[4] = X[4][:cut], Y[4][:cut]
    return drnmf().fit(X, Y)


def other_samples():
    X, Y = magnitudes()
    return drnmf().fit([(1 + 0.1 * rank()) * x for x in X], Y)


def other_loss():
    losses = [lambda mask, x, y: (mask * x - y).pow(2).sum((1, 2))]
    losses.append(lambda mask, x, y: (mask * x - y).abs().sum((1, 2)))
    return drnmf(loss=losses[rank()]).fit(*magnitudes())


def other_versions():
    from sknmf_unfold.separators import _rank_facts

    before, _rank_facts.__version__ = _rank_facts.__version__, f"0.{rank()}"
    try:
        return drnmf().fit(*magnitudes())
    finally:
        _rank_facts.__version__ = before


def other_methods():
    separator = drnmf()
    return (separator.partial_fit if rank() else separator.fit)(*magnitudes())


def bad_data():
    X, Y = magnitudes()
    if rank() == 1:
        X[2][3, 4] = np.nan
    return drnmf().fit(X, Y)


def failing_start():
    """An error in what rank 0 alone computes."""
    return drnmf(nmf=SupervisedNMFSeparator(3, max_iter=-1)).fit(*magnitudes())


calls = itertools.count()
happening = {}


def eventful_loss(mask, mixture, target):
    """A loss in whose tenth call something happens in one rank."""
    if next(calls) == 10 and rank() in happening["ranks"]:
        happening["event"]()
    return (mask * mixture - target).square().sum(dim=(1, 2))


def with_event(event, *ranks, **settings):
    global calls
    calls = itertools.count()
    happening.update(event=event, ranks=ranks)
    separator = drnmf(loss=eventful_loss, **settings)
    try:
        separator.fit(*magnitudes())
    except BaseException as error:
        error.left = {"n": n_ranks()} | fitted(separator)
        raise
    return fitted(separator)


class OwnError(Exception):
    pass


def raising(error):
    def event():
        raise error

    return event


def error_in_step():
    return with_event(raising(ValueError("this rank cannot")), 1)


def own_error_in_step():
    return with_event(raising(OwnError("of its own kind")), 0)


def no_memory():
    return with_event(raising(MemoryError("none is left")), 1)


def interrupt():
    return with_event(lambda: signal.raise_signal(signal.SIGINT), 1, max_epochs=20)


def interrupts():
    return with_event(lambda: signal.raise_signal(signal.SIGINT), 0, 1, max_epochs=20)


def resumed():
    """An interrupted fit with a checkpoint, and the same once more."""
    folder = Path(sys.argv[1]) / "checkpoints"
    settings = {"checkpoint_dir": folder, "max_epochs": 6}
    try:
        with_event(lambda: signal.raise_signal(signal.SIGINT), 1, **settings)
    except KeyboardInterrupt:
        dist.barrier()
        left = sorted(path.name for path in folder.iterdir())
        dist.barrier()
    settings["loss"] = eventful_loss
    separator = drnmf(**settings).fit(*magnitudes())
    dist.barrier()
    undisturbed = drnmf(**(settings | {"checkpoint_dir": None})).fit(*magnitudes())
    return left, list(folder.iterdir()), fitted(separator), fitted(undisturbed)


def waiting(event=None, event_rank=0):
    """A start that takes long beside the time between two signs of life."""
    from sknmf_unfold.training import group_ranks

    exchanges = []

    def compute():
        if event_rank == 0 and event:
            event()
        time.sleep(1.0)
        return "start"

    before, group_ranks.HEARTBEAT_SECONDS = group_ranks.HEARTBEAT_SECONDS, 0.05
    try:
        with on_all_ranks():
            ranks = find_ranks()
            exchange = ranks._exchange
            ranks._exchange = lambda *args: exchanges.append(args) or exchange(*args)
            if event_rank == rank() == 1:
                threading.Timer(0.3, event).start()
            before_waiting = time.process_time()
            value = ranks.from_first(compute)
            return value, len(exchanges), time.process_time() - before_waiting
    finally:
        group_ranks.HEARTBEAT_SECONDS = before


def ask_to_end():
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_start():
    return waiting(ask_to_end, 0)


def interrupted_wait():
    return waiting(ask_to_end, 1)


def stopped():
    """A callback of one rank that stops training, where scikit-learn has callbacks."""

    class Stop:
        def setup(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            return rank() == 1 and len(fitted_estimator.history_["epoch"]) > 2

        def teardown(self, estimator, context): ...

    separator = drnmf(max_epochs=10)
    separator.set_callbacks(Stop())
    return fitted(separator.fit(*magnitudes()))


def slow_fit():
    """A fit that waits in its third epoch until it is killed, unless it was restarted."""
    folder = Path(sys.argv[1])
    is_restarted = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    begins = []

    def step(trainer, batch):
        begins.append(trainer.n_epochs)
        if trainer.n_epochs == 2 and not is_restarted:
            (folder / f"pid-{rank()}").write_text(f"{os.getpid()}\n")
            time.sleep(1)
        return train_step(trainer, batch)

    train_step, Trainer.train_step = Trainer.train_step, step
    settings = {"max_epochs": 5, "random_state": 1}
    resumed = fitted(drnmf(checkpoint_dir=folder / "checkpoints", **settings).fit(*magnitudes()))
    Trainer.train_step = train_step
    undisturbed = fitted(drnmf(**settings).fit(*magnitudes()))
    for each in (resumed, undisturbed):
        each["history_"].pop("seconds")
        each["history_"].pop("data_wait_seconds")
    return {"begins": begins[0], "resumed": resumed, "undisturbed": undisturbed}


def outcome(scenario):
    """The return value of a scenario, or its error."""
    try:
        return {"value": globals()[scenario]()}
    except BaseException as error:
        facts = {"error": type(error).__name__, "message": str(error)}
        return facts | {"left": getattr(error, "left", None)}


def main(folder, *scenarios):
    backend = os.environ.get("RANKS_BACKEND", "gloo")
    settings = {"backend": backend, "timeout": timedelta(seconds=40)}
    if "MASTER_PORT" not in os.environ:
        # Not started by torchrun: the processes find each other by a file.
        numbers = {"rank": int(os.environ["RANK"]), "world_size": int(os.environ["WORLD_SIZE"])}
        settings |= {"init_method": f"file://{folder}/group"} | numbers
    dist.init_process_group(**settings)
    for scenario in scenarios:
        path = Path(folder) / f"{scenario}-{rank()}.pickle"
        path.write_bytes(pickle.dumps(outcome(scenario)))
    # None ends its connections while another still uses them.
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"]) == 1
    main(*sys.argv[1:])
