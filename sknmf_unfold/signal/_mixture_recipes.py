"""Mixtures of `MixtureDataset` one by one: the values drawn for each, and the mixing itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.lazy import LazyWaveform

from ._distribution import Distribution
from ._mixture_conditions import Conditions
from .augmentation import (
    GAIN_LIMITS_DB,
    SPEED_FACTOR_LIMITS,
    change_speed,
    draw_start,
    draw_values,
    excerpt_from,
)
from .mixing import SNR_LIMITS_DB, trusted_mix_at_snr


def choose_targets(
    n_targets: int, n_mixtures: int | None, epoch: int, random_state: int
) -> Sequence[int]:
    """List the indices of the targets of an epoch.

    Examples
    --------
    >>> sorted(choose_targets(4, 2, 0, 0) + choose_targets(4, 2, 1, 0))
    [0, 1, 2, 3]
    """
    if n_mixtures is None:
        return range(n_targets)
    # Positions in a sequence of random orders of all targets, which continues from epoch to epoch.
    turns, positions = np.divmod(epoch * n_mixtures + np.arange(n_mixtures), n_targets)
    orders = {
        turn: np.random.RandomState([random_state, turn, 2]).permutation(n_targets)
        for turn in np.unique(turns)
    }
    pairs = zip(turns, positions, strict=True)
    return [int(orders[turn][position]) for turn, position in pairs]


class Settings(NamedTuple):
    """Checked parameters of `MixtureDataset`, and the probability of each interference."""

    probabilities: np.ndarray
    snr_db: list[float] | Distribution
    gain_db: list[float] | Distribution
    speed_factors: list[float] | Distribution
    conditions: Conditions


class Recipe(NamedTuple):
    """Values that are drawn for a mixture before any waveform is computed.

    `start`, where the excerpt of interference begins, is None where it is drawn with the
    conditions.
    """

    which: np.ndarray
    speed_factors: np.ndarray
    snr_db: float
    gain: float
    noise_levels_db: tuple[float | None, float | None]
    start: int | None = None


def draw_recipes(
    settings: Settings, n: int, rng: np.random.RandomState
) -> Iterator[tuple[Recipe, int | None]]:
    """Draw the values of all mixtures of an epoch, and a seed for the other choices of each.

    Without conditions there is no seed, None.
    """
    conditions = settings.conditions
    n_excerpts = conditions.max_interferences
    probabilities = settings.probabilities
    which = rng.choice(len(probabilities), (n, n_excerpts), p=probabilities)
    snrs = draw_values("snr_db", settings.snr_db, SNR_LIMITS_DB, n, rng)
    gains_db = draw_values("gain_db", settings.gain_db, GAIN_LIMITS_DB, n, rng)
    gains = 10 ** (gains_db / 20)
    speeds = _draw_speeds(settings.speed_factors, (n, 1 + n_excerpts), rng)
    levels = [_draw_levels(name, conditions, n, rng) for name in ("rumble_db", "hiss_db")]
    recipes = map(Recipe, which, speeds, snrs.tolist(), gains, zip(*levels, strict=True))
    seeds = rng.randint(2**32, size=n, dtype=np.uint32) if conditions.are_on else [None] * n
    return zip(recipes, seeds, strict=True)


def _draw_speeds(speed_factors, size, rng):
    """Draw the speed factors of each target and of its recordings of interference."""
    # A single speed takes no random numbers, so that excerpts are the same as without speeds.
    if speed_factors == [1.0]:
        return np.ones(size)
    return draw_values("speed_factors", speed_factors, SPEED_FACTOR_LIMITS, size, rng)


def _draw_levels(name, conditions, n, rng):
    values = getattr(conditions, name)
    return [None] * n if values is None else draw_values(name, values, GAIN_LIMITS_DB, n, rng)


@default_settings()
def mix(
    target: np.ndarray,
    interference: Sequence[np.ndarray | LazyWaveform],
    recipe: Recipe,
    conditions: Conditions,
    rng: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Mix a target and excerpts of interference; return the mixture and the target."""
    # An overflow makes the mixture overflow, which is reported.
    with np.errstate(over="ignore", invalid="ignore"):
        mixture, target = _mix_in_conditions(target, interference, recipe, conditions, rng)
        gain = target.dtype.type(recipe.gain)
        mixture, target = gain * mixture, gain * target
    if not np.isfinite(mixture).all():
        raise ValueError(
            f"The mixture overflows {mixture.dtype}; scale `targets` and `interference` to about "
            f"[-1, 1] first."
        )
    return mixture, target


def _mix_in_conditions(target, interference, recipe, conditions, rng):
    speeds = recipe.speed_factors
    target = change_speed(target, speeds[0])
    in_room, n_excerpts = conditions.draw_in_room(rng), conditions.draw_count(rng)
    excerpts = [
        _excerpt(interference[i], len(target), speed, recipe.start, rng).astype(target.dtype)
        for i, speed in zip(recipe.which[:n_excerpts], speeds[1:], strict=False)
    ]
    target, late = conditions.record_target(target, in_room, rng)
    mixture = target
    if excerpts:
        noise = conditions.record_interference(excerpts, in_room, rng)
        mixture, _ = trusted_mix_at_snr(target, noise, recipe.snr_db)
    if late is not None:
        mixture = mixture + late
    mixture = conditions.add_noises(mixture, target, recipe.noise_levels_db, rng)
    return conditions.limit_band(mixture, target, rng)


def _excerpt(waveform, n_times, speed, start, rng):
    start = draw_start(len(waveform), n_times, speed, rng) if start is None else start
    return excerpt_from(waveform, n_times, speed, start)
