"""A corpus that needs no files: speech-like sound in the noises of a home."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.signal.mixing import SNR_LIMITS, mix_at_snr
from sknmf_unfold.signal.mixture_dataset import GAIN_LIMITS
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.parameters import check_number, check_sample_rate, check_size

from ._synthesis import draw_speaker, interference, voice

# Speech of this many seconds has a vowel in it, whoever speaks.
SHORTEST_SPEECH = 0.5
# Recordings, speakers and seconds of each that memory has room for.
MAX_SAMPLES, MAX_DURATION = 1_000_000, 86_400


@default_settings()
def make_noisy_speech(
    n_samples=20,
    *,
    duration=3.0,
    snr_db=(-6, 9),
    level_db=(-46, -26),
    n_speakers=4,
    sample_rate=16000,
    random_state=None,
    return_speakers=False,
):
    """Generate speech-like recordings in the noises of a home.

    Speakers differ in pitch, vocal tract, pace and breath; they speak vowels with moving formants,
    fricatives, stops and pauses. The interference is music, machines, clatter and alarms, one to
    three at a time. Other seeds have other speakers.

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
        +-100. What is louder than -26 may exceed 1 together with its noise.
    n_speakers : int, default=4
        Number of speakers, who take turns.
    sample_rate : int, default=16000
        In Hz, 8000 or more.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same recordings every time.
    return_speakers : bool, default=False
        Whether to return who speaks, for splits by speaker.

    Returns
    -------
    X : list of ndarray of shape (n_times,), float32
        Mixtures.
    Y : list of ndarray of shape (n_times,), float32
        The speech in them.
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
    n_samples = check_size("n_samples", n_samples, high=MAX_SAMPLES)
    n_speakers = check_size("n_speakers", n_speakers, high=MAX_SAMPLES)
    sample_rate = check_sample_rate(sample_rate, low=8000)
    duration = _check_range("duration", duration, low=1 / sample_rate)
    _check_range("duration", duration, high=MAX_DURATION)
    snr_db = _check_range("snr_db", snr_db, **SNR_LIMITS)
    level_db = _check_range("level_db", level_db, **GAIN_LIMITS)
    rng = check_random_state(random_state)
    cast = [draw_speaker(rng) for _ in range(n_speakers)]
    speakers = rng.permutation(np.arange(n_samples) % n_speakers)
    X, Y = [], []
    for speaker in speakers:
        n_times = max(1, round(rng.uniform(*duration) * sample_rate))
        speech = _at_unit_level(_speak(rng, cast[speaker], n_times, sample_rate))
        noise = interference(rng, n_times, sample_rate)
        X.append(mix_at_snr(speech, noise, rng.uniform(*snr_db)))
        Y.append(speech)
    # Drawn last: other levels leave everything else as it is.
    gains = 10 ** (rng.uniform(level_db[0], level_db[1], n_samples) / 20)
    X, Y = (
        [(g * x).astype(np.float32) for g, x in zip(gains, part, strict=True)] for part in (X, Y)
    )
    return (X, Y, speakers) if return_speakers else (X, Y)


def _speak(rng, speaker, n_times, sample_rate):
    """Speak for `n_times` samples; too few of them might be silent, so cut those from more."""
    shortest = int(SHORTEST_SPEECH * sample_rate)
    waveform = voice(rng, speaker, max(n_times, shortest), sample_rate)
    if n_times >= shortest:
        return waveform
    energy = np.concatenate([[0.0], np.cumsum(waveform**2)])
    loudest = np.argmax(energy[n_times:] - energy[:-n_times])
    return waveform[loudest : loudest + n_times]


def _at_unit_level(waveform):
    rms = np.sqrt(np.mean(waveform**2))
    return waveform / rms if rms > 0 else waveform


def _check_range(name, value, **bounds):
    """Turn a number or a pair of numbers into (lowest, highest)."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(
            f"`{name}` must be a number or a pair (lowest, highest); got {shown(value)}."
        )
    pair = tuple(check_number(name, number, **bounds) for number in pair)
    if pair[0] > pair[1]:
        raise ValueError(f"`{name}` must be (lowest, highest); got {shown(value)}.")
    return pair
