"""Dynamic mixing (`MixtureDataset`): targets remixed with interference every epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.lazy import LazyWaveform, check_rates
from sknmf_unfold.validation.parameters import check_number, check_size
from sknmf_unfold.validation.recordings import check_same_length, check_waveforms, rows_of

from ._distribution import Distribution
from ._mixture_conditions import Conditions
from .augmentation import check_gains, check_speed_factors, check_values
from .mixing import SNR_LIMITS_DB, Interference, snrs_of_mixtures
from .planned_mixtures import plan_mixtures

MAX_MIXTURES = 10**7


class MixtureDataset:
    """Mixtures of targets and interference, remixed every epoch (dynamic mixing).

    Each epoch contains every target once (or `n_mixtures` of them), in full, mixed with a random
    excerpt of a random recording of interference. Recordings are drawn in proportion to their
    lengths; a shorter one is repeated. Recordings are checked here, once; epochs are not.

    Parameters
    ----------
    targets : list of ndarray of shape (n_times,), AudioFiles, or ndarray (n_waveforms, n_times)
        Waveforms to separate. Floats are kept, not copied, here and below: do not change them while
        the dataset is in use. `AudioFiles` are read whenever they are mixed, and not kept.
    interference : list of ndarray of shape (n_times,), or AudioFiles
        Waveforms of anything else, of any lengths. Of long files only the excerpt is read, where
        their format and sampling rate allow that.
    snr_db : list of float, or a distribution, default=(-6, -3, 0, 3, 6, 9)
        Signal-to-noise ratios in dB: values to choose from, or an object with a method
        ``rvs(size, random_state)``, such as ``scipy.stats.uniform(-6, 15)``.
    gain_db : list of float, or a distribution, default=(0,)
        Gain of mixture and target together, in dB.
    speed_factors : list of float, or a distribution, default=(1,)
        Playback speeds from 0.5 to 2, drawn for the target and for its interference separately. At
        1.1 a recording is faster, higher and shorter by a tenth [1]_.
    clean_fraction : float, default=0.0
        Share of the mixtures without interference, from 0 to 1. Rooms, rumble and hiss stay:
        without them such a mixture equals its target.
    n_interferences : list of int, default=(1,)
        Numbers of recordings of interference in a mixture to choose from. Several are summed at
        levels that differ by at most 5 dB, then scaled together to the signal-to-noise ratio.
    equalizer_db : float, default=0.0
        Largest gain in dB, 60 or less, of a gentle random equaliser: a low shelf, a broad peak and
        a high shelf [2]_, drawn for target and interference separately. The target is the
        equalised one.
    bandwidths : list of float or of tuple (low, high), default=()
        Bands in Hz to choose from: a cut-off frequency, or both edges, such as ``(300, 3400)`` of
        the telephone; from 10 Hz to 0.49 times `sample_rate`.
    band_fraction : float, default=0.0
        Share of the mixtures that are limited to one of the bands, together with their targets.
    rumble_db, hiss_db : list of float, or a distribution, or None, default=None
        Levels of low-frequency noise (below about 80 Hz) and of white or gently coloured noise, in
        dB relative to the target (ratio of energies), which are added to every mixture whose target
        is not silent. None adds none.
    rooms : list of ndarray of shape (n_taps,), default=()
        Impulse responses of rooms at `sample_rate`; see ``datasets.simulate_rooms``, and
        ``datasets.load_audio`` for measured ones in files.
    room_fraction : float, default=0.0
        Share of the mixtures in rooms. The target and each recording of interference are convolved
        with responses drawn separately. The mixture has all of the response, the target only direct
        sound and early reflections, until 50 ms after the direct sound, which is not delayed. The
        energy of this early part of the response is scaled to 1, so that targets keep about their
        level.
    sample_rate : int, default=16000
        Sampling rate of all recordings in Hz, 1000 or more, for the filters.
    n_mixtures : int or None, default=None
        Number of mixtures of an epoch, for short epochs of many targets: they take turns, in an
        order drawn at random, so that all are used equally often. None stands for every target
        once, in their order.
    random_state : int, default=0
        Seed: the same epoch of the same dataset is always the same.

    Raises
    ------
    ValueError, TypeError
        If the data or a parameter are not as described.

    Notes
    -----
    The conditions are applied in this order: speed, room, equaliser, mixing at the signal-to-noise
    ratio, rumble and hiss, band limit, gain. The ratio is that of the target (in a room: direct
    sound and early reflections) to the interference with all of its reverberation; late
    reverberation of the target, rumble and hiss do not count. Conditions that are off (all are by
    default) take no random numbers.

    References
    ----------
    .. [1] Ko, Peddinti, Povey, Khudanpur, "Audio augmentation for speech recognition", Interspeech
       2015: speed perturbation.
    .. [2] Valin, "A hybrid DSP/deep learning approach to real-time full-band speech enhancement",
       MMSP 2018: random spectral envelopes.

    Examples
    --------
    >>> from sknmf_unfold.datasets import MixtureDataset
    >>> targets = [np.ones(100), np.ones(300)]
    >>> dataset = MixtureDataset(targets, [np.full(200, 0.5)], snr_db=[0.0])
    >>> X, Y = dataset.draw(epoch=3)
    >>> [len(x) for x in X], float(X[0][0])
    ([100, 300], 2.0)
    """

    n_mixtures: int | None = None

    def __init__(
        self,
        targets: Sequence[ArrayLike] | np.ndarray,
        interference: Sequence[ArrayLike] | np.ndarray,
        *,
        snr_db: Sequence[float] | Distribution = (-6, -3, 0, 3, 6, 9),
        gain_db: Sequence[float] | Distribution = (0,),
        speed_factors: Sequence[float] | Distribution = (1,),
        clean_fraction: float = 0.0,
        n_interferences: Sequence[int] = (1,),
        equalizer_db: float = 0.0,
        bandwidths: Sequence[float | tuple[float, float]] = (),
        band_fraction: float = 0.0,
        rumble_db: Sequence[float] | Distribution | None = None,
        hiss_db: Sequence[float] | Distribution | None = None,
        rooms: Sequence[ArrayLike] | np.ndarray = (),
        room_fraction: float = 0.0,
        sample_rate: int = 16000,
        n_mixtures: int | None = None,
        random_state: int = 0,
    ) -> None:
        conditions = Conditions(
            clean_fraction=clean_fraction,
            n_interferences=n_interferences,
            equalizer_db=equalizer_db,
            bandwidths=bandwidths,
            band_fraction=band_fraction,
            rumble_db=rumble_db,
            hiss_db=hiss_db,
            rooms=rooms,
            room_fraction=room_fraction,
            sample_rate=sample_rate,
        )
        clean = check_waveforms(rows_of(targets, "targets"), "targets")
        rest = check_waveforms(rows_of(interference, "interference"), "interference")
        for waveforms, name in ((clean, "targets"), (rest, "interference")):
            check_rates(waveforms, conditions.sample_rate, name, "MixtureDataset")
        self._set_recordings(clean, rest, [len(waveform) for waveform in rest])
        self.snr_db = check_values("snr_db", snr_db, SNR_LIMITS_DB)
        self._set_augmentation(gain_db, speed_factors, random_state, conditions)
        if n_mixtures is not None:
            self.n_mixtures = check_size("n_mixtures", n_mixtures, high=MAX_MIXTURES)

    def _set_recordings(
        self,
        targets: Sequence[np.ndarray | LazyWaveform],
        interference: Sequence[np.ndarray | LazyWaveform],
        lengths: list[int],
    ) -> None:
        self.targets, self.interference = targets, interference
        self._probabilities = np.array(lengths) / sum(lengths)

    def _set_augmentation(
        self,
        gain_db: Sequence[float] | Distribution,
        speed_factors: Sequence[float] | Distribution,
        random_state: int,
        conditions: Conditions,
    ) -> None:
        self.conditions = conditions
        self.gain_db = check_gains(gain_db)
        self.speed_factors = check_speed_factors(speed_factors)
        self.random_state = check_number(
            "random_state", random_state, low=0, high=2**32 - 1, integer=True
        )

    def __len__(self) -> int:
        """Count the mixtures of an epoch."""
        return len(self.targets) if self.n_mixtures is None else self.n_mixtures

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
        **conditions: Any,
    ) -> MixtureDataset:
        """Make a dataset that remixes the targets and the interference of given mixtures.

        Parameters
        ----------
        X, y : list of ndarray of shape (n_times,), or AudioFiles
            Mixtures and targets. Their differences are the interference, computed when needed and
            not stored. Their signal-to-noise ratios are the values of `snr_db`.
        gain_db, speed_factors : list of float, or a distribution
            See `MixtureDataset`.
        random_state : int, default=0
            Seed.
        **conditions
            All other keywords of `MixtureDataset`, from `clean_fraction` to `sample_rate`.

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
        rate = conditions.get("sample_rate", Conditions.sample_rate)
        for waveforms, name in ((mixtures, "X"), (targets, "y")):
            check_rates(waveforms, rate, name, "MixtureDataset")
        check_same_length(mixtures, targets)
        return cls.from_checked(
            mixtures, targets, gain_db, speed_factors, random_state, **conditions
        )

    @classmethod
    @default_settings()
    def from_checked(
        cls,
        X: Sequence[np.ndarray | LazyWaveform],
        y: Sequence[np.ndarray | LazyWaveform],
        gain_db: Sequence[float] | Distribution = (0,),
        speed_factors: Sequence[float] | Distribution = (1,),
        random_state: int = 0,
        *,
        snr_db: list[float] | None = None,
        **conditions: Any,
    ) -> MixtureDataset:
        """Do what `from_mixtures` does for checked waveforms, whose ratios may be known."""
        dataset = cls.__new__(cls)
        checked = Conditions(**conditions)
        dataset._set_recordings(y, Interference(X, y), [len(waveform) for waveform in y])
        dataset.snr_db = snrs_of_mixtures(X, y) if snr_db is None else snr_db
        dataset._set_augmentation(gain_db, speed_factors, random_state, checked)
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
            Mixtures and targets; those of all targets are in their order.
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
            Indices of mixtures of the epoch; by default all, in their order.

        Yields
        ------
        x, y : ndarray of shape (n_times,)
            A mixture and its target. In their order they are those of `draw`; with recording
            conditions (`clean_fraction` to `room_fraction`) in any order.
        """
        epoch = check_number("epoch", epoch, low=0, high=2**32 - 1, integer=True)
        for mixture in plan_mixtures(self, epoch, order):
            yield mixture()
