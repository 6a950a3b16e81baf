"""Mixing of a target and interference at a signal-to-noise ratio, and the ratios of mixtures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.lazy import LazyWaveform, samples_of
from sknmf_unfold.validation.parameters import check_number
from sknmf_unfold.validation.recordings import check_waveform

SNR_LIMITS_DB = (-300, 300)


@default_settings()
def mix_at_snr(
    target: ArrayLike,
    interference: ArrayLike,
    snr_db: float,
    *,
    return_interference: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Add interference to a target, scaled to a signal-to-noise ratio.

    Parameters
    ----------
    target : array-like of shape (n_times,)
        Clean waveform, which is not scaled.
    interference : array-like of shape (at least n_times,)
        Cut to the length of `target` and scaled.
    snr_db : float
        ``10 log10(sum(target ** 2) / sum(scaled ** 2))`` in dB, within +-300. If the target or the
        interference is silent, no gain reaches it, and the interference is added unscaled.
    return_interference : bool, default=False
        Whether to return the scaled interference too.

    Returns
    -------
    mixture : ndarray of shape (n_times,)
        Of float32 if both are, else of float64.
    scaled : ndarray of shape (n_times,)
        Only with `return_interference`.

    Raises
    ------
    ValueError
        If the interference is shorter than the target, a waveform is not as described, or the
        mixture overflows.

    Examples
    --------
    >>> mix_at_snr([1.0, -1.0], [0.5, 0.5], 0.0)
    array([2., 0.])
    """
    clean, rest = check_waveform(target, "target"), check_waveform(interference, "interference")
    snr_db = check_number("snr_db", snr_db, low=SNR_LIMITS_DB[0], high=SNR_LIMITS_DB[1])
    if len(rest) < len(clean):
        raise ValueError(
            f"`interference` has {len(rest)} samples but `target` has {len(clean)}; it must be at "
            f"least as long. Repeat it with np.resize, for example."
        )
    mixture, scaled = trusted_mix_at_snr(clean, rest[: len(clean)], snr_db)
    return (mixture, scaled) if return_interference else mixture


