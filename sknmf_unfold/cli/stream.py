"""The command `stream`: separate a file or standard input at the pace of the sound."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

from sknmf_unfold.base.atomic_files import check_writable
from sknmf_unfold.datasets._audio_output import check_format
from sknmf_unfold.streaming import StreamingSeparator
from sknmf_unfold.validation.parameters import check_size

from ._interrupts import Interrupt
from ._model_files import load_model
from ._outputs import check_not_read
from ._stream_input import open_input
from ._stream_output import open_output

# Samples that are read at a time, at most.
MAX_CHUNK = 2**24


def add_command(commands):
    """Add the command to the parser."""
    sub = commands.add_parser("stream", help="separate a recording, or standard input, as it comes")
    sub.add_argument("model", type=Path)
    sub.add_argument("input", type=Path, help="audio file, or - for raw 16-bit PCM, mono")
    results = Path("separated.wav")
    sub.add_argument("-o", "--output", type=Path, default=results, help="audio file, or - for PCM")
    sub.add_argument("--chunk", type=int, default=None, help="samples; the hop length by default")
    sub.add_argument("--no-wait", action="store_true", help="go on before a chunk's time is over")
    sub.set_defaults(run=run)


def run(args):
    """Separate sound as it comes."""
    pipe = load_model(args.model)
    if str(args.output) != "-":
        check_writable(args.output)
        check_format(args.output)
        check_not_read(args.output, [args.model, args.input])
    # Not into the sound that goes out.
    report = functools.partial(print, file=sys.stderr)
    # One core keeps up, and a second one would only wait for it.
    with threadpool_limits(1):
        stream_sound(pipe, args.input, args.output, args.chunk, not args.no_wait, report)


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
        chunks = _until_broken(open_input(stack, source, rate, chunk), broken)
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
