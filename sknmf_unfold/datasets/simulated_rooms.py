"""Simulated rooms (`simulate_rooms`): impulse responses from a source to a microphone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.signal.highpass import check_highpass
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.parameters import check_sample_rate, check_size

MAX_ROOMS = 100_000
# The lowest rate that pyroomacoustics' filters work at.
MIN_SAMPLE_RATE_HZ = 4000
# Ranges that are drawn from: the shorter side of the floor and the height, both in metres, the
# ratio of the sides, the reverberation time and the distance from source to microphone.
SIDE_M, HEIGHT_M, SIDE_RATIO = (2.8, 12.0), (2.4, 5.0), (1.0, 1.6)
T60_SECONDS, DISTANCE_M = (0.15, 0.8), (0.3, 4.0)
# Distance of source and microphone from the walls.
MARGIN_M = 0.5
# Absorption of walls, as a share of the energy, above which no room is furnished.
MAX_ABSORPTION = 0.6
MAX_SECONDS = 0.8
# Image sources of more reflections take long; they are replaced by a diffuse tail.
MAX_ORDER = 20
# The tail takes its level from the end of the images, and fades in during a part of it.
LEVEL_SECONDS, FADE_SECONDS = 0.02, 0.01
# Sabine's formula: T60 = 0.161 s/m * volume / (absorption * surface).
SABINE = 0.161


@default_settings()
def simulate_rooms(
    n_rooms: int,
    sample_rate: int = 16000,
    random_state: int | np.random.RandomState | None = None,
    *,
    highpass: float | None = 40,
) -> list[np.ndarray]:
    """Simulate impulse responses of rooms, from living rooms to small halls.

    Rooms are boxes with floors of 2.8 m x 2.8 m to 12 m x 19 m, with reverberation times (T60) from
    0.15 to 0.8 s, longer ones in larger rooms. Source and microphone are at random places, 0.3 to
    4 m apart. Up to 20 reflections are computed as image sources [1]_, the rest is a diffuse tail
    of decaying noise [2]_.

    Parameters
    ----------
    n_rooms : int
        Number of rooms, each with one response.
    sample_rate : int, default=16000
        Sampling rate in Hz, 4000 or more.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same rooms every time.
    highpass : float or None, default=40
        Cut-off frequency in Hz of a causal high-pass of second order: image sources add up in phase
        at the lowest frequencies, which walls do not reflect so. None takes that of
        pyroomacoustics, at 10 Hz and of zero phase, which begins before the direct sound.

    Returns
    -------
    rooms : list of ndarray of shape (n_taps,), float32
        The direct sound comes after 40 samples. They end where they have decayed by 60 dB, and
        after 0.8 s at the latest. The largest absolute value is 1.

    Raises
    ------
    ImportError
        If pyroomacoustics is not installed; the extra ``bench`` brings it.
    ValueError, TypeError
        If a parameter is not as described.

    References
    ----------
    .. [1] Allen, Berkley, "Image method for efficiently simulating small-room acoustics", Journal
       of the Acoustical Society of America 65(4), 1979.
    .. [2] Lehmann, Johansson, "Diffuse reverberation model for efficient image-source simulation of
       room impulse responses", IEEE Transactions on Audio, Speech, and Language Processing 18(6),
       2010.

    Examples
    --------
    >>> rooms = simulate_rooms(2, random_state=0)  # doctest: +SKIP
    >>> len(rooms), rooms[0].dtype  # doctest: +SKIP
    (2, dtype('float32'))
    """
    n_rooms = check_size("n_rooms", n_rooms, high=MAX_ROOMS)
    sample_rate = check_sample_rate(sample_rate, low=MIN_SAMPLE_RATE_HZ)
    rng = check_random_state(random_state)
    highpass = check_highpass(highpass, sample_rate)
    acoustics = _import_acoustics()
    with _settings(acoustics, own_highpass=highpass is None):
        return [_simulate(acoustics, sample_rate, rng, highpass) for _ in range(n_rooms)]


def _import_acoustics() -> Any:
    try:
        import pyroomacoustics
    except ImportError as error:
        raise ImportError(
            '`simulate_rooms` needs pyroomacoustics: pip install "sknmf_unfold[bench]".'
        ) from error
    return pyroomacoustics


@contextlib.contextmanager
def _settings(acoustics: Any, own_highpass: bool) -> Iterator[None]:
    """Set one thread, for the same bits on all machines, and whether there is its high-pass."""
    constants = acoustics.constants
    before = {name: constants.get(name) for name in ("num_threads", "rir_hpf_enable")}
    constants.set("num_threads", 1)
    constants.set("rir_hpf_enable", own_highpass)
    try:
        yield
    finally:
        for name, value in before.items():
            constants.set(name, value)


def _simulate(
    acoustics: Any, sample_rate: int, rng: np.random.RandomState, highpass: float | None
) -> np.ndarray:
    """Simulate one random room."""
    size, t60 = _draw_room(rng)
    source, microphone = _draw_places(size, rng)
    material = acoustics.Material(_absorption(size, t60))
    room = acoustics.ShoeBox(size, fs=sample_rate, materials=material, max_order=MAX_ORDER)
    room.add_source(source)
    room.add_microphone(microphone)
    room.compute_rir()
    speed = acoustics.constants.get("c")
    # The filters of fractional delays add half their length to the delay of the direct sound.
    start = int(np.linalg.norm(source - microphone) / speed * sample_rate)
    complete = MAX_ORDER / np.linalg.norm(1 / size) / speed
    images = room.rir[0][0]
    images = images if highpass is None else _high_passed(images, highpass, sample_rate)
    response = _with_tail(images, int(complete * sample_rate), t60, sample_rate, rng)
    return _trimmed(response[start : start + int(MAX_SECONDS * sample_rate)])


def _high_passed(response: np.ndarray, cutoff: float, sample_rate: int) -> np.ndarray:
    # scipy.signal takes longer to import than all of this package.
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(2, cutoff, "highpass", fs=sample_rate, output="sos"), response)


def _draw_room(rng: np.random.RandomState) -> tuple[np.ndarray, float]:
    """Draw length, width and height in metres, and the reverberation time in seconds."""
    side = np.exp(rng.uniform(*np.log(SIDE_M)))
    # Large rooms are high.
    share = np.log(side / SIDE_M[0]) / np.log(SIDE_M[1] / SIDE_M[0])
    lowest, highest = HEIGHT_M
    height = lowest + (highest - lowest) * share * rng.uniform(0.3, 1)
    size = np.array([side * rng.uniform(*SIDE_RATIO), side, height])
    shortest = _absorption(size, 1.0) / MAX_ABSORPTION
    return size, max(rng.uniform(*T60_SECONDS), shortest)


def _absorption(size: np.ndarray, t60: float) -> float:
    """Compute the absorption of the walls that gives a reverberation time."""
    volume = size.prod()
    surface = 2 * volume * (1 / size).sum()
    return SABINE * volume / (surface * t60)


def _draw_places(size: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Draw the places of source and microphone."""
    low, high = np.full(3, MARGIN_M), size - MARGIN_M
    while True:
        microphone = rng.uniform(low, high)
        direction = rng.standard_normal(3)
        distance = np.exp(rng.uniform(*np.log(DISTANCE_M)))
        source = microphone + distance * direction / np.linalg.norm(direction)
        if (low <= source).all() and (source <= high).all():
            return source, microphone