def trusted_mix_at_snr(
    target: np.ndarray, interference: np.ndarray, snr_db: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute `mix_at_snr` of checked arguments, as inside loops.

    Parameters
    ----------
    target, interference : ndarray of shape (n_times,), float32 or float64
        Finite waveforms of one length.
    snr_db : float
        Signal-to-noise ratio in dB, within +-300.

    Returns
    -------
    mixture, scaled : ndarray of shape (n_times,)

    Raises
    ------
    ValueError
        If the mixture overflows.

    Examples
    --------
    >>> trusted_mix_at_snr(np.array([1.0, -1.0]), np.array([0.5, 0.5]), 0.0)
    (array([2., 0.]), array([1., 1.]))
    """
    # Overflow is reported below, by name.
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = scale_to_snr(target, interference, snr_db)
        mixture = target + scaled
    if not np.isfinite(mixture).all():
        raise ValueError(
            f"The mixture overflows {mixture.dtype} at `snr_db`={snr_db}; scale `target` and "
            f"`interference` to about [-1, 1] first."
        )
    return mixture, scaled


def scale_to_snr(target: np.ndarray, interference: np.ndarray, snr_db: float) -> np.ndarray:
    """Scale interference to a signal-to-noise ratio.

    Parameters
    ----------
    target, interference : ndarray of shape (n_times,), float32 or float64
        Finite waveforms.
    snr_db : float
        Signal-to-noise ratio in dB.

    Returns
    -------
    scaled : ndarray of shape (n_times,)
        An unscaled copy if one of the two is silent.

    Examples
    --------
    >>> scale_to_snr(np.array([1.0, -1.0]), np.array([0.5, 0.5]), 20.0)
    array([0.1, 0.1])
    """
    powers = energy(target), energy(interference)
    if min(powers) == 0:
        return interference.copy()
    gain = np.sqrt(powers[0] / powers[1]) * 10 ** (-snr_db / 20)
    return interference * interference.dtype.type(gain)


def observed_snrs(targets: Iterable[np.ndarray], interference: Iterable[np.ndarray]) -> list[float]:
    """Measure signal-to-noise ratios.

    Parameters
    ----------
    targets, interference : iterable of ndarray of shape (n_times,)
        In pairs.

    Returns
    -------
    snrs : list of float
        In dB, of the pairs in which neither is silent; ``[0.0]`` if there is none.

    Examples
    --------
    >>> observed_snrs([np.ones(4), np.zeros(4)], [0.1 * np.ones(4), np.ones(4)])
    [20.0]
    """
    pairs = zip(targets, interference, strict=True)
    return snrs_of_energies(np.array([[energy(x) for x in pair] for pair in pairs]))


def snrs_of_energies(powers: np.ndarray) -> list[float]:
    """Compute signal-to-noise ratios, see `observed_snrs`.

    Parameters
    ----------
    powers : ndarray of shape (n, 2), float64
        Energies of targets and interference.

    Returns
    -------
    snrs : list of float
        In dB.

    Examples
    --------
    >>> snrs_of_energies(np.array([[100.0, 1.0], [1.0, 0.0]]))
    [20.0]
    """
    powers = powers[(powers > 0).all(axis=1)]
    snrs = 10 * np.log10(powers[:, 0] / powers[:, 1])
    return np.clip(snrs, *SNR_LIMITS_DB).tolist() or [0.0]


def snrs_of_mixtures(
    mixtures: Sequence[np.ndarray | LazyWaveform], targets: Sequence[np.ndarray | LazyWaveform]
) -> list[float]:
    """Measure the ratios of targets to the rest of their mixtures, see `observed_snrs`.

    Parameters
    ----------
    mixtures, targets : sequence of ndarray or LazyWaveform of shape (n_times,)
        In pairs. Lazy ones are read once, one pair after the other.

    Returns
    -------
    snrs : list of float
        In dB.

    Examples
    --------
    >>> snrs_of_mixtures([2 * np.ones(4)], [np.ones(4)])
    [0.0]
    """
    read = ((samples_of(x), samples_of(y)) for x, y in zip(mixtures, targets, strict=True))
    return snrs_of_energies(np.array([[energy(y), energy(x - y)] for x, y in read]))


class Interference(Sequence):
    """Interference (mixture minus target), computed on access.

    Parameters
    ----------
    mixtures, targets : sequence of ndarray or LazyWaveform of shape (n_times,)
        In pairs. Lazy ones are read when the interference is computed.
    """

    def __init__(
        self,
        mixtures: Sequence[np.ndarray | LazyWaveform],
        targets: Sequence[np.ndarray | LazyWaveform],
    ) -> None:
        self._mixtures, self._targets = mixtures, targets

    def __len__(self) -> int:
        return len(self._targets)

    def n_times_of(self, index: int) -> int:
        """Count the samples of a recording, without computing them.

        Parameters
        ----------
        index : int

        Returns
        -------
        n_times : int
        """
        return len(self._targets[index])

    def __getitem__(self, index: Any) -> Any:
        return samples_of(self._mixtures[index]) - samples_of(self._targets[index])


def length_of(recordings: Sequence[np.ndarray | LazyWaveform], index: int) -> int:
    """Count the samples of one of some recordings, without reading or computing them.

    Parameters
    ----------
    recordings : sequence of ndarray or LazyWaveform of shape (n_times,), or Interference
    index : int

    Returns
    -------
    n_times : int
    """
    if isinstance(recordings, Interference):
        return recordings.n_times_of(index)
    return len(recordings[index])


def energy(waveform: np.ndarray) -> np.float64:
    """Sum the squares of the samples.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,)

    Returns
    -------
    energy : float64
    """
    return np.sum(np.square(waveform, dtype=np.float64))
