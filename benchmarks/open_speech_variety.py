"""Variety of interference for training: recordings at other speeds and backwards, generated noise.

There are five minutes of ambience and twelve of effects. A network learns them by heart, and is
then no better with others: so each is also played faster, slower and backwards, and noise is
generated that has no end of kinds.
"""

from __future__ import annotations

import numpy as np
import soxr

from benchmarks.open_speech_mixing import LEVEL, RATE, rms
from sknmf_unfold.datasets import _synthetic_noise

# Beside the recording as it is.
SPEEDS = (0.7, 1.4)
# Generated noise, and the share of it whose spectrum and course are drawn.
GENERATED_SECONDS, PIECE_SECONDS, COLOURED_SHARE = 3600, 12, 0.5
# Drawn spectra: standard deviation in dB of a walk from octave to octave and of its steps between.
SPECTRUM_DB, BANDS = 12, 24
# Drawn courses: standard deviation in dB of the level, by points in time of this distance.
COURSE_DB, COURSE_SECONDS = 6, (0.05, 1.0)


def varied(track: np.ndarray) -> np.ndarray:
    """Append copies of a track at other speeds, and of all backwards.

    Parameters
    ----------
    track : ndarray of shape (n_times,), float32

    Returns
    -------
    longer : ndarray of shape (n_longer,), float32
    """
    copies = [soxr.resample(track, RATE * speed, RATE) for speed in SPEEDS]
    forwards = np.concatenate([track, *copies])
    return np.concatenate([forwards, forwards[::-1]])


def coloured_noise(n_times: int, rng: np.random.RandomState) -> np.ndarray:
    """Generate noise of a random spectrum, whose level takes a random course.

    Parameters
    ----------
    n_times : int
    rng : numpy.random.RandomState

    Returns
    -------
    noise : ndarray of shape (n_times,), float64
        Of arbitrary level.
    """
    hertz = np.fft.rfftfreq(n_times, 1 / RATE)
    octaves = np.log2(np.maximum(hertz, 20) / 20) / np.log2(RATE / 40)
    points = np.cumsum(rng.standard_normal(BANDS)) / BANDS**0.5 + rng.standard_normal(BANDS) / 2
    gains = 10 ** (SPECTRUM_DB / 20 * np.interp(octaves, np.linspace(0, 1, BANDS), points))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n_times)) * gains, n_times)
    step = np.exp(rng.uniform(*np.log(COURSE_SECONDS))) * RATE
    course = rng.standard_normal(int(n_times / step) + 2) * rng.uniform(0, COURSE_DB)
    return noise * 10 ** (np.interp(np.arange(n_times) / step, np.arange(len(course)), course) / 20)


def generated_noise(seed: int, seconds: int) -> np.ndarray:
    """Generate pieces of noise: half of random spectra, half machines, clatter, alarms and tunes.

    Parameters
    ----------
    seed : int
    seconds : int
        Duration of all together.

    Returns
    -------
    track : ndarray of shape (n_times,), float32
        At about -26 dBFS.
    """
    rng, n_times = np.random.RandomState(seed), PIECE_SECONDS * RATE
    pieces = []
    for _ in range(-(-seconds // PIECE_SECONDS)):
        if rng.uniform() < COLOURED_SHARE:
            piece = coloured_noise(n_times, rng)
        else:
            piece = _synthetic_noise.interference(rng, n_times, RATE)
        pieces.append(piece * (LEVEL / rms(piece)))
    return np.clip(np.concatenate(pieces), -1, 1).astype(np.float32)
