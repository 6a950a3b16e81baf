"""`MixtureDataset`: targets mixed anew with interference, as often as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number
from sknmf_unfold.validation.recordings import (
    check_same_length,
    check_waveforms,
    is_number,
    rows_of,
)

from .mixing import SNR_LIMITS, mix_at_snr

GAIN_LIMITS = {"low": -100, "high": 100}
SPEED_LIMITS = {"low": 0.5, "high": 2}
# Speeds are taken as ratios of whole numbers up to this one.
LARGEST = 100


class MixtureDataset:
    """Mixtures of targets and interference, drawn anew for every epoch.

    Every target is in each epoch once, whole, with a random stretch of a random recording of
    interference, the longer ones more often. A recording that ends too early goes on from its
    beginning.

    Parameters
    ----------
    targets : list of ndarray of shape (n_times,), or ndarray of shape (n_waveforms, n_times)
        Waveforms to be separated from the rest. Floats are kept, not copied, here and below: do not
        change them while the dataset is in use.
    interference : list of ndarray of shape (n_times,)
        Waveforms of anything else, of any lengths.
    snr_db : list of float, or a distribution, default=(-6, -3, 0, 3, 6, 9)
        Signal-to-noise ratios in dB: values to choose from, or what has a method
        ``rvs(size, random_state)``, as ``scipy.stats.uniform(-6, 15)`` has.
    gain_db : list of float, or a distribution, default=(0,)
        By how much to raise mixture and target together, in dB.
    speed_factors : list of float, or a distribution, default=(1,)
        How fast to play a target, and on its own the interference beside it, pitch and all, from
        0.5 to 2: at 1.1 it is a tenth faster, higher and shorter [1]_.
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
        targets,
        interference,
        *,
        snr_db=(-6, -3, 0, 3, 6, 9),
        gain_db=(0,),
        speed_factors=(1,),
        random_state=0,
    ):
        self.targets = check_waveforms(rows_of(targets, "targets"), "targets")
        if not isinstance(interference, _Differences):
            interference = rows_of(interference, "interference")
            interference = check_waveforms(interference, "interference")
        self.interference = interference
        self._lengths = np.array([len(waveform) for waveform in interference])
        self.snr_db = _check_levels("snr_db", snr_db, SNR_LIMITS)
        self.gain_db = check_gains(gain_db)
        self.speed_factors = check_speed_factors(speed_factors)
        self.random_state = check_number(
            "random_state", random_state, low=0, high=2**32 - 1, integer=True
        )

    def __len__(self):
        """Count the mixtures of an epoch."""
        return len(self.targets)

    @classmethod
    @default_settings()
    def from_mixtures(cls, X, y, *, gain_db=(0,), speed_factors=(1,), random_state=0):
        """Take mixtures and their targets apart, to put them together otherwise.

        Parameters
        ----------
        X, y : list of ndarray of shape (n_times,)
            Mixtures and targets. Their differences are the interference, which takes no memory of
            its own, their signal-to-noise ratios what is chosen from.
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
        X, y = check_waveforms(rows_of(X, "X"), "X"), check_waveforms(rows_of(y, "y"), "y")
        check_same_length(X, y)
        interference = _Differences(X, y)
        settings = {
            "gain_db": gain_db,
            "speed_factors": speed_factors,
            "random_state": random_state,
        }
        return cls(y, interference, snr_db=observed_snrs(y, interference), **settings)

    def draw(self, epoch=0):
        """Make the mixtures of an epoch.

        Parameters
        ----------
        epoch : int, default=0
            Which one.

        Returns
        -------
        X, Y : list of ndarray of shape (n_times,)
            Mixtures and targets, in the order of the targets.
        """
        X, Y = zip(*self.mixtures(epoch), strict=True)
        return list(X), list(Y)

    def mixtures(self, epoch=0, order=None):
        """Make the mixtures of an epoch one by one, where all at once would not fit into memory.

        Parameters
        ----------
        epoch : int, default=0
            Which one.
        order : sequence of int, optional
            Which targets, one after the other; by default all, as they are.

        Yields
        ------
        x, y : ndarray of shape (n_times,)
            A mixture and its target. In the order of the targets they are those of `draw`.
        """
        epoch = check_number("epoch", epoch, low=0, high=2**32 - 1, integer=True)
        rng = np.random.RandomState([self.random_state, epoch])
        which = rng.choice(len(self._lengths), len(self), p=self._lengths / self._lengths.sum())
        snrs = _draw(self.snr_db, len(self), rng)
        gains = 10 ** (_draw(self.gain_db, len(self), rng) / 20)
        speed_factors = self._draw_speeds(rng)
        for j in range(len(self)) if order is None else order:
            pair = self.targets[j], self.interference[which[j]]
            yield _mixture(*pair, speed_factors[j], float(snrs[j]), gains[j], rng)

    def _draw_speeds(self, rng):
        """Speeds of each target and of its interference."""
        # Nothing is drawn where there is no choice, which leaves what is drawn next as it was.
        if self.speed_factors == [1.0]:
            return np.ones((len(self), 2))
        return _draw(self.speed_factors, (len(self), 2), rng)


class _Differences(Sequence):
    """What mixtures have beside their targets, computed each time that it is asked for."""

    def __init__(self, mixtures, targets):
        self._mixtures, self._targets = mixtures, targets

    def __len__(self):
        return len(self._targets)

    def __getitem__(self, index):
        return self._mixtures[index] - self._targets[index]


def check_speed_factors(speed_factors):
    """Return a distribution as it is, and anything else as a list of checked speed_factors.

    Parameters
    ----------
    speed_factors : list of float, or a distribution
        See `MixtureDataset`.

    Returns
    -------
    speed_factors : list of float, or a distribution

    Raises
    ------
    ValueError, TypeError
        If they are not as described.
    """
    return _check_levels("speed_factors", speed_factors, SPEED_LIMITS)


def check_gains(gain_db):
    """Return a distribution as it is, and anything else as a list of checked gains.

    Parameters
    ----------
    gain_db : list of float, or a distribution
        See `MixtureDataset`.

    Returns
    -------
    gain_db : list of float, or a distribution

    Raises
    ------
    ValueError, TypeError
        If they are not as described.
    """
    return _check_levels("gain_db", gain_db, GAIN_LIMITS)


def observed_snrs(targets, interference):
    """Measure signal-to-noise ratios.

    Parameters
    ----------
    targets, interference : list of ndarray of shape (n_times,)
        In pairs.

    Returns
    -------
    snrs : list of float
        In dB, of the pairs where neither is silent; ``[0.0]`` if there is none.
    """
    powers = np.array(
        [
            [np.sum(np.square(x, dtype=np.float64)) for x in pair]
            for pair in zip(targets, interference, strict=True)
        ]
    )
    powers = powers[(powers > 0).all(axis=1)]
    snrs = 10 * np.log10(powers[:, 0] / powers[:, 1])
    return np.clip(snrs, SNR_LIMITS["low"], SNR_LIMITS["high"]).tolist() or [0.0]


def _check_levels(name, levels, limits):
    """Return a distribution as it is, and anything else as a list of checked numbers."""
    if callable(getattr(levels, "rvs", None)):
        return levels
    if is_number(levels) or isinstance(levels, str) or not hasattr(levels, "__len__"):
        raise TypeError(
            f"`{name}` must be a list of numbers to choose from or a distribution with a method "
            f"rvs; got {shown(levels)}."
        )
    if len(levels) == 0:
        raise ValueError(f"`{name}` is empty; wanted numbers to choose from.")
    return [check_number(f"{name}[{i}]", level, **limits) for i, level in enumerate(levels)]


def _draw(levels, size, rng):
    if isinstance(levels, list):
        return rng.choice(levels, size)
    return np.asarray(levels.rvs(size=size, random_state=rng), dtype=np.float64)


@default_settings()
def _mixture(target, interference, speed_factors, snr_db, gain, rng):
    """Mix a target and a stretch of interference; return the mixture and the target."""
    target = _at_speed(target, speed_factors[0])
    stretch = _stretch_at_speed(interference, len(target), speed_factors[1], rng)
    mixture = mix_at_snr(target, stretch.astype(target.dtype), snr_db)
    gain = target.dtype.type(gain)
    return gain * mixture, gain * target


def _stretch(waveform, n_times, rng):
    """So many samples from a random one on; what is too short begins again at its end."""
    if len(waveform) >= n_times:
        start = rng.randint(len(waveform) - n_times + 1)
        return waveform[start : start + n_times]
    return np.resize(np.roll(waveform, -rng.randint(len(waveform))), n_times)


def _at_speed(waveform, speed):
    """Play a recording faster or slower."""
    ratio = _ratio(speed)
    if ratio == 1:
        return waveform
    # Not before it is needed: it takes longer to import than all of this package.
    from scipy.signal import resample_poly

    played = resample_poly(waveform, ratio.denominator, ratio.numerator)
    return played.astype(waveform.dtype, copy=False)


def _stretch_at_speed(waveform, n_times, speed, rng):
    """So many samples of a recording that is played faster or slower."""
    n_needed = -(-n_times * _ratio(speed).numerator // _ratio(speed).denominator)
    return _at_speed(_stretch(waveform, n_needed, rng), speed)[:n_times]


def _ratio(speed):
    if not SPEED_LIMITS["low"] <= speed <= SPEED_LIMITS["high"]:
        raise ValueError(f"`speed_factors` gave {speed:g}; wanted numbers from 0.5 to 2.")
    return Fraction(float(speed)).limit_denominator(LARGEST)
