"""The command `stream`: separate a file or standard input chunk by chunk, in real time."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline
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

# Largest number of samples in a chunk.
MAX_CHUNK_SAMPLES = 2**24


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    about = "separate a recording, or standard input, chunk by chunk"
    sub = commands.add_parser("stream", help=about)
    sub.add_argument("model", type=Path)
    sub.add_argument("input", type=Path, help="audio file, or - for raw 16-bit PCM, mono")
    results = Path("separated.wav")
    sub.add_argument("-o", "--output", type=Path, default=results, help="audio file, or - for PCM")
    sub.add_argument("--chunk", type=int, default=None, help="samples; the hop length by default")
    sub.add_argument("--no-wait", action="store_true", help="do not pace a file in real time")
    sub.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Separate a file or standard input chunk by chunk."""
    pipe = load_model(args.model)
    if str(args.output) != "-":
        check_writable(args.output)
        check_format(args.output)
        check_not_read(args.output, [args.model, args.input])
    # Standard output may carry the samples.
    report = functools.partial(print, file=sys.stderr)
    # One core suffices, and a second one would only wait for it.
    with threadpool_limits(1):
        stream_sound(pipe, args.input, args.output, args.chunk, not args.no_wait, report)


def stream_sound(
    pipeline: Pipeline,
    source: str | Path,
    target: str | Path,
    chunk: int | None = None,
    wait: bool = True,
    report: Callable[[str], None] = print,
) -> None:
    """Read, separate and write chunk by chunk.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `STFT` and a separator.
    source, target : str or Path
        Audio files, or ``"-"`` for standard input and output: 16-bit PCM, little-endian, mono, at
        the model's sampling rate.
    chunk : int or None, default=None
        Samples of a chunk; None stands for the hop length.
    wait : bool, default=True
        Whether to read in real time, as from a microphone.
    report : callable, default=print
        Prints lines of text.

    Raises
    ------
    ValueError, OSError
        If a file cannot be read or written, or has another sampling rate; if it cannot be decoded
        up to its end, after the part before is written.
    KeyboardInterrupt
        If there was an interrupt, after all samples read before it are written.
    """
    separator = StreamingSeparator(pipeline)
    if chunk is not None:
        chunk = check_size("chunk", chunk, high=MAX_CHUNK_SAMPLES)
    rate, chunk = separator.sample_rate_, chunk or separator.hop_length_
    load = Load(rate)
    with contextlib.ExitStack() as stack:
        broken: list[Exception] = []
        chunks = _until_broken(open_input(stack, source, rate, chunk), broken)
        write = stack.enter_context(open_output(target, rate))
        interrupt = stack.enter_context(Interrupt())
        for samples in _until_interrupt(chunks, interrupt, rate if wait else None):
            load.n_times += len(samples)
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


def _until_interrupt(
    chunks: Iterator[np.ndarray], interrupt: Interrupt, rate: int | None
) -> Iterator[np.ndarray]:
    """Iterate until an interrupt, in real time where there is a sampling rate."""
    begin, n_times = time.perf_counter(), 0
    while (samples := interrupt.wait(next, chunks, None)) is not None:
        n_times += len(samples)
        if rate is not None:
            # A microphone delivers a chunk with its last sample.
            seconds = begin + n_times / rate - time.perf_counter()
            interrupt.wait(time.sleep, max(seconds, 0))
        yield samples


def _until_broken(chunks: Iterator[np.ndarray], broken: list[Exception]) -> Iterator[np.ndarray]:
    """Iterate until reading fails; keep the error until the chunks before are written."""
    try:
        yield from chunks
    except ValueError as error:
        broken.append(error)


class Load:
    """Measurement of the load: the time of separation divided by the duration of the sound.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    """

    def __init__(self, sample_rate: int):
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
    def due(self) -> bool:
        """Whether ten more seconds of sound are complete since the last time this was read."""
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
