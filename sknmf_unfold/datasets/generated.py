"""Synthetic corpus (`make_noisy_speech`): speech-like recordings in the noises of a home.

The signals themselves are made in ``_synthetic_speech`` and ``_synthetic_noise``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.signal.augmentation import GAIN_LIMITS_DB
from sknmf_unfold.signal.mixing import SNR_LIMITS_DB, trusted_mix_at_snr
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.parameters import check_number, check_sample_rate, check_size

from ._synthetic_noise import interference
from ._synthetic_speech import draw_speaker, voice

# Every speaker has at least one vowel in speech of this length.
MIN_SPEECH_SECONDS = 0.5
# Sizes that fit into memory.
MAX_RECORDINGS = 1_000_000
MAX_DURATION_SECONDS = 86_400
# Lowest rate at which formants and fricatives lie below the Nyquist frequency.
MIN_SAMPLE_RATE_HZ = 8000


@default_settings()
def make_noisy_speech(
    n_samples: int = 20,
    *,
    duration: float | tuple[float, float] = 3.0,
    snr_db: float | tuple[float, float] = (-6, 9),
    level_db: float | tuple[float, float] = (-46, -26),
    n_speakers: int = 4,
    sample_rate: int = 16000,
    random_state: int | np.random.RandomState | None = None,
    return_speakers: bool = False,
) -> tuple[Any, ...]:
    """Generate speech-like recordings in the noises of a home.

    Speakers differ in pitch, vocal tract, pace and breath. Their speech has vowels with moving
    formants, fricatives, stops and pauses. The interference is music, machines, clatter and alarms,
    one to three at a time. Other seeds have other speakers.

    Parameters
    ----------
    n_samples : int, default=20
        Number of recordings.
    duration : float or tuple of float, default=3.0
        Seconds, or (shortest, longest) to draw from.
    snr_db : float or tuple of float, default=(-6, 9)
        Signal-to-noise ratio in dB, or (lowest, highest) to draw from; within +-300.
    level_db : float or tuple of float, default=(-46, -26)
        Level of the speech in dBFS (RMS, 0 dB for 1), or (lowest, highest) to draw from; within
        +-100. Above -26 the mixtures may exceed 1.
    n_speakers : int, default=4
        Number of speakers, each with about as many recordings.
    sample_rate : int, default=16000
        Sampling rate in Hz, 8000 or more.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same recordings every time.
    return_speakers : bool, default=False
        Whether to return the speaker of each recording, for splits by speaker.

    Returns
    -------
    X : list of ndarray of shape (n_times,), float32
        Mixtures.
    Y : list of ndarray of shape (n_times,), float32
        Their speech.
    speakers : ndarray of shape (n_samples,), int
        Only with `return_speakers`.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as described.

    Examples
    --------
    >>> X, Y = make_noisy_speech(2, duration=0.5, random_state=0)
    >>> [x.shape for x in X], X[0].dtype
    ([(8000,), (8000,)], dtype('float32'))
    """
    n_samples = check_size("n_samples", n_samples, high=MAX_RECORDINGS)
    n_speakers = check_size("n_speakers", n_speakers, high=MAX_RECORDINGS)
    sample_rate = check_sample_rate(sample_rate, low=MIN_SAMPLE_RATE_HZ)
    durations = _check_range("duration", duration, (1 / sample_rate, MAX_DURATION_SECONDS))
    snrs = _check_range("snr_db", snr_db, SNR_LIMITS_DB)
    levels = _check_range("level_db", level_db, GAIN_LIMITS_DB)
    rng = check_random_state(random_state)
    cast = [draw_speaker(rng) for _ in range(n_speakers)]
    speakers = rng.permutation(np.arange(n_samples) % n_speakers)
    pairs = [_make_pair(rng, cast[i], durations, snrs, sample_rate) for i in speakers]
    # Drawn last, so that other levels change nothing else.
    gains = 10 ** (rng.uniform(*levels, size=n_samples) / 20)
    X, Y = (
        [(gain * x).astype(np.float32) for gain, x in zip(gains, waveforms, strict=True)]
        for waveforms in zip(*pairs, strict=True)
    )
    return (X, Y, speakers) if return_speakers else (X, Y)


def _make_pair(
    rng: np.random.RandomState,
    speaker: dict[str, float],
    durations: tuple[float, float],
    snrs: tuple[float, float],
    sample_rate: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Make a mixture and its speech, the speech at an RMS of 1."""
    n_times = max(1, round(rng.uniform(*durations) * sample_rate))
    speech = _scale_to_unit_rms(_make_speech(rng, speaker, n_times, sample_rate))
    noise = interference(rng, n_times, sample_rate)
    mixture, _ = trusted_mix_at_snr(speech, noise, rng.uniform(*snrs))
    return mixture, speech


def _make_speech(
    rng: np.random.RandomState, speaker: dict[str, float], n_times: int, sample_rate: int
) -> np.ndarray:
    """Make speech of `n_times` samples; short speech is the loudest part of longer speech."""
    n_made = max(n_times, int(MIN_SPEECH_SECONDS * sample_rate))
    waveform = voice(rng, speaker, n_made, sample_rate)
    if n_times == n_made:
        return waveform
    energy = np.concatenate([[0.0], np.cumsum(waveform**2)])
    loudest = np.argmax(energy[n_times:] - energy[:-n_times])
    return waveform[loudest : loudest + n_times]


def _scale_to_unit_rms(waveform: np.ndarray) -> np.ndarray:
    rms = np.sqrt(np.mean(waveform**2))
    return waveform / rms if rms > 0 else waveform


def _check_range(
    name: str, value: float | tuple[float, float], limits: tuple[float, float]
) -> tuple[float, float]:
    """Convert a number or a pair of numbers to (lowest, highest)."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(
            f"`{name}` must be a number or a pair (lowest, highest); got {shown(value)}."
        )
    low, high = (check_number(name, x, low=limits[0], high=limits[1]) for x in pair)
    if low > high:
        raise ValueError(f"`{name}` must be (lowest, highest); got {shown(value)}.")
    return low, high
