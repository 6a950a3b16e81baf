"""Input of the command `stream`: a sound file, or raw samples from standard input."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sknmf_unfold.datasets._audio_input import open_audio, read_blocks
from sknmf_unfold.datasets.audio_files import MIN_RECORDING_RATE_HZ
from sknmf_unfold.validation.parameters import MAX_SAMPLE_RATE

# Bytes at the beginning of standard input that tell a sound file from raw samples.
HEAD_BYTES = 64
FILE_SIGNATURES = {
    b"RIFF": "a WAV file",
    b"RF64": "an RF64 file",
    b"RIFX": "a WAV file",
    b"riff": "a W64 file",
    b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file",
    b"FORM": "an AIFF file",
    b"caff": "a CAF file",
    b".snd": "an AU file",
    b"ID3": "an MP3 file",
    b"NIST_1A": "a SPHERE file",
    b"Creative Voice File": "a VOC file",
    b"wvpk": "a WavPack file",
    b"\x1aE\xdf\xa3": "a Matroska file",
}


def open_input(
    stack: contextlib.ExitStack, source: str | Path, pcm_rate: int
) -> tuple[int, Callable[[int], Iterator[np.ndarray]]]:
    """Open a sound file or standard input, to be read in chunks of samples, mono.

    Parameters
    ----------
    stack : contextlib.ExitStack
        Closes the file.
    source : str or Path
        A sound file, or ``"-"`` for 16-bit PCM from standard input.
    pcm_rate : int
        Sampling rate of standard input in Hz.

    Returns
    -------
    rate : int
        Sampling rate in Hz.
    read : callable
        Iterates over ndarrays of as many samples as its argument says; the last one may be shorter.

    Raises
    ------
    ValueError, OSError
        If it cannot be read, or has an impossible sampling rate.
    """
    if str(source) == "-":
        return pcm_rate, functools.partial(_read_pcm, pcm_rate)
    source = Path(source)
    file = stack.enter_context(open_audio(source))
    if not MIN_RECORDING_RATE_HZ <= file.samplerate <= MAX_SAMPLE_RATE:
        raise ValueError(
            f"{source} has a sampling rate of {file.samplerate} Hz in its header; a recording has "
            f"from {MIN_RECORDING_RATE_HZ} to {MAX_SAMPLE_RATE} Hz. Correct the header."
        )
    return file.samplerate, lambda chunk: _finite(read_blocks(file, source, chunk), source)


def _finite(chunks, source):
    """Iterate over chunks; raise ``ValueError`` at the first sample that is not finite."""
    n_times = 0
    for samples in chunks:
        bad = np.flatnonzero(~np.isfinite(samples))
        if len(bad):
            raise ValueError(f"{source} contains NaN or infinity at sample {n_times + bad[0]}.")
        n_times += len(samples)
        yield samples


def _read_pcm(rate, chunk):
    """Iterate over chunks of samples of standard input, up to its end."""
    head = sys.stdin.buffer.read(HEAD_BYTES)
    _check_raw(head, rate)
    return _decode_pcm(head, 2 * chunk)


def _decode_pcm(head, n_bytes):
    """Read chunks of `n_bytes` bytes, of which `head` are the first of all."""
    # Half a sample at the end is dropped.
    while len(data := head[:n_bytes] + sys.stdin.buffer.read(max(n_bytes - len(head), 0))) >= 2:
        head = head[n_bytes:]
        yield np.frombuffer(data, "<i2", len(data) // 2)


def _check_raw(head, rate):
    """Raise ``ValueError`` if standard input begins like a sound file, not like raw samples."""
    kind = next((kind for mark, kind in FILE_SIGNATURES.items() if head.startswith(mark)), None)
    if head[4:8] == b"ftyp":
        kind = "an MP4 file"
    # Frames of MP3 begin as loud samples may; the first one of a file names its encoder.
    if head[:1] == b"\xff" and any(word in head for word in (b"Xing", b"Info", b"LAME")):
        kind = "an MP3 file"
    if kind is not None:
        raise ValueError(
            f"standard input is {kind}, not raw 16-bit PCM; pass the name of the file in place of "
            f"-, or make PCM of it: ffmpeg -i FILE -f s16le -ac 1 -ar {rate} -"
        )
