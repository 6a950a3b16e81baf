"""Output of the command `stream`: audio files that are readable at any time, standard output."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sknmf_unfold.base.atomic_files import naming
from sknmf_unfold.datasets._audio_output import AudioOutput

# Largest size of the samples in a WAV file; players read one that states it up to its end.
MAX_WAV_BYTES = 2**32 - 37


@contextlib.contextmanager
def open_output(target: str | Path, rate: int) -> Iterator[Callable[[np.ndarray], None]]:
    """Open a file or standard output for samples in chunks.

    Parameters
    ----------
    target : str or Path
        An audio file, which is replaced, or ``"-"`` for 16-bit PCM on standard output.
    rate : int
        Sampling rate in Hz.

    Yields
    ------
    write : callable
        Appends an ndarray of samples, clipped to [-1, 1].

    Raises
    ------
    OSError
        If the file cannot be written, for example because the disk is full.
    ValueError
        If its suffix names no audio format, or one without this sampling rate.

    Notes
    -----
    The header of a WAV file is updated after every second of audio, so that the file is valid
    whenever the command ends. Other formats are completed when they are closed.
    """
    if str(target) == "-":
        yield naming("standard output")(_write_pcm)
        return
    target = Path(target)
    is_wav = target.suffix.lower() == ".wav"
    # Settings that the format lacks are refused before an existing file is emptied.
    AudioOutput(io.BytesIO(), target, rate).close()
    with contextlib.ExitStack() as stack:
        with naming(target):
            file = stack.enter_context(target.open("wb"))
            output = WavFile(file, rate) if is_wav else AudioOutput(file, target, rate)
        try:
            yield naming(target)(lambda samples: output.write(np.clip(samples, -1, 1)))
        finally:
            with naming(target), file:
                output.close()


class WavFile:
    """A mono WAV file of 16 bits per sample, whose header is updated after every second of audio.

    Parameters
    ----------
    file : binary file object
        Open for writing.
    rate : int
        Sampling rate in Hz.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> wav = WavFile(file, 8000)
    >>> wav.write(np.zeros(8000))
    >>> len(file.getvalue()), file.getvalue()[40:44] == (16000).to_bytes(4, "little")
    (16044, True)
    """

    def __init__(self, file: BinaryIO, rate: int):
        self._file, self._rate = file, rate
        # Bytes of samples that were written, and of those the bytes that the header counts.
        self._n_bytes = self._n_counted = 0
        # The header of a pipe cannot be updated.
        self._seekable = file.seekable()
        file.write(self._header(0 if self._seekable else MAX_WAV_BYTES))
        file.flush()

    def write(self, samples: np.ndarray) -> None:
        """Append samples.

        Parameters
        ----------
        samples : ndarray of shape (n_times,)
            Clipped to [-1, 1].
        """
        pcm = to_pcm(samples)
        self._file.write(pcm)
        self._n_bytes += len(pcm)
        if self._n_bytes - self._n_counted >= 2 * self._rate:
            self._update_header()

    def close(self) -> None:
        """Complete the file."""
        self._update_header()

    def _update_header(self):
        """Write the samples that are still in memory, then the header that counts them."""
        if self._seekable:
            self._file.flush()
            self._file.seek(0)
            self._file.write(self._header(min(self._n_bytes, MAX_WAV_BYTES)))
            self._file.seek(0, os.SEEK_END)
        self._file.flush()
        self._n_counted = self._n_bytes

    def _header(self, n_bytes):
        form = (1, 1, self._rate, 2 * self._rate, 2, 16)  # PCM, mono, 16 bits
        chunks = (b"WAVEfmt ", 16, *form, b"data", n_bytes)
        return struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 36 + n_bytes, *chunks)


def to_pcm(samples: np.ndarray) -> bytes:
    """Convert samples to 16-bit PCM, little-endian.

    Parameters
    ----------
    samples : ndarray of shape (n_times,)
        Clipped to [-1, 1].

    Returns
    -------
    pcm : bytes

    Examples
    --------
    >>> to_pcm(np.array([0.5, -2.0])).hex(" ", 2)
    '0040 0080'
    """
    return np.clip(np.round(32768 * samples), -32768, 32767).astype("<i2").tobytes()


def _write_pcm(samples):
    sys.stdout.buffer.write(to_pcm(samples))
    sys.stdout.buffer.flush()
