"""Waveforms of audio files: headers, whole files and ranges of them, mixed down to mono."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from sknmf_unfold.validation.messages import shown_path
from sknmf_unfold.validation.recordings import check_finite, check_waveform

from ._audio_input import READ_BLOCK_VALUES, ForwardFile, explain, open_audio, read_blocks
from ._resampling import resample, resampled_length
from .audio_files import _check_rate

# Formats and encodings in which a position in the file is exactly one in the recording.
RANGE_FORMATS = frozenset(("AIFF", "AU", "CAF", "FLAC", "RF64", "W64", "WAV", "WAVEX"))
RANGE_SUBTYPES = frozenset(
    "PCM_S8 PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW".split(),
)
# A header without a length has 0 or a number that no recording has.
MAX_FILE_SAMPLES = 2**60


class Header(NamedTuple):
    """Facts of an audio file that are known before its samples are decoded.

    Parameters
    ----------
    n_times : int
        Samples of a channel, at the rate of the file.
    rate : int
        Sampling rate of the file in Hz.
    has_ranges : bool
        Whether the file can be read from any sample on.
    n_bytes, mtime_ns : int
        Size of the file and time of its last change.
    """

    n_times: int
    rate: int
    has_ranges: bool
    n_bytes: int
    mtime_ns: int

    def length_at(self, sample_rate: int) -> int:
        """Count the samples after resampling, at least one."""
        return max(1, resampled_length(self.n_times, self.rate, sample_rate))


def read_header(path: Path, sample_rate: int) -> Header:
    """Read the header of an audio file.

    Parameters
    ----------
    path : Path
    sample_rate : int
        Sampling rate in Hz that the file will be read at.

    Returns
    -------
    header : Header
        Where the header has no length, the file is decoded to count its samples.

    Raises
    ------
    ValueError, OSError
        If the file is not audio, has no samples or an impossible sampling rate.
    """
    with open_audio(path) as file:
        rate, n_times = file.samplerate, file.frames
        _check_rate(path, rate, sample_rate)
        has_length = 0 < n_times < MAX_FILE_SAMPLES
        has_ranges = has_length and file.format in RANGE_FORMATS and file.subtype in RANGE_SUBTYPES
        if not has_length:
            n_times = sum(map(len, read_blocks(file, path)))
    if n_times == 0:
        raise ValueError(f"{shown_path(path)} has no samples.")
    facts = path.stat()
    return Header(n_times, rate, has_ranges, facts.st_size, facts.st_mtime_ns)


def decode(path: Path, sample_rate: int | None) -> tuple[np.ndarray, int]:
    """Decode a whole file.

    Parameters
    ----------
    path : Path
    sample_rate : int or None
        Sampling rate in Hz that the samples will be resampled to, None for that of the file.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float32
        Mono, finite, at the rate of the file.
    rate : int
        Sampling rate of the file in Hz.
    """
    with open_audio(path) as file:
        rate = file.samplerate
        _check_rate(path, rate, sample_rate or rate)
        blocks = list(read_blocks(file, path))
    if not blocks:
        raise ValueError(f"{path} has no samples.")
    return check_waveform(np.concatenate(blocks), str(path)), rate


def decode_range(path: Path, header: Header, start: int, stop: int) -> np.ndarray:
    """Decode some samples of a file at its own rate, with the bits that `decode` gives them.

    Parameters
    ----------
    path : Path
    header : Header
        Read earlier, with `has_ranges`.
    start, stop : int
        Index of the first sample and index after the last one.

    Returns
    -------
    samples : ndarray of shape (stop - start,), float32

    Raises
    ------
    ValueError, OSError
        If the file has another header now, cannot be decoded, or has samples that are not finite.
    """
    with open_audio(path) as file:
        check_unchanged(path, header, file.frames, file.samplerate)
        samples = _read_range(file, path, start, stop)
    check_finite(samples, shown_path(path), ("sample",), start)
    return samples


def _read_range(file: ForwardFile, path: Path, start: int, stop: int) -> np.ndarray:
    samples, n_done = np.empty(stop - start, np.float32), 0
    block_times = max(1, READ_BLOCK_VALUES // file.channels)
    try:
        file.seek(start)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise ValueError(f"{shown_path(path)} cannot be read: {explain(error)}") from error
    while n_done < len(samples):
        block = next(read_blocks(file, path, min(block_times, len(samples) - n_done)), None)
        if block is None:
            raise ValueError(
                f"{shown_path(path)} ends at sample {start + n_done}, before its header says so; "
                f"it is truncated."
            )
        samples[n_done : n_done + len(block)] = block
        n_done += len(block)
    return samples


def check_unchanged(path: Path, header: Header, n_times: int, rate: int) -> None:
    """Raise ``ValueError`` if a file has another length or rate than its header had."""
    if (n_times, rate) != (header.n_times, header.rate):
        raise ValueError(
            f"{shown_path(path)} has {n_times} samples at {rate} Hz, but its header had "
            f"{header.n_times} at {header.rate} Hz: it is truncated, or was changed since its "
            f"header was read. Write it again, or make AudioFiles anew."
        )


def at_rate(waveform: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Resample a waveform unless it has the rate already; at least one sample stays."""
    if rate == new_rate:
        return waveform
    resampled = resample(waveform, rate, new_rate)
    # A recording that is shorter than half a sample at the new rate keeps one.
    return resampled if len(resampled) else waveform[:1]
