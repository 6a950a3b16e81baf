"""Separation of files, one after the other and each block by block."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from sknmf_unfold.datasets._audio_input import ForwardFile, open_audio, read_channels
from sknmf_unfold.datasets.audio_files import _check_rate
from sknmf_unfold.validation.recordings import check_peak

from ._bars import terminal_bar
from ._interrupts import Interrupt
from ._recordings import say
from ._separation import RecordingSeparator
from ._separation_files import Job, Protected
from ._separation_reports import Levels, Progress, Summary
from ._shared_masks import ChannelSeparator
from ._sound_writer import SoundFormat, SoundWriter, choose_output, open_writer

# Values of a block, all channels together: about 1.5 s of stereo at 44.1 kHz.
BLOCK_VALUES = 2**17
BAR_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
# Of several files, with the number of those that are complete.
FILES_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total} [{elapsed}<{remaining}]"


def separate_all(jobs: Sequence[Job], separation: FileSeparation) -> list[str]:
    """Separate all files; those that cannot be read do not stop the others.

    Parameters
    ----------
    jobs : sequence of Job
    separation : FileSeparation

    Returns
    -------
    failures : list of str
        Faults of files, one line for each.

    Raises
    ------
    KeyboardInterrupt
        After an interrupt; the file of that moment is not written.
    OSError
        If a result cannot be written, for example because the disk is full.
    """
    failures, summary = [], Summary()
    form = FILES_FORMAT if len(jobs) > 1 else BAR_FORMAT
    with contextlib.ExitStack() as stack:
        # One core suffices, and a second one would only wait for it.
        stack.enter_context(threadpool_limits(1))
        interrupt = stack.enter_context(Interrupt())
        bar = stack.enter_context(terminal_bar(len(jobs), "separate", form))
        for i, job in enumerate(jobs):
            progress = Progress(bar, interrupt, f"Interrupted after {i} of {len(jobs)} files")
            try:
                summary.add(separation.run(job, progress))
            except (ValueError, FileNotFoundError, IsADirectoryError) as error:
                failures.append(str(error))
            progress.complete()
    say(str(summary), sys.stderr)
    return failures


class FileSeparation:
    """Separate files of any format, in bounded memory.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `STFT` and a separator.
    protected : Protected
        Files that must not be overwritten.
    max_attenuation : float or None
        Bound in dB on what is taken away.
    residual : bool
        Whether to write the interference too.

    Raises
    ------
    TypeError, ValueError
        If the pipeline is another or not fitted, or the bound is invalid.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        protected: Protected,
        max_attenuation: float | None = None,
        residual: bool = False,
    ):
        self._pipeline, self._max_attenuation = pipeline, max_attenuation
        self._protected, self._residual = protected, residual
        self._separators: dict[int, ChannelSeparator] = {}
        self._separator(1)

    def _separator(self, n_channels):
        """Return the separator of that many channels; making one takes long."""
        if n_channels not in self._separators:
            made = ChannelSeparator(self._pipeline, n_channels, self._max_attenuation)
            self._separators[n_channels] = made
        return self._separators[n_channels]

    def run(self, job: Job, progress: Progress) -> Levels:
        """Separate one file.

        Parameters
        ----------
        job : Job
        progress : Progress

        Returns
        -------
        levels : Levels

        Raises
        ------
        FileNotFoundError, IsADirectoryError, ValueError
            If the file cannot be read or its result not written in any format.
        OSError
            If the result cannot be written.
        """
        with open_audio(job.source) as file:
            separator = self._separator(file.channels)
            _check_rate(job.source, file.samplerate, separator.sample_rate_)
            found = SoundFormat.of(file)
            target, form = choose_output(job.target, found)
            names = job._replace(target=target).outputs(self._residual)
            blocks = progress.follow(read_checked(file, job.source), file.frames)
            pairs = _separated(RecordingSeparator(separator, file.samplerate), blocks)
            writers, levels = self._write(names, form, file, pairs)
        if form != found:
            line = f"{job.source}: libsndfile cannot write this format; written as {target}"
            progress.write(line, sys.stderr)
        _report(writers, progress)
        return levels

    def _write(self, names, form, file, pairs):
        """Write target and interference; return the writers, which know what became of them."""
        self._protected.check(names)
        levels = Levels(file.samplerate)
        with contextlib.ExitStack() as stack:
            writers = [stack.enter_context(open_writer(n, form, file.frames)) for n in names]
            for inputs, outputs in pairs:
                levels.add(inputs, outputs)
                for writer, samples in zip(writers, (outputs, inputs - outputs), strict=False):
                    writer.write(samples)
        return writers, levels


def read_checked(file: ForwardFile, path: Path) -> Iterator[np.ndarray]:
    """Iterate over the blocks of a recording.

    Parameters
    ----------
    file : ForwardFile
    path : Path
        Its name, for messages.

    Yields
    ------
    block : ndarray of shape (n_times, n_channels), float32

    Raises
    ------
    ValueError
        If the file is empty or cannot be decoded up to its end, or a sample is not finite or too
        large.
    """
    n_times = 0
    for block in read_channels(file, path, max(1, BLOCK_VALUES // file.channels)):
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            raise ValueError(f"{path} contains NaN or infinity at sample {n_times + bad[0]}.")
        check_peak(block, str(path))
        n_times += len(block)
        yield block
    if n_times == 0:
        raise ValueError(f"{path} has no samples.")


def _separated(separator, blocks):
    """Yield samples of a recording and the same separated, up to its end."""
    for block in blocks:
        yield separator.process(block)
    yield separator.flush()


def _report(writers: Sequence[SoundWriter], progress: Progress) -> None:
    """Print the names of the files that were written, and where samples were clipped."""
    for writer in writers:
        progress.write(str(writer.path), sys.stdout)
        if writer.n_clipped:
            line = f"{writer.path}: {writer.n_clipped} samples beyond full scale were clipped"
            progress.write(line, sys.stderr)
