"""Synthetic speech for `make_noisy_speech`: a source-filter model of a voice.

All random numbers come from the given generator, so that the same seed and sampling rate give the
same samples. No partial lies above the Nyquist frequency.
"""

from __future__ import annotations

import numpy as np

from sknmf_unfold.signal.stft import istft, n_frames_of, stft

# Centre frequencies of the first three formants of an adult male, after Peterson and Barney (1952):
# i, e, a, o, u, schwa.
VOWEL_FORMANTS_HZ = np.array(
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
# Higher formants are nearly constant; without them the spectrum would fall too steeply above 3 kHz.
HIGH_FORMANTS_HZ = np.array([3500.0, 4500.0, 5500.0, 6500.0])
FORMANT_BANDWIDTHS_HZ = np.array([70.0, 100.0, 140.0, 220.0, 300.0, 400.0, 500.0])
# Centre and width of the noise of s, sh, f and h.
FRICATIVE_BANDS_HZ = np.array(
    [[6000.0, 1500.0], [3200.0, 1000.0], [5000.0, 4000.0], [1500.0, 1500.0]]
)
FRAME_SECONDS = 0.008


def draw_speaker(rng: np.random.RandomState) -> dict[str, float]:
    """Draw the constant properties of one speaker.

    Parameters
    ----------
    rng : numpy.random.RandomState

    Returns
    -------
    speaker : dict of float
        Mean pitch in Hz, scale of the formants, pace in syllables a second, strength of breath.
    """
    # Higher voices mostly have shorter vocal tracts.
    height = rng.uniform(0, 1)
    return {
        "pitch": 95 * 2 ** (1.25 * height + rng.uniform(-0.1, 0.1)),
        "scale": 0.95 + 0.25 * height + rng.uniform(-0.05, 0.05),
        "pace": rng.uniform(3.5, 5.5),
        "breath": rng.uniform(0.01, 0.05),
    }


def smooth(track: np.ndarray, n_frames: int) -> np.ndarray:
    """Average a track over `n_frames` frames with a Hann window; its ends are extended."""
    window = np.hanning(n_frames + 2)[1:-1]
    padded = np.pad(track, n_frames // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="same")[
        n_frames // 2 : n_frames // 2 + len(track)
    ]


def _draw_syllables(
    rng: np.random.RandomState, speaker: dict[str, float], n_frames: int
) -> list[tuple[int, int, str]]:
    """Draw spans of (first frame, end, kind), with pauses between phrases."""
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


def _draw_tracks(
    rng: np.random.RandomState, speaker: dict[str, float], n_frames: int
) -> tuple[np.ndarray, ...]:
    """Draw values for each frame: voice level, noise level, noise band, formants, pitch in Hz."""
    voice, noise = np.zeros(n_frames), np.zeros(n_frames)
    band = np.tile(FRICATIVE_BANDS_HZ[3], (n_frames, 1))
    formants = np.tile(VOWEL_FORMANTS_HZ[5], (n_frames, 1))
    accent = np.zeros(n_frames)
    for start, end, kind in _draw_syllables(rng, speaker, n_frames):
        part = slice(start, end)
        if kind == "vowel":
            voice[part] = rng.uniform(0.4, 1.0)
            accent[part] = rng.uniform(-0.12, 0.2)
            formants[start:] = VOWEL_FORMANTS_HZ[rng.randint(len(VOWEL_FORMANTS_HZ))]
        else:
            _draw_consonant(rng, part, voice, noise, band)
    declination = np.linspace(0.1, -0.15, n_frames)
    wobble = smooth(rng.standard_normal(n_frames), 9) * 0.02
    pitch = speaker["pitch"] * 2 ** (declination + smooth(accent, 25) + wobble)
    formants = np.stack([smooth(track, 11) for track in formants.T], axis=1)
    return smooth(voice, 5), smooth(noise, 3), band, formants * speaker["scale"], pitch


def _draw_consonant(
    rng: np.random.RandomState,
    part: slice,
    voice: np.ndarray,
    noise: np.ndarray,
    band: np.ndarray,
) -> None:
    """Write a fricative, voiced or not, or a stop to some frames of the tracks."""
    sort = rng.randint(6)
    if sort < 4:
        noise[part], band[part] = rng.uniform(0.1, 0.3), FRICATIVE_BANDS_HZ[sort]
        voice[part] = 0.15 * rng.randint(2)
    else:
        # A stop: closure, then a short burst.
        burst = slice(max(part.start, part.stop - 2), part.stop)
        noise[burst], band[burst] = rng.uniform(0.3, 0.6), FRICATIVE_BANDS_HZ[rng.randint(3)]


def _formant_envelope(formants: np.ndarray, freqs: np.ndarray, scale: float) -> np.ndarray:
    """Compute magnitudes (n_frames, n_freqs) of a vocal tract and its glottal source."""
    high = np.broadcast_to(HIGH_FORMANTS_HZ * scale, (len(formants), len(HIGH_FORMANTS_HZ)))
    centres = np.hstack([formants, high])[:, :, np.newaxis]
    resonances = centres**2 / np.sqrt(
        (centres**2 - freqs**2) ** 2 + (FORMANT_BANDWIDTHS_HZ[:, np.newaxis] * freqs) ** 2
    )
    return resonances.prod(axis=1) / (1 + (freqs / 500) ** 2) ** 0.5


def _pulse_train(pitch: np.ndarray, sample_rate: int) -> np.ndarray:
    """Make band-limited pulses: equally strong harmonics up to the Nyquist frequency."""
    n_harmonics = max(1, int(0.5 * sample_rate / pitch.max()))
    half = np.pi * np.cumsum(pitch) / sample_rate
    sine = np.sin(half)
    # The sum of n cosines in closed form (the Dirichlet kernel), with its limit at the pulses.
    safe = np.where(np.abs(sine) < 1e-9, 1.0, sine)
    kernel = np.sin((2 * n_harmonics + 1) * half) / safe
    kernel[np.abs(sine) < 1e-9] = 2 * n_harmonics + 1
    return (kernel - 1) / n_harmonics**0.5


def voice(
    rng: np.random.RandomState, speaker: dict[str, float], n_times: int, sample_rate: int
) -> np.ndarray:
    """Synthesise one speaker: vowels with moving formants, consonants, pauses.

    Parameters
    ----------
    rng : numpy.random.RandomState
    speaker : dict of float
        Properties, as `draw_speaker` returns them.
    n_times : int
        Length in samples.
    sample_rate : int
        Sampling rate in Hz.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float64
        Speech of arbitrary level.
    """
    hop = max(1, round(FRAME_SECONDS * sample_rate))
    n_fft = 4 * hop
    n_frames = n_frames_of(n_times, n_fft, hop)
    level, noise, band, formants, pitch = _draw_tracks(rng, speaker, n_frames)
    times = np.arange(n_times) / hop
    source = _pulse_train(np.interp(times, np.arange(n_frames), pitch), sample_rate)
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
