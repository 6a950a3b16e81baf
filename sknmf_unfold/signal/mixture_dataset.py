"""Dynamic mixing (`MixtureDataset`): targets remixed with interference every epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.parameters import check_number
from sknmf_unfold.validation.recordings import check_same_length, check_waveforms, rows_of

from ._distribution import Distribution
from .augmentation import (
    GAIN_LIMITS_DB,
    SPEED_FACTOR_LIMITS,
    change_speed,
    check_gains,
    check_speed_factors,
    check_values,
    draw_values,
    random_excerpt,
)
from .mixing import SNR_LIMITS_DB, observed_snrs, trusted_mix_at_snr


class MixtureDataset:
    """Mixtures of targets and interference, remixed every epoch (dynamic mixing).

    Each epoch contains every target once, in full, mixed with a random excerpt of a random
    recording of interference. Recordings are drawn in proportion to their lengths; one that is
    shorter than the target is repeated. Recordings are checked here, once; epochs are not.

    Parameters
    ----------
    targets : list of ndarray of shape (n_times,), or ndarray of shape (n_waveforms, n_times)
        Waveforms to separate. Floats are kept, not copied, here and below: do not change them while
        the dataset is in use.
    interference : list of ndarray of shape (n_times,)
        Waveforms of anything else, of any lengths.
    snr_db : list of float, or a distribution, default=(-6, -3, 0, 3, 6, 9)
        Signal-to-noise ratios in dB: values to choose from, or an object with a method
        ``rvs(size, random_state)``, such as ``scipy.stats.uniform(-6, 15)``.
    gain_db : list of float, or a distribution, default=(0,)
        Gain of mixture and target together, in dB.
    speed_factors : list of float, or a distribution, default=(1,)
        Playback speeds from 0.5 to 2, drawn for the target and for its interference separately. At
        1.1 a recording is faster, higher and shorter by a tenth [1]_.
    random_state : int, default=0
        Seed: the same epoch of the same dataset is always the same.

    Raises
    ------
    ValueError, TypeError
        If the data or a parameter are not as described.

    References
    ----------
    .. [1] Ko, Peddinti, Povey, Khudanpur, "Audio augmentation for speech recognition", Interspeech
       2015: speed perturbation.

    Examples
    --------
    >>> from sknmf_unfold.datasets import MixtureDataset
    >>> targets = [np.ones(100), np.ones(300)]
    >>> dataset = MixtureDataset(targets, [np.full(200, 0.5)], snr_db=[0.0])
    >>> X, Y = dataset.draw(epoch=3)
    >>> [len(x) for x in X], float(X[0][0])
    ([100, 300], 2.0)
    """

    def __init__(
        self,
        targets: Sequence[ArrayLike] | np.ndarray,
        interference: Sequence[ArrayLike] | np.ndarray,
        *,
        snr_db: Sequence[float] | Distribution = (-6, -3, 0, 3, 6, 9),
        gain_db: Sequence[float] | Distribution = (0,),
        speed_factors: Sequence[float] | Distribution = (1,),
        random_state: int = 0,
    ) -> None:
        clean = check_waveforms(rows_of(targets, "targets"), "targets")
        rest = check_waveforms(rows_of(interference, "interference"), "interference")
        self._set_recordings(clean, rest, [len(waveform) for waveform in rest])
        self.snr_db = check_values("snr_db", snr_db, SNR_LIMITS_DB)
        self._set_augmentation(gain_db, speed_factors, random_state)

    def _set_recordings(
        self,
        targets: Sequence[np.ndarray],
        interference: Sequence[np.ndarray],
        lengths: list[int],
    ) -> None:
        self.targets, self.interference = targets, interference
        self._probabilities = np.array(lengths) / sum(lengths)

    def _set_augmentation(
        self,
        gain_db: Sequence[float] | Distribution,
        speed_factors: Sequence[float] | Distribution,
        random_state: int,
    ) -> None:
        self.gain_db = check_gains(gain_db)
        self.speed_factors = check_speed_factors(speed_factors)
        self.random_state = check_number(
            "random_state", random_state, low=0, high=2**32 - 1, integer=True
        )

    def __len__(self) -> int:
        """Count the mixtures of an epoch."""
        return len(self.targets)

    @classmethod
    @default_settings()
    def from_mixtures(
        cls,
        X: Sequence[ArrayLike] | np.ndarray,
        y: Sequence[ArrayLike] | np.ndarray,
        *,
        gain_db: Sequence[float] | Distribution = (0,),
        speed_factors: Sequence[float] | Distribution = (1,),
        random_state: int = 0,
    ) -> MixtureDataset:
        """Make a dataset that remixes the targets and the interference of given mixtures.

        Parameters
        ----------
        X, y : list of ndarray of shape (n_times,)
            Mixtures and targets. Their differences are the interference, computed when needed and
            not stored. Their signal-to-noise ratios are the values of `snr_db`.
        gain_db, speed_factors : list of float, or a distribution
            See `MixtureDataset`.
        random_state : int, default=0
            Seed.

        Returns
        -------
        dataset : MixtureDataset

        Examples
        --------
        >>> Y = [np.ones(4), -np.ones(4)]
        >>> dataset = MixtureDataset.from_mixtures([2 * Y[0], 1.1 * Y[1]], Y)
        >>> [round(snr) for snr in dataset.snr_db]
        [0, 20]
        """
        mixtures = check_waveforms(rows_of(X, "X"), "X")
        targets = check_waveforms(rows_of(y, "y"), "y")
        check_same_length(mixtures, targets)
        return cls.from_checked(mixtures, targets, gain_db, speed_factors, random_state)

    @classmethod
    @default_settings()
    def from_checked(
        cls,
        X: Sequence[np.ndarray],
        y: Sequence[np.ndarray],
        gain_db: Sequence[float] | Distribution = (0,),
        speed_factors: Sequence[float] | Distribution = (1,),
        random_state: int = 0,
    ) -> MixtureDataset:
        """Do what `from_mixtures` does, for pairs of waveforms that are already checked."""
        dataset = cls.__new__(cls)
        interference = _Interference(X, y)
        dataset._set_recordings(y, interference, [len(waveform) for waveform in y])
        dataset.snr_db = observed_snrs(y, interference)
        dataset._set_augmentation(gain_db, speed_factors, random_state)
        return dataset

    def draw(self, epoch: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Make the mixtures of an epoch.

        Parameters
        ----------
        epoch : int, default=0
            Number of the epoch.

        Returns
        -------
        X, Y : list of ndarray of shape (n_times,)
            Mixtures and targets, in the order of the targets.
        """
        X, Y = zip(*self.mixtures(epoch), strict=True)
        return list(X), list(Y)

    def mixtures(
        self, epoch: int = 0, order: Iterable[int] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Make the mixtures of an epoch one by one, for epochs that do not fit into memory.

        Parameters
        ----------
        epoch : int, default=0
            Number of the epoch.
        order : iterable of int, optional
            Indices of targets; by default all, in their order.

        Yields
        ------
        x, y : ndarray of shape (n_times,)
            A mixture and its target. In the order of the targets they are those of `draw`.
        """
        epoch = check_number("epoch", epoch, low=0, high=2**32 - 1, integer=True)
        rng = np.random.RandomState([self.random_state, epoch])
        which = rng.choice(len(self._probabilities), len(self), p=self._probabilities)
        snrs = draw_values("snr_db", self.snr_db, SNR_LIMITS_DB, len(self), rng)
        gains_db = draw_values("gain_db", self.gain_db, GAIN_LIMITS_DB, len(self), rng)
        gains = 10 ** (gains_db / 20)
        speeds = self._draw_speeds(rng)
        for j in range(len(self)) if order is None else order:
            pair = self.targets[j], self.interference[which[j]]
            yield _mix(*pair, speeds[j], float(snrs[j]), gains[j], rng)

    def _draw_speeds(self, rng: np.random.RandomState) -> np.ndarray:
        """Draw the speed factors of each target and of its interference."""
        size = (len(self), 2)
        # A single speed takes no random numbers, so that excerpts are the same as without speeds.
        if self.speed_factors == [1.0]:
            return np.ones(size)
        return draw_values("speed_factors", self.speed_factors, SPEED_FACTOR_LIMITS, size, rng)


class _Interference(Sequence):
    """Interference (mixture minus target), computed on access."""

    def __init__(self, mixtures: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> None:
        self._mixtures, self._targets = mixtures, targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: Any) -> Any:
        return self._mixtures[index] - self._targets[index]


@default_settings()
def _mix(
    target: np.ndarray,
    interference: np.ndarray,
    speed_factors: np.ndarray,
    snr_db: float,
    gain: float,
    rng: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Mix a target and an excerpt of interference; return the mixture and the target."""
    target = change_speed(target, speed_factors[0])
    excerpt = random_excerpt(interference, len(target), speed_factors[1], rng)
    # An overflow here makes the mixture overflow, which is reported.
    with np.errstate(over="ignore"):
        excerpt = excerpt.astype(target.dtype)
    mixture, _ = trusted_mix_at_snr(target, excerpt, snr_db)
    gain = target.dtype.type(gain)
    return gain * mixture, gain * target
