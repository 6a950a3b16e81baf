"""Data: a generated corpus, audio files, mixing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from sklearn.utils import check_random_state

from ._checks import check_number, check_waveform
from ._synthesis import draw_speaker, interference, voice

SPEECH_RMS = 10 ** (-26 / 20)


def mix_at_snr(target, interference, snr_db, *, return_interference=False):
    """Add interference to a target, scaled to a signal-to-noise ratio.

    Parameters
    ----------
    target : array-like of shape (n_times,)
        Stays as it is.
    interference : array-like of shape (at least n_times,)
        Cut to the length of `target` and scaled.
    snr_db : float
        ``10 log10(sum(target ** 2) / sum(scaled ** 2))`` in dB. Where the target or the
        interference is silent no gain reaches it, and the interference is added as it is.
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
        If the interference is shorter than the target, or a waveform is not as described.

    Examples
    --------
    >>> mix_at_snr([1.0, -1.0], [0.5, 0.5], 0.0)
    array([2., 0.])
    """
    target = check_waveform(target, "target")
    interference = check_waveform(interference, "interference")
    check_number("snr_db", snr_db)
    if len(interference) < len(target):
        raise ValueError(
            f"`interference` has {len(interference)} samples but `target` has {len(target)}; it "
            f"must be at least as long. Repeat it with np.resize, for example."
        )
    scaled = interference[: len(target)]
    powers = [np.sum(np.square(x, dtype=np.float64)) for x in (target, scaled)]
    if min(powers) > 0:
        gain = np.sqrt(powers[0] / powers[1]) * 10 ** (-snr_db / 20)
        scaled = scaled * scaled.dtype.type(gain)
    mixture = target + scaled
    return (mixture, scaled) if return_interference else mixture


def make_noisy_speech(
    n_samples=20,
    *,
    duration=3.0,
    snr_db=(-6, 9),
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
        Signal-to-noise ratio in dB, or (lowest, highest) to draw from.
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
        The speech in them, with a level of -26 dBFS RMS.
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
    check_number("n_samples", n_samples, low=1, integer=True)
    check_number("n_speakers", n_speakers, low=1, integer=True)
    check_number("sample_rate", sample_rate, low=8000, integer=True)
    duration = _check_range("duration", duration, low=1 / sample_rate)
    snr_db = _check_range("snr_db", snr_db)
    rng = check_random_state(random_state)
    cast = [draw_speaker(rng) for _ in range(n_speakers)]
    speakers = rng.permutation(np.arange(n_samples) % n_speakers)
    X, Y = [], []
    for speaker in speakers:
        n_times = max(1, round(rng.uniform(*duration) * sample_rate))
        speech = _at_level(voice(rng, cast[speaker], n_times, sample_rate))
        noise = interference(rng, n_times, sample_rate)
        mixture = mix_at_snr(speech, noise, rng.uniform(*snr_db))
        X.append(mixture.astype(np.float32))
        Y.append(speech.astype(np.float32))
    return (X, Y, speakers) if return_speakers else (X, Y)


def _at_level(waveform):
    rms = np.sqrt(np.mean(waveform**2))
    return waveform * (SPEECH_RMS / rms if rms > 0 else 1.0)


def _check_range(name, value, low=None):
    """Turn a number or a pair of numbers into (lowest, highest)."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"`{name}` must be a number or a pair (lowest, highest); got {value!r}.")
    for number in pair:
        check_number(name, number, low=low)
    if pair[0] > pair[1]:
        raise ValueError(f"`{name}` must be (lowest, highest); got {value!r}.")
    return pair


def load_audio(paths, sample_rate=16000):
    """Read audio files as waveforms, mixed down to mono and resampled.

    Parameters
    ----------
    paths : str, path-like, or list of them
        WAV, FLAC, Ogg and whatever else libsndfile reads.
    sample_rate : int or None, default=16000
        Rate in Hz that files are resampled to; None keeps theirs, which must then be the same.

    Returns
    -------
    waveforms : list of ndarray of shape (n_times,), float32
        In [-1, 1] for PCM files. For a single path a list of one.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no file of that name.
    ValueError
        If a file is not audio, is empty, has NaN or infinity in it, or, with
        ``sample_rate=None``, has another rate than the first.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "tone.wav"
    ...     save_audio(path, np.sin(np.arange(8000) / 10), sample_rate=8000)
    ...     [waveform] = load_audio([path])
    >>> waveform.shape
    (16000,)
    """
    single = isinstance(paths, (str, os.PathLike))
    paths = [Path(path) for path in ([paths] if single else paths)]
    if not paths:
        raise ValueError("`paths` is an empty list; at least one file is needed.")
    if sample_rate is not None:
        check_number("sample_rate", sample_rate, low=1, integer=True)
    waveforms, rates = zip(*(_read(path) for path in paths), strict=True)
    for path, rate in zip(paths, rates, strict=True):
        if sample_rate is None and rate != rates[0]:
            raise ValueError(
                f"{path} has {rate} Hz but {paths[0]} has {rates[0]} Hz; pass `sample_rate` to "
                f"resample them."
            )
    pairs = zip(waveforms, rates, strict=True)
    return [_resample(waveform, rate, sample_rate or rate) for waveform, rate in pairs]


def _read(path):
    """Read one file as mono float32; return it and its sampling rate in Hz."""
    import soundfile

    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; pass the audio files in it.")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise ValueError(f"{path} is not an audio file that can be read: {error}") from error
    if len(samples) == 0:
        raise ValueError(f"{path} has no samples.")
    return check_waveform(samples.mean(axis=1), str(path)), rate


def _resample(waveform, rate, new_rate):
    if rate == new_rate:
        return waveform
    from scipy.signal import resample_poly

    divisor = np.gcd(rate, new_rate)
    return resample_poly(waveform, new_rate // divisor, rate // divisor).astype(np.float32)


def save_audio(path, waveform, sample_rate=16000):
    """Write a waveform to an audio file, 16 bits a sample; as floats where it would clip.

    Parameters
    ----------
    path : str or path-like
        The suffix names the format (.wav, .flac, ...).
    waveform : array-like of shape (n_times,)
        Samples in [-1, 1]. Louder ones go to a WAV file as floats, which keeps them.
    sample_rate : int, default=16000
        In Hz.

    Raises
    ------
    ValueError
        If the waveform is not finite or not 1-D, if it is louder than 1 and the format has no
        floats, or if the format is unknown.

    Examples
    --------
    >>> save_audio("tone.mp9", [0.0, 0.1])
    Traceback (most recent call last):
    ...
    ValueError: tone.mp9: No format specified and unable to get format from file extension: ...
    """
    import soundfile

    path = Path(path)
    waveform = check_waveform(waveform, "waveform")
    peak = float(np.abs(waveform).max())
    is_wav = path.suffix.lower() == ".wav"
    if peak > 1 and not is_wav:
        raise ValueError(
            f"`waveform` peaks at {peak:.4g} and would clip in {path}; scale it, or write a .wav."
        )
    subtype = {True: "FLOAT", False: "PCM_16"}[peak > 1] if is_wav else None
    try:
        soundfile.write(path, waveform, sample_rate, subtype=subtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
