"""Generated sound for `datasets`: a source-filter voice, and the noises of a home.

Everything is drawn from the generator that comes in, and no partial lies above the Nyquist
frequency. The same seed and sampling rate give the same samples.
"""

from __future__ import annotations

import numpy as np

from sknmf_unfold.signal.stft import istft, n_frames_of, stft

# Centre frequencies in Hz of the first three formants of an adult male, after Peterson and
# Barney (1952): i, e, a, o, u, schwa.
VOWELS = np.array(
    [
        [270, 2290, 3010],
        [530, 1840, 2480],
        [730, 1090, 2440],
        [570, 840, 2410],
        [300, 870, 2240],
        [490, 1350, 1690],
    ],
    dtype=float,
)
# Higher formants hardly move; without them the spectrum would fall too steeply above 3 kHz.
HIGH_FORMANTS = np.array([3500.0, 4500.0, 5500.0, 6500.0])
BANDWIDTHS = np.array([70.0, 100.0, 140.0, 220.0, 300.0, 400.0, 500.0])
# Centre and width in Hz of the noise of s, sh, f and h.
FRICATIVES = np.array([[6000.0, 1500.0], [3200.0, 1000.0], [5000.0, 4000.0], [1500.0, 1500.0]])
FRAME_SECONDS = 0.008


def draw_speaker(rng):
    """Draw what stays the same for one speaker.

    Parameters
    ----------
    rng : numpy.random.RandomState

    Returns
    -------
    speaker : dict of float
        Mean pitch in Hz, scale of the formants, pace in syllables a second, strength of breath.
    """
    # Higher voices mostly come from shorter vocal tracts.
    height = rng.uniform(0, 1)
    return {
        "pitch": 95 * 2 ** (1.25 * height + rng.uniform(-0.1, 0.1)),
        "scale": 0.95 + 0.25 * height + rng.uniform(-0.05, 0.05),
        "pace": rng.uniform(3.5, 5.5),
        "breath": rng.uniform(0.01, 0.05),
    }


def _smooth(track, n_frames):
    """Average over `n_frames` frames with a Hann window, the ends held."""
    window = np.hanning(n_frames + 2)[1:-1]
    padded = np.pad(track, n_frames // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="same")[
        n_frames // 2 : n_frames // 2 + len(track)
    ]


def _syllables(rng, speaker, n_frames):
    """Draw syllables: lists of (first frame, end, kind), with pauses between phrases."""
    frame, spans, until_pause = int(rng.randint(0, 20)), [], int(rng.randint(3, 9))
    while frame < n_frames:
        length = int(max(10, rng.normal(1, 0.2) / speaker["pace"] / FRAME_SECONDS))
        consonant = int(length * rng.uniform(0.2, 0.4)) if rng.uniform() < 0.75 else 0
        if consonant:
            spans.append((frame, frame + consonant, "consonant"))
        spans.append((frame + consonant, frame + length, "vowel"))
        frame, until_pause = frame + length, until_pause - 1
        if not until_pause:
            frame, until_pause = frame + int(rng.randint(15, 50)), int(rng.randint(3, 9))
    return spans


def _tracks(rng, speaker, n_frames):
    """Control tracks a frame: voice level, noise level, noise band, formants, pitch in Hz."""
    voice, noise = np.zeros(n_frames), np.zeros(n_frames)
    band = np.tile(FRICATIVES[3], (n_frames, 1))
    formants = np.tile(VOWELS[5], (n_frames, 1))
    accent = np.zeros(n_frames)
    for start, end, kind in _syllables(rng, speaker, n_frames):
        part = slice(start, end)
        if kind == "vowel":
            voice[part] = rng.uniform(0.4, 1.0)
            accent[part] = rng.uniform(-0.12, 0.2)
            formants[start:] = VOWELS[rng.randint(len(VOWELS))]
            continue
        sort = rng.randint(6)
        if sort < 4:
            noise[part], band[part] = rng.uniform(0.1, 0.3), FRICATIVES[sort]
            voice[part] = 0.15 * rng.randint(2)
        else:
            # A stop: closure, then a short burst.
            burst = slice(max(start, end - 2), end)
            noise[burst], band[burst] = rng.uniform(0.3, 0.6), FRICATIVES[rng.randint(3)]
    declination = np.linspace(0.1, -0.15, n_frames)
    wobble = _smooth(rng.standard_normal(n_frames), 9) * 0.02
    pitch = speaker["pitch"] * 2 ** (declination + _smooth(accent, 25) + wobble)
    formants = np.stack([_smooth(track, 11) for track in formants.T], axis=1)
    return _smooth(voice, 5), _smooth(noise, 3), band, formants * speaker["scale"], pitch


def _formant_envelope(formants, freqs, scale):
    """Magnitude response (n_frames, n_freqs) of a vocal tract and its glottal source."""
    high = np.broadcast_to(HIGH_FORMANTS * scale, (len(formants), len(HIGH_FORMANTS)))
    centres = np.hstack([formants, high])[:, :, np.newaxis]
    resonances = centres**2 / np.sqrt(
        (centres**2 - freqs**2) ** 2 + (BANDWIDTHS[:, np.newaxis] * freqs) ** 2
    )
    return resonances.prod(axis=1) / (1 + (freqs / 500) ** 2) ** 0.5