def _with_tail(
    images: np.ndarray, stop: int, t60: float, sample_rate: int, rng: np.random.RandomState
) -> np.ndarray:
    """Replace the images from sample `stop` on, where some are missing, by decaying noise."""
    n_times = stop + int((MAX_SECONDS + t60) * sample_rate)
    head = np.zeros(n_times)
    head[: len(images)] = images[:n_times]
    n_level, n_fade = int(LEVEL_SECONDS * sample_rate), int(FADE_SECONDS * sample_rate)
    level = np.sqrt(np.mean(head[stop - n_level : stop] ** 2))
    after = (np.arange(n_times) - (stop - n_level / 2)) / sample_rate
    tail = level * rng.standard_normal(n_times) * 10 ** (-3 * after / t60)
    fade = np.clip((np.arange(n_times) - (stop - n_fade)) / n_fade, 0, 1)
    # The powers of both add up to one.
    return np.sqrt(1 - fade) * head + np.sqrt(fade) * tail


def _trimmed(response: np.ndarray) -> np.ndarray:
    """Cut a response where its energy has decayed by 60 dB, and scale its peak to 1."""
    remaining = np.cumsum(response[::-1] ** 2)[::-1]
    stop = int(np.sum(remaining > 1e-6 * remaining[0]))
    response = response[:stop]
    return (response / np.abs(response).max()).astype(np.float32)
