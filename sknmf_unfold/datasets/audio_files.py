"""Audio files: `load_audio` and `save_audio`, with resampling and 16-bit or float samples.

``_audio_input`` decodes files and ``_audio_output`` encodes them, one block at a time;
``_audio_waveforms`` makes waveforms of files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.options import check_path
from sknmf_unfold.validation.parameters import MAX_SAMPLE_RATE, check_sample_rate
from sknmf_unfold.validation.recordings import check_waveform

from ._audio_output import AudioOutput

# Lower rates in a header are errors, not rates of recordings.
MIN_RECORDING_RATE_HZ = 1000
# Samples of one block that is written.
WRITE_BLOCK_SAMPLES = 2**16


@default_settings()
def load_audio(
    paths: str | os.PathLike | Iterable[str | os.PathLike], sample_rate: int | None = 16000
) -> list[np.ndarray]:
    """Read audio files as waveforms, mixed down to mono and resampled.

    Parameters
    ----------
    paths : str, path-like, or list of them
        Files in WAV, FLAC, Ogg or another format of libsndfile.
    sample_rate : int or None, default=16000
        Sampling rate in Hz to resample to; None keeps that of the files, which must then be equal.

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
        If a file is not audio, cannot be decoded to its end, is empty, contains NaN or infinity,
        has an impossible sampling rate, or, with ``sample_rate=None``, another one than the first.

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
    files = _check_paths(paths)
    if sample_rate is not None:
        sample_rate = check_sample_rate(sample_rate)
    from ._audio_waveforms import at_rate, decode

    waveforms, rates = zip(*(decode(path, sample_rate) for path in files), strict=True)
    for path, rate in zip(files, rates, strict=True):
        if sample_rate is None and rate != rates[0]:
            raise ValueError(
                f"{path} has {rate} Hz but {files[0]} has {rates[0]} Hz; pass `sample_rate` to "
                f"resample them."
            )
    pairs = zip(waveforms, rates, strict=True)
    return [at_rate(waveform, rate, sample_rate or rate) for waveform, rate in pairs]


def _check_paths(paths: Any) -> list[Path]:
    """Convert a path or several paths to a list of `Path`."""
    if isinstance(paths, (str, os.PathLike)):
        return [check_path("paths", paths)]
    # Iterating over an open file or over bytes would give lines or numbers.
    if not isinstance(paths, Iterable) or isinstance(paths, bytes) or hasattr(paths, "read"):
        _refuse_path("got", paths)
    paths = list(paths)
    for i, path in enumerate(paths):
        if not isinstance(path, (str, os.PathLike)):
            _refuse_path(f"paths[{i}] is", path)
    if not paths:
        raise ValueError("`paths` is an empty list; at least one file is needed.")
    return [check_path(f"paths[{i}]", path) for i, path in enumerate(paths)]


def _refuse_path(where: str, path: object) -> NoReturn:
    """Raise for an object that is not a path."""
    hint = ""
    if isinstance(path, bytes):
        hint = " os.fsdecode converts the bytes of a name to a path."
    elif hasattr(path, "read"):
        hint = " Pass the file's name; soundfile.read returns the samples of a file in memory."
    raise TypeError(
        f"`paths` must be a path or a list of paths; {where} {shown(path)} "
        f"({type(path).__name__}).{hint}"
    )


def _check_rate(path: Path, rate: int, new_rate: int) -> None:
    """Raise if a file is to be resampled from a rate that cannot be true."""
    if rate != new_rate and not MIN_RECORDING_RATE_HZ <= rate <= MAX_SAMPLE_RATE:
        raise ValueError(
            f"{path} has a sampling rate of {rate} Hz in its header; a recording has from "
            f"{MIN_RECORDING_RATE_HZ} to {MAX_SAMPLE_RATE} Hz. Correct the header, or read it with "
            f"`sample_rate=None`, which does not change the samples."
        )


@default_settings()
def save_audio(path: str | os.PathLike, waveform: ArrayLike, sample_rate: int = 16000) -> None:
    """Write a waveform to an audio file with 16 bits a sample, or as floats if it would clip.

    Parameters
    ----------
    path : str or path-like
        The suffix names the format (.wav, .flac, ...).
    waveform : array-like of shape (n_times,)
        Samples in [-1, 1]. Louder ones are written to a WAV file as floats.
    sample_rate : int, default=16000
        Sampling rate in Hz.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the folder of the file does not exist, or `path` is a folder.
    OSError
        If the file cannot be written, for example because the disk is full.
    TypeError
        If `path` is not a path.
    ValueError
        If the waveform is not finite or not 1-D, if it exceeds 1 and the format has no floats, or
        if the suffix names no format, or one without this sampling rate.

    Notes
    -----
    An existing file is replaced when the new one is complete: after an error, an interrupt or a
    kill it is unchanged.

    Examples
    --------
    >>> save_audio("tone.mp9", [0.0, 0.1])
    Traceback (most recent call last):
    ...
    ValueError: tone.mp9: the suffix must name an audio format, as .wav, .flac or .ogg; got '.mp9'.
    """
    name = check_path("path", path)
    samples = check_waveform(waveform, "waveform")
    sample_rate = check_sample_rate(sample_rate)
    peak = float(np.abs(samples).max())
    is_wav = name.suffix.lower() == ".wav"
    if peak > 1 and not is_wav:
        raise ValueError(
            f"`waveform` peaks at {peak:.4g} and would clip in {name}; scale it, or write a .wav."
        )
    if peak > float(np.finfo(np.float32).max):
        raise ValueError(f"`waveform` peaks at {peak:.4g}, more than a file can hold; scale it.")
    subtype = {True: "FLOAT", False: "PCM_16"}[peak > 1] if is_wav else None
    with replacing(name) as unfinished, ThreadPoolExecutor(1) as pool:
        # In a thread, because libsndfile's callbacks would swallow an interrupt.
        pool.submit(_write, unfinished, name, samples, sample_rate, subtype).result()


def _write(
    unfinished: Path, path: Path, waveform: np.ndarray, sample_rate: int, subtype: str | None
) -> None:
    """Write a file in blocks; libsndfile's Vorbis encoder overflows its stack on long ones."""
    with unfinished.open("wb") as file, AudioOutput(file, path, sample_rate, subtype) as output:
        for start in range(0, len(waveform), WRITE_BLOCK_SAMPLES):
            output.write(waveform[start : start + WRITE_BLOCK_SAMPLES])
