"""Recording conditions of `MixtureDataset`: their settings, checked, and their random choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.lazy import samples_of
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import check_number, check_sample_rate
from sknmf_unfold.validation.recordings import check_waveforms, is_number, rows_of

from ._distribution import Distribution
from .augmentation import GAIN_LIMITS_DB, check_values
from .conditions import (
    apply_sections,
    design_band_limit,
    hiss,
    random_equalizer,
    reverberate,
    rumble,
    split_response,
)
from .mixing import scale_to_snr

MAX_EQUALIZER_DB = 60
MAX_INTERFERENCES = 100
# Several recordings of interference differ in level by at most this.
MAX_LEVEL_DIFFERENCE_DB = 5
# The lowest rate at which rumble can be generated.
MIN_RATE_HZ = 1000
# Edges of bands in Hz, and as a share of the sampling rate, between which filters are accurate.
MIN_EDGE_HZ, MAX_EDGE_SHARE = 10, 0.49


@dataclass
class Conditions:
    """Checked settings of the recording conditions; see `MixtureDataset`."""

    clean_fraction: Any = 0.0
    n_interferences: Any = (1,)
    equalizer_db: Any = 0.0
    bandwidths: Any = ()
    band_fraction: Any = 0.0
    rumble_db: Any = None
    hiss_db: Any = None
    rooms: Any = ()
    room_fraction: Any = 0.0
    sample_rate: Any = 16000

    @default_settings()
    def __post_init__(self) -> None:
        """Check all settings; design filters and split responses once."""
        self.sample_rate = check_sample_rate(self.sample_rate, low=MIN_RATE_HZ)
        for name in ("clean_fraction", "band_fraction", "room_fraction"):
            setattr(self, name, check_number(name, getattr(self, name), low=0, high=1))
        self.n_interferences = _check_counts(self.n_interferences)
        self.equalizer_db = check_number(
            "equalizer_db", self.equalizer_db, low=0, high=MAX_EQUALIZER_DB
        )
        for name in ("rumble_db", "hiss_db"):
            if (values := getattr(self, name)) is not None:
                setattr(self, name, check_values(name, values, GAIN_LIMITS_DB))
        bands = _check_bands(self.bandwidths, self.sample_rate)
        self._filters = [design_band_limit(band, self.sample_rate) for band in bands]
        self._rooms = _check_rooms(self.rooms, self.sample_rate)
        _check_share("bandwidths", len(bands), "band_fraction", self.band_fraction)
        _check_share("rooms", len(self._rooms), "room_fraction", self.room_fraction)

    @property
    def max_interferences(self) -> int:
        """The largest number of recordings of interference in one mixture."""
        return max(self.n_interferences)

    @property
    def are_on(self) -> bool:
        """Whether any condition can change a mixture."""
        shares = self.clean_fraction, self.band_fraction, self.room_fraction, self.equalizer_db
        levels = self.rumble_db, self.hiss_db
        several = self.n_interferences != [1]
        return any(shares) or several or any(level is not None for level in levels)

    def draw_count(self, rng: np.random.RandomState) -> int:
        """Draw the number of recordings of interference: 0 for a clean mixture."""
        if _happens(self.clean_fraction, rng):
            return 0
        counts = self.n_interferences
        return counts[0] if len(counts) == 1 else int(rng.choice(counts))

    def draw_in_room(self, rng: np.random.RandomState) -> bool:
        """Draw whether a mixture is in a room."""
        return _happens(self.room_fraction, rng)

    def record_target(
        self, waveform: np.ndarray, in_room: bool, rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Put a target into a room and equalise it.

        Returns
        -------
        target : ndarray of shape (n_times,)
            Direct sound and early reflections.
        late : ndarray of shape (n_times,) or None
            Late reverberation.
        """
        parts = waveform[np.newaxis]
        if in_room:
            parts = reverberate(waveform, *self._draw_room(rng))
        parts = self._equalize(parts, rng)
        return parts[0], parts[1] if len(parts) > 1 else None

    def record_interference(
        self, waveforms: Sequence[np.ndarray], in_room: bool, rng: np.random.RandomState
    ) -> np.ndarray:
        """Put recordings of interference into rooms, sum them, and equalise the sum."""
        if in_room:
            rooms = [self._draw_room(rng) for _ in waveforms]
            waveforms = [
                reverberate(waveform, parts.sum(axis=0, keepdims=True), direct)[0]
                for waveform, (parts, direct) in zip(waveforms, rooms, strict=True)
            ]
        return self._equalize(_sum_at_levels(waveforms, rng), rng)

    def add_noises(
        self,
        mixture: np.ndarray,
        target: np.ndarray,
        levels: tuple[float | None, float | None],
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Add rumble and hiss at levels (or None) in dB relative to the target."""
        if not target.any():
            return mixture
        n_times = len(target)
        for level, generate in zip(levels, (self._rumble, hiss), strict=True):
            if level is not None:
                noise = generate(n_times, rng).astype(target.dtype, copy=False)
                mixture = mixture + scale_to_snr(target, noise, -level)
        return mixture

    def _rumble(self, n_times, rng):
        return rumble(n_times, self.sample_rate, rng)

    def limit_band(
        self, mixture: np.ndarray, target: np.ndarray, rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Limit mixture and target to one of the bands, or to none."""
        if not _happens(self.band_fraction, rng):
            return mixture, target
        filtered = apply_sections(
            np.stack([mixture, target]), self._filters[rng.randint(len(self._filters))]
        )
        return filtered[0], filtered[1]

    def _draw_room(self, rng):
        return self._rooms[rng.randint(len(self._rooms))]

    def _equalize(self, waveforms, rng):
        if self.equalizer_db == 0:
            return waveforms
        sos = random_equalizer(self.equalizer_db, self.sample_rate, rng)
        return apply_sections(waveforms, sos)


def _happens(share: float, rng: np.random.RandomState) -> bool:
    """Draw whether something of a share happens; a share of 0 draws nothing."""
    return share > 0 and rng.random_sample() < share


def _sum_at_levels(waveforms: Sequence[np.ndarray], rng: np.random.RandomState) -> np.ndarray:
    """Sum waveforms at random levels, within 5 dB of each other; one stays as it is."""
    if len(waveforms) == 1:
        return waveforms[0]
    levels = rng.uniform(0, MAX_LEVEL_DIFFERENCE_DB, len(waveforms))
    first = next((waveform for waveform in waveforms if waveform.any()), waveforms[0])
    scaled = [
        scale_to_snr(first, waveform, level)
        for waveform, level in zip(waveforms, levels, strict=True)
    ]
    return np.sum(scaled, axis=0)


def _check_counts(counts: Any) -> list[int]:
    if isinstance(counts, (str, Distribution)) or is_number(counts) or len(counts) == 0:
        raise TypeError(
            f"`n_interferences` must be a list of whole numbers to choose from; got "
            f"{shown(counts)}. For one or two recordings pass (1, 2)."
        )
    return [
        check_number(f"n_interferences[{i}]", n, low=1, high=MAX_INTERFERENCES, integer=True)
        for i, n in enumerate(counts)
    ]


def _check_bands(bandwidths: Any, sample_rate: int) -> list[tuple[float | None, float]]:
    if is_number(bandwidths) or isinstance(bandwidths, str):
        raise TypeError(
            f"`bandwidths` must be a list of cut-off frequencies in Hz or pairs (low, high); got "
            f"{shown(bandwidths)}."
        )
    bands = enumerate(bandwidths)
    return [_check_band(f"bandwidths[{i}]", band, sample_rate) for i, band in bands]


def _check_band(name: str, band: Any, sample_rate: int) -> tuple[float | None, float]:
    if is_number(band):
        return None, _check_edge(name, band, sample_rate)
    if len(band) != 2:
        raise ValueError(f"`{name}` must be a number or a pair (low, high); got {shown(band)}.")
    low, high = (_check_edge(name, edge, sample_rate) for edge in band)
    if high < 2 * low:
        raise ValueError(
            f"`{name}` must be a pair (low, high) in Hz, an octave apart or more; got "
            f"{shown(band)}."
        )
    return low, high


def _check_edge(name: str, edge: Any, sample_rate: int) -> float:
    return check_number(name, edge, low=MIN_EDGE_HZ, high=MAX_EDGE_SHARE * sample_rate)


def _check_rooms(rooms: Any, sample_rate: int) -> list[tuple[np.ndarray, int]]:
    if isinstance(rooms, (list, tuple)) and not rooms:
        return []
    responses = [samples_of(each) for each in check_waveforms(rows_of(rooms, "rooms"), "rooms")]
    for i, response in enumerate(responses):
        if not response.any():
            raise ValueError(f"rooms[{i}] is silent; an impulse response has a direct sound.")
    return [split_response(response, sample_rate) for response in responses]


def _check_share(name: str, n_given: int, share_name: str, share: float) -> None:
    """Raise if a share of mixtures and the conditions to choose from do not go together."""
    if (n_given > 0) != (share > 0):
        raise ValueError(
            f"`{name}` has {n_given} items but `{share_name}` is {share:g}: pass both, or neither."
        )