def _pulses(pitch, sample_rate):
    """Band-limited pulse train: all harmonics up to the Nyquist frequency, equally strong."""
    n_harmonics = max(1, int(0.5 * sample_rate / pitch.max()))
    half = np.pi * np.cumsum(pitch) / sample_rate
    sine = np.sin(half)
    # The sum of n cosines in closed form (the Dirichlet kernel), with its limit at the pulses.
    safe = np.where(np.abs(sine) < 1e-9, 1.0, sine)
    kernel = np.sin((2 * n_harmonics + 1) * half) / safe
    kernel[np.abs(sine) < 1e-9] = 2 * n_harmonics + 1
    return (kernel - 1) / n_harmonics**0.5


def voice(rng, speaker, n_times, sample_rate):
    """Speak like one speaker: vowels with moving formants, consonants, pauses.

    Parameters
    ----------
    rng : numpy.random.RandomState
    speaker : dict
        From `draw_speaker`.
    n_times : int
        Length in samples.
    sample_rate : int
        In Hz.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float64
        Of any level.
    """
    hop = max(1, round(FRAME_SECONDS * sample_rate))
    n_fft = 4 * hop
    n_frames = n_frames_of(n_times, n_fft, hop)
    level, noise, band, formants, pitch = _tracks(rng, speaker, n_frames)
    times = np.arange(n_times) / hop
    source = _pulses(np.interp(times, np.arange(n_frames), pitch), sample_rate)
    breath = rng.standard_normal(n_times)
    freqs = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    tract = _formant_envelope(formants, freqs, speaker["scale"])
    hiss = np.exp(-0.5 * ((freqs - band[:, :1]) / band[:, 1:]) ** 2)
    voiced = stft(source, n_fft, hop) * (tract * level[:, np.newaxis])
    airy = tract * level[:, np.newaxis] * speaker["breath"] + hiss * noise[:, np.newaxis]
    frames = voiced + stft(breath, n_fft, hop) * airy
    # The lips radiate no steady pressure.
    frames *= freqs > 60
    return istft(frames, n_times, n_fft, hop)


def _add(track, start, event):
    """Add `event` to `track` from sample `start` on, cut at the end."""
    part = track[start : start + len(event)]
    part += event[: len(part)]


def _decay(n_times, sample_rate, seconds, attack=0.005):
    """Rise over `attack` seconds, fall by 60 dB over `seconds`, and close without a click."""
    time = np.arange(n_times) / sample_rate
    tail = np.clip((n_times - np.arange(n_times)) / (max(attack, 0.02) * sample_rate), 0, 1)
    return np.minimum(1, time / attack) * 10 ** (-3 * time / seconds) * tail


def music(rng, n_times, sample_rate):
    """Play notes of a random scale, each a decaying harmonic sound."""
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


def machine(rng, n_times, sample_rate):
    """Run a fan or engine: coloured noise and hum whose strength goes up and down."""
    n_frames = n_times // int(0.1 * sample_rate) + 2
    swell = 10 ** (_smooth(rng.standard_normal(n_frames), 7) * 0.6)
    envelope = np.interp(np.linspace(0, n_frames - 1, n_times), np.arange(n_frames), swell)
    spectrum = np.fft.rfft(rng.standard_normal(n_times))
    freqs = np.fft.rfftfreq(n_times, 1 / sample_rate)
    corner, centre = rng.uniform(200, 800), rng.uniform(500, 3000)
    spectrum *= 1 / (1 + (freqs / corner) ** 2) + 0.15 * np.exp(-(((freqs - centre) / 300) ** 2))
    hiss = np.fft.irfft(spectrum * (freqs > 30), n_times)
    hum_freq, time = rng.uniform(45, 120), np.arange(n_times) / sample_rate
    hum = np.sum([np.sin(2 * np.pi * k * hum_freq * time) / k for k in range(1, 6)], axis=0)
    return envelope * (hiss / max(hiss.std(), 1e-12) + 0.3 * hum)


def clatter(rng, n_times, sample_rate):
    """Knock dishes and doors, which ring at a few frequencies each."""
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


def alarm(rng, n_times, sample_rate):
    """Repeat beeps or chirps, with rests."""
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


def interference(rng, n_times, sample_rate):
    """Add up one to three kinds of noise, equally strong on average.

    Parameters
    ----------
    rng : numpy.random.RandomState
    n_times : int
        Length in samples.
    sample_rate : int
        In Hz.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float64
        Of any level, never silent.
    """
    track = np.zeros(n_times)
    for index in rng.permutation(len(NOISES))[: rng.randint(1, 4)]:
        noise = NOISES[index](rng, n_times, sample_rate)
        track += noise / max(np.sqrt(np.mean(noise**2)), 1e-12)
    # Too short a track may lie before the first event of any kind.
    return track if track.any() else rng.standard_normal(n_times)
