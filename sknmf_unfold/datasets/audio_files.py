"""Waveforms from audio files and back."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from sknmf_unfold._checks import check_path, check_sample_rate
from sknmf_unfold._data_checks import check_waveform


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
    TypeError
        If `paths` is neither a path nor a list of paths.
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
    paths = _check_paths(paths)
    if sample_rate is not None:
        check_sample_rate(sample_rate)
    waveforms, rates = zip(*(_read(path) for path in paths), strict=True)
    for path, rate in zip(paths, rates, strict=True):
        if sample_rate is None and rate != rates[0]:
            raise ValueError(
                f"{path} has {rate} Hz but {paths[0]} has {rates[0]} Hz; pass `sample_rate` to "
                f"resample them."
            )
    pairs = zip(waveforms, rates, strict=True)
    return [_resample(waveform, rate, sample_rate or rate) for waveform, rate in pairs]


def _check_paths(paths):
    """Turn a path or some paths into a list of `Path`."""
    if isinstance(paths, (str, os.PathLike)):
        return [check_path("paths", paths)]
    wants = "must be a path or a list of paths"
    if not isinstance(paths, Iterable):
        raise TypeError(f"`paths` {wants}; got {paths!r} ({type(paths).__name__}).")
    paths = list(paths)
    for i, path in enumerate(paths):
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"`paths` {wants}; paths[{i}] is {path!r} ({type(path).__name__}).")
    if not paths:
        raise ValueError("`paths` is an empty list; at least one file is needed.")
    return [check_path(f"paths[{i}]", path) for i, path in enumerate(paths)]


def open_audio(path):
    """Open an audio file to read it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    file : soundfile.SoundFile
        A context manager.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no file of that name.
    ValueError
        If it is not audio.
    """
    import soundfile

    if not _exists(path):
        raise FileNotFoundError(f"{path} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; pass the audio files in it.")
    try:
        return soundfile.SoundFile(path)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # TypeError: headerless .raw files, whose rate cannot be known.
        raise ValueError(f"{path} is not an audio file that can be read: {error}") from error


def _read(path):
    """Read one file as mono float32; return it and its sampling rate in Hz."""
    import soundfile

    with open_audio(path) as file:
        try:
            samples, rate = file.read(dtype="float32", always_2d=True), file.samplerate
        except (soundfile.SoundFileError, OSError, ValueError) as error:
            raise ValueError(f"{path} is not an audio file that can be read: {error}") from error
    if len(samples) == 0:
        raise ValueError(f"{path} has no samples.")
    return check_waveform(samples.mean(axis=1), str(path)), rate


def _exists(path):
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False


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
    FileNotFoundError, IsADirectoryError
        If the folder to write into does not exist, or `path` is one.
    TypeError
        If `path` is no path.
    ValueError
        If the waveform is not finite or not 1-D, if it is louder than 1 and the format has no
        floats, or if the file cannot be written, for example because the format is unknown.

    Examples
    --------
    >>> save_audio("tone.mp9", [0.0, 0.1])
    Traceback (most recent call last):
    ...
    ValueError: tone.mp9: No format specified and unable to get format from file extension: ...
    """
    import soundfile

    path = check_path("path", path)
    waveform = check_waveform(waveform, "waveform")
    check_sample_rate(sample_rate)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; create it first.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it.")
    peak = float(np.abs(waveform).max())
    is_wav = path.suffix.lower() == ".wav"
    if peak > 1 and not is_wav:
        raise ValueError(
            f"`waveform` peaks at {peak:.4g} and would clip in {path}; scale it, or write a .wav."
        )
    if peak > float(np.finfo(np.float32).max):
        raise ValueError(f"`waveform` peaks at {peak:.4g}, more than a file can hold; scale it.")
    subtype = {True: "FLOAT", False: "PCM_16"}[peak > 1] if is_wav else None
    try:
        soundfile.write(path, waveform, sample_rate, subtype=subtype)
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
