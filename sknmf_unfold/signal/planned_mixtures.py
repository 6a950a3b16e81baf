"""Mixtures of an epoch of a `MixtureDataset`, drawn in order and computed in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from sknmf_unfold.validation.lazy import samples_of

from ._mixture_conditions import Conditions
from ._mixture_recipes import Recipe, Settings, choose_targets, draw_recipes, mix
from .augmentation import draw_start, played_length
from .mixing import length_of

if TYPE_CHECKING:
    from .mixture_dataset import MixtureDataset


class PlannedMixture:
    """A mixture that is computed when it is called, in any thread.

    Parameters
    ----------
    recordings : tuple (target, interference)
        The waveform of the target, and all recordings of interference.
    recipe : Recipe
        Values that were drawn for it.
    conditions : Conditions
    seed : int or None
        Of the choices that are drawn with the conditions; None if there are none.

    Attributes
    ----------
    n_times : int
        Length of the mixture in samples.
    """

    def __init__(
        self, recordings: tuple, recipe: Recipe, conditions: Conditions, seed: int | None
    ) -> None:
        self._recordings, self._recipe = recordings, recipe
        self._conditions, self._seed = conditions, seed
        self.n_times = played_length(len(recordings[0]), recipe.speed_factors[0])

    def __call__(self) -> tuple[np.ndarray, np.ndarray]:
        """Compute mixture and target, both of shape (n_times,)."""
        target, interference = self._recordings
        rng = np.random.RandomState(self._seed)
        return mix(samples_of(target), interference, self._recipe, self._conditions, rng)


def plan_mixtures(
    dataset: MixtureDataset, epoch: int, order: Iterable[int] | None = None
) -> Iterator[PlannedMixture]:
    """Draw all random numbers of the mixtures of an epoch, and leave the computation for later.

    Parameters
    ----------
    dataset : MixtureDataset
    epoch : int
        Its number, from 0 to 2**32 - 1.
    order : iterable of int, optional
        Indices of mixtures of the epoch; by default all, in their order.

    Yields
    ------
    mixture : PlannedMixture

    Examples
    --------
    >>> from sknmf_unfold.datasets import MixtureDataset
    >>> dataset = MixtureDataset([np.ones(100)], [np.ones(200)], snr_db=[0.0])
    >>> (mixture,) = plan_mixtures(dataset, epoch=3)
    >>> mixture.n_times, float(mixture()[0][0])
    (100, 2.0)
    """
    rng = np.random.RandomState([dataset.random_state, epoch])
    values = dataset.snr_db, dataset.gain_db, dataset.speed_factors
    settings = Settings(dataset._probabilities, *values, dataset.conditions)
    drawn = list(draw_recipes(settings, len(dataset), rng))
    indices = choose_targets(len(dataset.targets), dataset.n_mixtures, epoch, dataset.random_state)
    for j in range(len(dataset)) if order is None else order:
        recipe, seed = drawn[j]
        target = dataset.targets[indices[j]]
        if seed is None:
            recipe = recipe._replace(start=_draw_start(dataset, target, recipe, rng))
        yield PlannedMixture((target, dataset.interference), recipe, dataset.conditions, seed)


def _draw_start(dataset, target, recipe, rng):
    """Draw the excerpt of a mixture without conditions, which has one recording of interference."""
    n_recording = length_of(dataset.interference, recipe.which[0])
    n_times = played_length(len(target), recipe.speed_factors[0])
    return draw_start(n_recording, n_times, recipe.speed_factors[1], rng)
