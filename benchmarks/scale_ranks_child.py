"""A fit in one or some processes, whose gradients, weights and times are written to a file."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np
import torch

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.training.loop import Trainer

# Calls of which the fastest is taken.
N_REDUCTIONS = 20


class Watch:
    """Watches the steps of a trainer, and what its ranks do together inside.

    Attributes
    ----------
    gradients : list of ndarray
        Of the first step.
    n_steps : int
    seconds : float
        In steps.
    seconds_together : float
        In communication, including the wait for the slower rank.
    """

    def __init__(self):
        self.gradients, self.n_steps, self.seconds, self.seconds_together = [], 0, 0.0, 0.0
        self.trainer = None
        Trainer.train_step = self._watched(Trainer.train_step)

    def _watched(self, step):
        def train_step(trainer, batch):
            if self.trainer is None:
                self.trainer = trainer
                trainer.ranks.sum = self._timed(trainer.ranks.sum)
                trainer.ranks.sum_gradients = self._timed(trainer.ranks.sum_gradients)
            start = time.perf_counter()
            result = step(trainer, batch)
            self.seconds += time.perf_counter() - start
            self.n_steps += 1
            self.gradients = self.gradients or [p.grad.numpy() for p in trainer.parameters]
            return result

        return train_step

    def _timed(self, function):
        def call(*args):
            start = time.perf_counter()
            result = function(*args)
            self.seconds_together += time.perf_counter() - start
            return result

        return call


def seconds_of_all_reduce(trainer):
    """Measure the shortest time of adding up losses and gradients, all ranks being ready."""
    gradients, times = [torch.ones_like(p) for p in trainer.parameters], []
    for _ in range(N_REDUCTIONS):
        trainer.ranks.any(False)
        start = time.perf_counter()
        trainer.ranks.sum(0.0, 0)
        trainer.ranks.sum_gradients(gradients, trainer.parameters)
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    """Fit in the group that torchrun has started, with a file name and JSON as arguments."""
    torch.set_num_threads(1)
    if "RANK" in os.environ:
        torch.distributed.init_process_group("gloo")
    fit(sys.argv[1], **json.loads(sys.argv[2]))


def fit(path, n_recordings, duration, n_components, batch_size, max_epochs):
    """Fit the default model; rank 0 writes the file.

    Parameters
    ----------
    path : str
    n_recordings : int
        Of generated noisy speech.
    duration : float
        Of each, in seconds.
    n_components : int
        Of each source.
    batch_size, max_epochs : int
        Sequences of each rank in a step, and epochs.
    """
    X, y = make_noisy_speech(n_recordings, duration=duration, random_state=0)
    nmf = SupervisedNMFSeparator(n_components, max_iter=5)
    settings = {"batch_size": batch_size, "max_epochs": max_epochs, "random_state": 0}
    watch = Watch()
    separator = DRNMFSeparator(nmf=nmf, **settings).fit(STFT().fit_transform(X), y)
    trainer, step = watch.trainer, watch.seconds / watch.n_steps
    facts = {
        "epoch": float(np.median(np.diff(separator.history_["seconds"]))),
        "loss": separator.history_["validation_loss"][-1],
        "together": watch.seconds_together / watch.seconds,
        "all_reduce": seconds_of_all_reduce(trainer) / step,
        "bytes": sum(p.numel() * p.element_size() for p in trainer.parameters),
    }
    if trainer.ranks.is_first:
        arrays = {f"gradient {i}": x for i, x in enumerate(watch.gradients)}
        for name in separator._weight_attributes.values():
            arrays[f"weight {name}"] = np.asarray(getattr(separator, name))
        np.savez(path, facts=json.dumps(facts), **arrays)
