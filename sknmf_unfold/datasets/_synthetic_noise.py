"""Synthetic noise for `make_noisy_speech`: music, machines, clatter and alarms.

All random numbers come from the given generator, so that the same seed and sampling rate give the
same samples. No partial lies above the Nyquist frequency.
"""

from __future__ import annotations

import numpy as np

from ._synthetic_speech import smooth


def _add(track: np.ndarray, start: int, event: np.ndarray) -> None:
    """Add `event` to `track` in place, from sample `start` on, cut at the end."""
    part = track[start : start + len(event)]
    part += event[: len(part)]


def _decay(n_times: int, sample_rate: int, seconds: float, attack: float = 0.005) -> np.ndarray:
    """Make an envelope: a rise over `attack` s, a fall by 60 dB in `seconds`, a smooth end."""
    time = np.arange(n_times) / sample_rate
    tail = np.clip((n_times - np.arange(n_times)) / (max(attack, 0.02) * sample_rate), 0, 1)
    return np.minimum(1, time / attack) * 10 ** (-3 * time / seconds) * tail


def music(rng: np.random.RandomState, n_times: int, sample_rate: int) -> np.ndarray:
    """Make notes of a random scale, each a decaying harmonic sound."""
    track = np.zeros(n_times)
    root, scale = rng.uniform(100, 220), np.array([0, 2, 4, 7, 9, 12, 14, 16, 19])
    step = rng.uniform(0.12, 0.35)
    brightness = rng.uniform(0.4, 0.8)
    for onset in np.arange(0, n_times / sample_rate, step):
        length = int(sample_rate * rng.uniform(0.3, 1.0))
        time = np.arange(length) / sample_rate
        note = np.zeros(length)
        freq = root * 2 ** (rng.choice(scale) / 12)
        for k in range(1, min(12, int(0.45 * sample_rate / freq)) + 1):
            note += brightness**k * np.sin(2 * np.pi * (k * freq * time + rng.uniform()))
        note *= _decay(length, sample_rate, rng.uniform(0.6, 2.0)) * rng.uniform(0.3, 1)
        _add(track, int(onset * sample_rate), note)
    return track


def machine(rng: np.random.RandomState, n_times: int, sample_rate: int) -> np.ndarray:
    """Make a fan or engine: coloured noise and hum of varying level."""
    n_frames = n_times // int(0.1 * sample_rate) + 2
    swell = 10 ** (smooth(rng.standard_normal(n_frames), 7) * 0.6)
    envelope = np.interp(np.linspace(0, n_frames - 1, n_times), np.arange(n_frames), swell)
    spectrum = np.fft.rfft(rng.standard_normal(n_times))
    freqs = np.fft.rfftfreq(n_times, 1 / sample_rate)
    corner, centre = rng.uniform(200, 800), rng.uniform(500, 3000)
    spectrum *= 1 / (1 + (freqs / corner) ** 2) + 0.15 * np.exp(-(((freqs - centre) / 300) ** 2))
    hiss = np.fft.irfft(spectrum * (freqs > 30), n_times)
    hum_freq, time = rng.uniform(45, 120), np.arange(n_times) / sample_rate
    hum = np.sum([np.sin(2 * np.pi * k * hum_freq * time) / k for k in range(1, 6)], axis=0)
    return envelope * (hiss / max(hiss.std(), 1e-12) + 0.3 * hum)


def clatter(rng: np.random.RandomState, n_times: int, sample_rate: int) -> np.ndarray:
    """Make knocks of dishes and doors, each a few decaying resonances."""
    track = np.zeros(n_times)
    for _ in range(1 + rng.poisson(4 * n_times / sample_rate)):
        length = int(sample_rate * rng.uniform(0.05, 0.4))
        time = np.arange(length) / sample_rate
        top = 0.45 * sample_rate
        modes = np.minimum(rng.uniform(300, 6500, size=rng.randint(3, 8)), top)
        ring = np.sum([rng.uniform(0.2, 1) * np.sin(2 * np.pi * f * time) for f in modes], axis=0)
        knock = ring + 0.5 * rng.standard_normal(length) * 10 ** (-time / 0.01)
        knock *= _decay(length, sample_rate, rng.uniform(0.05, 0.5), attack=0.001)
        _add(track, rng.randint(n_times), knock * rng.uniform(0.2, 1))
    return track


def alarm(rng: np.random.RandomState, n_times: int, sample_rate: int) -> np.ndarray:
    """Make repeated beeps or chirps, with rests."""
    track = np.zeros(n_times)
    start, top = rng.uniform(1200, 3000), 0.45 * sample_rate
    period, bend = rng.uniform(0.15, 0.6), rng.uniform(-800, 1500)
    length = int(sample_rate * period * rng.uniform(0.3, 0.7))
    freq = np.minimum(start + bend * np.linspace(0, 1, length), top)
    beep = np.sin(2 * np.pi * np.cumsum(freq) / sample_rate)
    beep *= _decay(length, sample_rate, 10.0, attack=0.01)
    for i in range(int(n_times / sample_rate / period) + 1):
        if i % 6 < 4:
            _add(track, int(i * period * sample_rate), beep)
    return track


NOISES = (music, machine, clatter, alarm)


def interference(rng: np.random.RandomState, n_times: int, sample_rate: int) -> np.ndarray:
    """Add up one to three kinds of noise, equally strong on average.

    Parameters
    ----------
    rng : numpy.random.RandomState
    n_times : int
        Length in samples.
    sample_rate : int
        Sampling rate in Hz.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float64
        Noise of arbitrary level, never silent.
    """
    track = np.zeros(n_times)
    for index in rng.permutation(len(NOISES))[: rng.randint(1, 4)]:
        noise = NOISES[index](rng, n_times, sample_rate)
        track += noise / max(np.sqrt(np.mean(noise**2)), 1e-12)
    # A short track may end before the first event of each kind.
    return track if track.any() else rng.standard_normal(n_times)
