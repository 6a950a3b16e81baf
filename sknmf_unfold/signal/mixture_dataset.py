"""`MixtureDataset`: targets mixed anew with interference, as often as wanted."""

from __future__ import annotations

import numpy as np

from sknmf_unfold._checks import check_number
from sknmf_unfold._data_checks import as_list, check_same_length, check_waveforms, is_number

from .mixing import SNR_LIMITS, mix_at_snr

GAIN_LIMITS = {"low": -100, "high": 100}


class MixtureDataset:
    """Mixtures of targets and interference, drawn anew for every epoch.

    Every target is in each epoch once, whole, with a random stretch of a random recording of
    interference, the longer ones more often. A recording that ends too early goes on from its
    beginning.

    Parameters
    ----------
    targets : list of ndarray of shape (n_times,)
        Waveforms to be separated from the rest.
    interference : list of ndarray of shape (n_times,)
        Waveforms of anything else, of any lengths.
    snr_db : list of float, or a distribution, default=(-6, -3, 0, 3, 6, 9)
        Signal-to-noise ratios in dB: values to choose from, or what has a method
        ``rvs(size, random_state)``, as ``scipy.stats.uniform(-6, 15)`` has.
    gain_db : list of float, or a distribution, default=(0,)
        By how much to raise mixture and target together, in dB.
    random_state : int, default=0
        Seed: the same epoch of the same dataset is always the same.

    Raises
    ------
    ValueError, TypeError
        If the data or a parameter are not as described.

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
        self, targets, interference, *, snr_db=(-6, -3, 0, 3, 6, 9), gain_db=(0,), random_state=0
    ):
        self.targets = check_waveforms(as_list(targets), "targets")
        self.interference = check_waveforms(as_list(interference), "interference")
        self.snr_db = _check_levels("snr_db", snr_db, SNR_LIMITS)
        self.gain_db = _check_levels("gain_db", gain_db, GAIN_LIMITS)
        check_number("random_state", random_state, low=0, high=2**32 - 1, integer=True)
        self.random_state = random_state

    def __len__(self):
        """Count the mixtures of an epoch."""
        return len(self.targets)

    @classmethod
    def from_mixtures(cls, X, Y, *, gain_db=(0,), random_state=0):
        """Take mixtures and their targets apart, to put them together otherwise.

        Parameters
        ----------
        X, Y : list of ndarray of shape (n_times,)
            Mixtures and targets. Their differences are the interference, their signal-to-noise
            ratios what is chosen from.
        gain_db : list of float, or a distribution, default=(0,)
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
        X, Y = check_waveforms(as_list(X), "X"), check_waveforms(as_list(Y), "Y")
        check_same_length(X, Y)
        interference = [x - y for x, y in zip(X, Y, strict=True)]
        settings = {"gain_db": gain_db, "random_state": random_state}
        return cls(Y, interference, snr_db=observed_snrs(Y, interference), **settings)

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
        check_number("epoch", epoch, low=0, high=2**32 - 1, integer=True)
        rng = np.random.RandomState([self.random_state, epoch])
        lengths = np.array([len(waveform) for waveform in self.interference])
        which = rng.choice(len(lengths), len(self), p=lengths / lengths.sum())
        snrs = _draw(self.snr_db, len(self), rng)
        gains = 10 ** (_draw(self.gain_db, len(self), rng) / 20)
        X, Y = [], []
        for target, i, snr, gain in zip(self.targets, which, snrs, gains, strict=True):
            stretch = _stretch(self.interference[i], len(target), rng).astype(target.dtype)
            gain = target.dtype.type(gain)
            X.append(gain * mix_at_snr(target, stretch, float(snr)))
            Y.append(gain * target)
        return X, Y


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
            f"rvs; got {levels!r}."
        )
    if len(levels) == 0:
        raise ValueError(f"`{name}` is empty; wanted numbers to choose from, in dB.")
    for i, level in enumerate(levels):
        check_number(f"{name}[{i}]", level, **limits)
    return [float(level) for level in levels]


def _draw(levels, size, rng):
    if isinstance(levels, list):
        return rng.choice(levels, size)
    return np.asarray(levels.rvs(size=size, random_state=rng), dtype=np.float64)


def _stretch(waveform, n_times, rng):
    """So many samples from a random one on; what is too short begins again at its end."""
    if len(waveform) >= n_times:
        start = rng.randint(len(waveform) - n_times + 1)
        return waveform[start : start + n_times]
    return np.resize(np.roll(waveform, -rng.randint(len(waveform))), n_times)
