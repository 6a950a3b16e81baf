"""The command `stream`: separate a file or standard input at the pace of the sound."""

from __future__ import annotations

import contextlib
import signal
import sys
import time

import numpy as np

from ._checks import check_size
from ._live_output import open_output
from .datasets._sound_files import open_audio, read_blocks
from .streaming import StreamingSeparator

# Samples that are read at a time, at most.
MAX_CHUNK = 2**24
HEAD_BYTES = 64
FILE_MARKS = {
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
        If a file cannot be read or written, or has another sampling rate; if it breaks off where
        it cannot be decoded, after what comes before is written.
    KeyboardInterrupt
        If there was one; what had been read before it is written.
    """
    separator = StreamingSeparator(pipeline)
    if chunk is not None:
        chunk = check_size("chunk", chunk, high=MAX_CHUNK)
    rate, chunk = separator.sample_rate_, chunk or separator.hop_length_
    load = Load(rate)
    with contextlib.ExitStack() as stack:
        broken: list[Exception] = []
        chunks = _until_broken(_read(stack, source, rate, chunk), broken)
        write = stack.enter_context(open_output(target, rate))
        interrupt = stack.enter_context(Interrupt())
        begin = time.perf_counter()
        while (samples := interrupt.ends(next, chunks, None)) is not None:
            load.n_times += len(samples)
            if wait:
                # The last sample of a chunk has to be there.
                seconds = begin + load.n_times / rate - time.perf_counter()
                interrupt.ends(time.sleep, max(seconds, 0))
            with load:
                finished = separator.process(samples)
            write(finished)
            if load.due:
                report(str(load))
        with load:
            finished = separator.flush()
        write(finished)
    if interrupt.happened:
        raise KeyboardInterrupt(f"Interrupted after {load}")
    report(str(load))
    if broken:
        raise broken[0]


def _until_broken(chunks, broken):
    """Iterate up to where reading fails; what is read by then is separated and written first."""
    try:
        yield from chunks
    except ValueError as error:
        broken.append(error)


class Interrupt:
    """Lets the first Ctrl-C end a wait, but nothing that is at work; the second one ends all."""

    def __init__(self):
        self.happened = False
        self._waits = False

    def __enter__(self):
        # Signals are for the main thread only.
        with contextlib.suppress(ValueError):
            self._before = signal.signal(signal.SIGINT, self._notice)
        return self

    def __exit__(self, *error):
        if hasattr(self, "_before"):
            signal.signal(signal.SIGINT, self._before)

    def ends(self, wait, *arguments):
        """Call a function that waits for something; an interrupt ends it.

        Parameters
        ----------
        wait : callable
        *arguments : object
            What it takes.

        Returns
        -------
        result : object
            What it returns, None after an interrupt.
        """
        self._waits = True
        try:
            return None if self.happened else wait(*arguments)
        except KeyboardInterrupt:
            self.happened = True
            return None
        finally:
            self._waits = False

    def _notice(self, *_):
        again, self.happened = self.happened, True
        if again or self._waits:
            raise KeyboardInterrupt


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
        return _read_pcm(rate, chunk)
    file = stack.enter_context(open_audio(source))
    if file.samplerate != rate:
        raise ValueError(
            f"{source} has {file.samplerate} Hz but the model works at {rate} Hz; resample it."
        )
    return _finite(read_blocks(file, source, chunk), source)


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
    """Iterate over chunks of samples from standard input, to its end."""
    head = sys.stdin.buffer.read(HEAD_BYTES)
    _check_raw(head, rate)
    return _decode_pcm(head, 2 * chunk)


def _decode_pcm(head, n_bytes):
    """Read chunks of so many bytes, the first of them from `head`."""
    # Half a sample at the end is none.
    while len(data := head[:n_bytes] + sys.stdin.buffer.read(max(n_bytes - len(head), 0))) >= 2:
        head = head[n_bytes:]
        yield np.frombuffer(data, "<i2", len(data) // 2)


def _check_raw(head, rate):
    """Raise ``ValueError`` if standard input begins as a sound file does, not as raw samples."""
    kind = next((kind for mark, kind in FILE_MARKS.items() if head.startswith(mark)), None)
    if head[4:8] == b"ftyp":
        kind = "an MP4 file"
    # Frames of MP3 begin as loud samples may; the first one of a file names what made it.
    if head[:1] == b"\xff" and any(word in head for word in (b"Xing", b"Info", b"LAME")):
        kind = "an MP3 file"
    if kind is not None:
        raise ValueError(
            f"standard input is {kind}, not raw 16-bit PCM; pass the name of the file in place of "
            f"-, or make PCM of it: ffmpeg -i FILE -f s16le -ac 1 -ar {rate} -"
        )
