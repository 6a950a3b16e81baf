"""Waveforms from audio files and back."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import MAX_SAMPLE_RATE, check_path, check_sample_rate
from sknmf_unfold.validation.recordings import check_waveform

from ._audio_output import AudioOutput

# Hz; nobody records below, but a header may say so.
MIN_RECORDING_RATE = 1000
# Filter coefficients between zero crossings, 160 MiB of them in all.
MAX_RESAMPLING_FACTOR = 2**20
# Samples that are written at a time.
BLOCK_LENGTH = 2**16


@default_settings()
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
        If a file is not audio, breaks off where it cannot be decoded, is empty, has NaN or
        infinity in it, has a rate that no recording has, or, with ``sample_rate=None``, has
        another rate than the first.

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
        sample_rate = check_sample_rate(sample_rate)
    waveforms, rates = zip(*(_read(path, sample_rate) for path in paths), strict=True)
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
    # The lines of an open file, as the bytes of a name, are no paths.
    if not isinstance(paths, Iterable) or isinstance(paths, bytes) or hasattr(paths, "read"):
        _refuse_path("got", paths)
    paths = list(paths)
    for i, path in enumerate(paths):
        if not isinstance(path, (str, os.PathLike)):
            _refuse_path(f"paths[{i}] is", path)
    if not paths:
        raise ValueError("`paths` is an empty list; at least one file is needed.")
    return [check_path(f"paths[{i}]", path) for i, path in enumerate(paths)]


def _refuse_path(where, path):
    """Raise for what is no path."""
    hint = ""
    if isinstance(path, bytes):
        hint = " os.fsdecode makes a path of the bytes of a name."
    elif hasattr(path, "read"):
        hint = " Pass the file's name; soundfile.read gives the samples of a file in memory."
    raise TypeError(
        f"`paths` must be a path or a list of paths; {where} {shown(path)} "
        f"({type(path).__name__}).{hint}"
    )


def _read(path, sample_rate):
    """Read one file as mono float32; return it and its sampling rate in Hz."""
    from ._audio_input import open_audio, read_blocks

    with open_audio(path) as file:
        rate = file.samplerate
        _check_rate(path, rate, sample_rate or rate)
        blocks = list(read_blocks(file, path))
    if not blocks:
        raise ValueError(f"{path} has no samples.")
    return check_waveform(np.concatenate(blocks), str(path)), rate


def _check_rate(path, rate, new_rate):
    """Raise where a file cannot be resampled in reasonable time and memory."""
    if rate == new_rate:
        return
    if not MIN_RECORDING_RATE <= rate <= MAX_SAMPLE_RATE:
        raise ValueError(
            f"{path} has a sampling rate of {rate} Hz in its header; a recording has from "
            f"{MIN_RECORDING_RATE} to {MAX_SAMPLE_RATE} Hz. Correct the header, or read it with "
            f"`sample_rate=None`, which leaves the samples as they are."
        )
    if max(rate, new_rate) // np.gcd(rate, new_rate) > MAX_RESAMPLING_FACTOR:
        raise ValueError(
            f"{path} has {rate} Hz, which would take too much memory to resample to {new_rate} Hz; "
            f"choose a `sample_rate` with a larger common divisor."
        )


def _resample(waveform, rate, new_rate):
    if rate == new_rate:
        return waveform
    from scipy.signal import resample_poly

    divisor = np.gcd(rate, new_rate)
    return resample_poly(waveform, new_rate // divisor, rate // divisor).astype(np.float32)


@default_settings()
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
    OSError
        If the file cannot be written, for example because the disk is full.
    TypeError
        If `path` is no path.
    ValueError
        If the waveform is not finite or not 1-D, if it is louder than 1 and the format has no
        floats, or if the suffix names no format, or one without this sampling rate.

    Notes
    -----
    A file that is there already is replaced when the new one is complete: after an error, an
    interrupt or a kill it is what it was.

    Examples
    --------
    >>> save_audio("tone.mp9", [0.0, 0.1])
    Traceback (most recent call last):
    ...
    ValueError: tone.mp9: the suffix must name an audio format, as .wav, .flac or .ogg; got '.mp9'.
    """
    path = check_path("path", path)
    waveform = check_waveform(waveform, "waveform")
    sample_rate = check_sample_rate(sample_rate)
    peak = float(np.abs(waveform).max())
    is_wav = path.suffix.lower() == ".wav"
    if peak > 1 and not is_wav:
        raise ValueError(
            f"`waveform` peaks at {peak:.4g} and would clip in {path}; scale it, or write a .wav."
        )
    if peak > float(np.finfo(np.float32).max):
        raise ValueError(f"`waveform` peaks at {peak:.4g}, more than a file can hold; scale it.")
    subtype = {True: "FLOAT", False: "PCM_16"}[peak > 1] if is_wav else None
    with replacing(path) as unfinished, ThreadPoolExecutor(1) as pool:
        # In a thread no interrupt reaches libsndfile's callbacks, which would lose it.
        pool.submit(_write, unfinished, path, waveform, sample_rate, subtype).result()


def _write(unfinished, path, waveform, sample_rate, subtype):
    """Write a file in blocks; libsndfile's Vorbis encoder runs out of stack on some millions."""
    with unfinished.open("wb") as file, AudioOutput(file, path, sample_rate, subtype) as output:
        for start in range(0, len(waveform), BLOCK_LENGTH):
            output.write(waveform[start : start + BLOCK_LENGTH])
