"""The command `stream`: separate a file or standard input at the pace of the sound."""

from __future__ import annotations

import contextlib
import sys
import time

import numpy as np

from ._checks import check_number
from .datasets.audio_files import open_audio
from .streaming import StreamingSeparator


def stream_sound(pipeline, source, target, chunk=None, wait=True, report=print):
    """Read, separate and write chunk by chunk.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `STFT` and a separator.
    source, target : str or Path
        Audio files, or ``"-"`` for standard input and output: 16-bit PCM, little-endian, mono, at
        the model's sampling rate.
    chunk : int or None, default=None
        Samples of a chunk; None takes the hop length.
    wait : bool, default=True
        Whether to go at the pace of the sound, as a microphone would.
    report : callable, default=print
        Gets lines of text.

    Raises
    ------
    ValueError, OSError
        If a file cannot be read or written, or has another sampling rate.
    """
    separator = StreamingSeparator(pipeline)
    if chunk is not None:
        check_number("chunk", chunk, low=1, integer=True)
    rate, chunk = separator.sample_rate_, chunk or separator.hop_length_
    load = Load(rate)
    with contextlib.ExitStack() as stack:
        chunks = _read(stack, source, rate, chunk)
        write = _write(stack, target, rate)
        begin = time.perf_counter()
        for samples in chunks:
            load.n_times += len(samples)
            if wait:
                # The last sample of a chunk has to be there.
                time.sleep(max(begin + load.n_times / rate - time.perf_counter(), 0))
            with load:
                finished = separator.process(samples)
            write(finished)
            if load.due:
                report(str(load))
        with load:
            finished = separator.flush()
        write(finished)
    report(str(load))


class Load:
    """How much of the time that the sound takes goes into its separation.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    """

    def __init__(self, sample_rate):
        self.sample_rate = sample_rate
        self.n_times = 0
        self._busy, self._longest, self._reported = 0.0, 0.0, 0

    def __enter__(self):
        self._start = time.perf_counter()

    def __exit__(self, *error):
        seconds = time.perf_counter() - self._start
        self._busy += seconds
        self._longest = max(self._longest, seconds)

    @property
    def due(self):
        """Whether another ten seconds of sound have gone by."""
        tens = int(self.n_times / self.sample_rate) // 10
        due, self._reported = tens > self._reported, tens
        return due

    def __str__(self):
        seconds = self.n_times / self.sample_rate
        share = self._busy / seconds if seconds else 0.0
        return (
            f"{seconds:.1f} s of sound, load {100 * share:.1f} %, longest chunk "
            f"{1000 * self._longest:.2f} ms"
        )


def _read(stack, source, rate, chunk):
    """Iterate over chunks of samples, mono."""
    if str(source) == "-":
        return _read_pcm(chunk)
    file = stack.enter_context(open_audio(source))
    if file.samplerate != rate:
        raise ValueError(
            f"{source} has {file.samplerate} Hz but the model works at {rate} Hz; resample it."
        )
    blocks = file.blocks(chunk, dtype="float32", always_2d=True)
    return (block.mean(axis=1) for block in blocks)


def _read_pcm(chunk):
    """Read chunks from standard input to its end."""
    # Half a sample at the end is none.
    while len(data := sys.stdin.buffer.read(2 * chunk)) >= 2:
        yield np.frombuffer(data, "<i2", len(data) // 2)


def _write(stack, target, rate):
    """Make the function that writes samples, at once."""
    if str(target) == "-":
        return _write_pcm
    import soundfile

    try:
        file = stack.enter_context(soundfile.SoundFile(target, "w", rate, 1, subtype="PCM_16"))
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise ValueError(f"{target} cannot be written: {error}") from error
    return lambda samples: file.write(np.clip(samples, -1, 1))


def _write_pcm(samples):
    pcm = np.clip(np.round(32768 * samples), -32768, 32767).astype("<i2")
    sys.stdout.buffer.write(pcm.tobytes())
    sys.stdout.buffer.flush()
