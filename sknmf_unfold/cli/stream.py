"""The command `stream`: separate a file, standard input or a microphone, in real time."""

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
from sknmf_unfold.datasets.audio_files import MIN_RECORDING_RATE_HZ
from sknmf_unfold.streaming import StreamingSeparator
from sknmf_unfold.validation.parameters import MAX_SAMPLE_RATE, check_size

from ._interrupts import Interrupt
from ._live import Devices, list_devices, stream_live
from ._load import Load
from ._model_files import resolve_model
from ._outputs import check_not_read
from ._resampled_stream import ResampledStream
from ._stream_input import open_input
from ._stream_output import open_output
from .separate import add_model_arguments

# Largest number of samples in a chunk.
MAX_CHUNK_SAMPLES = 2**24
RESULT = Path("separated.wav")


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    about = "separate a recording, standard input or a microphone, chunk by chunk"
    sub = commands.add_parser("stream", help=about)
    source = "audio file, or - for raw 16-bit PCM, mono"
    sub.add_argument("input", type=Path, nargs="?", help=source)
    target = f"audio file, or - for PCM (default: {RESULT}), at the sampling rate of the input"
    sub.add_argument("-o", "--output", type=Path, default=None, help=target)
    add_model_arguments(sub)
    bound = "take away at most so many dB at each time and frequency (default: no bound)"
    sub.add_argument("--max-attenuation", type=float, metavar="DB", help=bound)
    rate = "sampling rate of PCM and of --live (default: that of the model)"
    sub.add_argument("--rate", type=int, metavar="HZ", default=None, help=rate)
    sub.add_argument("--chunk", type=int, default=None, help="samples; the hop length by default")
    sub.add_argument("--no-wait", action="store_true", help="do not pace a file in real time")
    _add_devices(sub)
    sub.set_defaults(run=run)


def _add_devices(sub):
    sub.add_argument("--live", action="store_true", help="from a microphone to a loudspeaker")
    device = "number or part of the name, as --list-devices shows them"
    for name in ("--input-device", "--output-device"):
        sub.add_argument(name, metavar="DEVICE", default=None, help=device)
    listing = "list microphones and loudspeakers, and end"
    sub.add_argument("--list-devices", action="store_true", help=listing)


def run(args: argparse.Namespace) -> None:
    """Separate a file, standard input or the sound of a microphone chunk by chunk."""
    if args.list_devices:
        print(list_devices())
        return
    _check_source(args)
    # Standard output may carry the samples.
    report = functools.partial(print, file=sys.stderr)
    rate = args.rate
    if rate is not None:
        rate = check_size("rate", rate, low=MIN_RECORDING_RATE_HZ, high=MAX_SAMPLE_RATE)
    pipe = resolve_model(args.model, args.trust_pickle)
    # One core suffices, and a second one would only wait for it.
    with threadpool_limits(1):
        if args.live:
            devices = Devices(args.input_device, args.output_device, rate)
            stream_live(pipe, devices, _chunk(args.chunk), args.max_attenuation, report)
            return
        target = args.output or RESULT
        if str(target) != "-":
            check_writable(target)
            check_format(target)
            check_not_read(target, [Path(args.model), args.input])
        settings = {"chunk": args.chunk, "rate": rate, "max_attenuation": args.max_attenuation}
        stream_sound(pipe, args.input, target, wait=not args.no_wait, report=report, **settings)


def _check_source(args):
    """Raise unless the options name one source and suit it."""
    if args.live and (args.input is not None or args.output is not None or args.no_wait):
        raise ValueError("--live goes from a microphone to a loudspeaker; leave out all files.")
    if not args.live and args.input is None:
        raise ValueError("Pass an audio file, - for standard input, or --live.")
    if not args.live and (args.input_device is not None or args.output_device is not None):
        raise ValueError("--input-device and --output-device are for --live.")
    if args.rate is not None and not args.live and str(args.input) != "-":
        raise ValueError(f"--rate is for PCM and --live; {args.input} states its own rate.")


def _chunk(chunk: int | None) -> int | None:
    """Check the number of samples in a chunk."""
    return None if chunk is None else check_size("chunk", chunk, high=MAX_CHUNK_SAMPLES)


def stream_sound(
    pipeline: Pipeline,
    source: str | Path,
    target: str | Path,
    *,
    chunk: int | None = None,
    rate: int | None = None,
    max_attenuation: float | None = None,
    wait: bool = True,
    report: Callable[[str], None] = print,
) -> None:
    """Read, separate and write chunk by chunk.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `STFT` and a separator.
    source, target : str or Path
        Audio files, or ``"-"`` for standard input and output: 16-bit PCM, little-endian, mono. The
        result has the sampling rate of the source, and as many samples.
    chunk : int or None, default=None
        Samples of a chunk; None stands for the hop length.
    rate : int or None, default=None
        Sampling rate of standard input in Hz; None stands for the model's.
    max_attenuation : float or None, default=None
        See `StreamingSeparator`.
    wait : bool, default=True
        Whether to read in real time, as from a microphone.
    report : callable, default=print
        Prints lines of text.

    Raises
    ------
    ValueError, OSError
        If a file cannot be read or written; if it cannot be decoded up to its end, after the part
        before is written.
    KeyboardInterrupt
        If there was an interrupt, after all samples read before it are written.
    """
    separator = StreamingSeparator(pipeline, max_attenuation=max_attenuation)
    chunk = _chunk(chunk)
    with contextlib.ExitStack() as stack:
        broken: list[Exception] = []
        rate, read = open_input(stack, source, rate or separator.sample_rate_)
        stream, load = ResampledStream(separator, rate), Load(rate)
        chunks = _until_broken(read(chunk or stream.hop_length), broken)
        write = stack.enter_context(open_output(target, rate))
        interrupt = stack.enter_context(Interrupt())
        for samples in _until_interrupt(chunks, interrupt, rate if wait else None):
            load.n_times += len(samples)
            with load:
                finished = stream.process(samples)
            write(finished)
            if load.due:
                report(str(load))
        with load:
            finished = stream.flush()
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
