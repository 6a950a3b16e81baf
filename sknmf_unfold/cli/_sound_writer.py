"""Sound files in the format of others: container, encoding, sampling rate and channels."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.datasets._audio_input import ForwardFile, open_audio, read_channels
from sknmf_unfold.datasets._audio_output import AudioOutput

# Encodings that hold samples beyond [-1, 1]; the names of others may go on after these.
UNBOUNDED_SUBTYPES = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG")
# Bits of the encodings without compression by loss.
PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
# Bytes of samples beyond which a WAV file needs the longer header of RF64.
MAX_WAV_BYTES = 2**32 - 2**16
# libsndfile's Vorbis encoder overflows its stack on long blocks.
WRITE_BLOCK_SAMPLES = 2**16


class SoundFormat(NamedTuple):
    """Format of a sound file, in the words of libsndfile.

    Attributes
    ----------
    container, subtype : str
        Such as "FLAC" and "PCM_24".
    sample_rate : int
        In Hz.
    n_channels : int
    """

    container: str
    subtype: str
    sample_rate: int
    n_channels: int

    @classmethod
    def of(cls, file: ForwardFile) -> SoundFormat:
        """Return the format of an open file."""
        return cls(file.format, file.subtype, file.samplerate, file.channels)

    @property
    def is_writable(self) -> bool:
        """Whether libsndfile writes it: not the layers I and II of MPEG, and no MP3 in WAV."""
        try:
            self.open(io.BytesIO(), Path("sound")).close()
        except ValueError:
            return False
        return True

    @property
    def is_bounded(self) -> bool:
        """Whether samples beyond [-1, 1] are clipped."""
        return not self.subtype.startswith(UNBOUNDED_SUBTYPES)

    def open(self, file: BinaryIO, path: Path) -> AudioOutput:
        """Open a binary file object for writing; `path` names it in messages."""
        settings = (self.sample_rate, self.subtype, self.n_channels, self.container)
        return AudioOutput(file, path, *settings)


def choose_output(path: Path, form: SoundFormat) -> tuple[Path, SoundFormat]:
    """Choose name and format of an output file: those of its input, or WAV of 16 bits.

    Parameters
    ----------
    path : Path
        Name of the output in the format of the input.
    form : SoundFormat
        Of the input.

    Returns
    -------
    path : Path
        It ends in .wav if libsndfile cannot write the format.
    form : SoundFormat

    Examples
    --------
    >>> choose_output(Path("a.mp2"), SoundFormat("MP3", "MPEG_LAYER_II", 16000, 1))[0].name
    'a.mp2.wav'
    """
    if form.is_writable:
        return path, form
    if path.suffix.lower() != ".wav":
        path = path.with_name(f"{path.name}.wav")
    return path, form._replace(container="WAV", subtype="PCM_16")


@contextlib.contextmanager
def open_writer(path: Path, form: SoundFormat, n_expected: int = 0) -> Iterator[SoundWriter]:
    """Open a sound file for writing, which appears when it is complete.

    Parameters
    ----------
    path : Path
        Its folder is created if needed.
    form : SoundFormat
    n_expected : int, default=0
        About the number of samples of each channel, if it is known.

    Yields
    ------
    writer : SoundWriter

    Raises
    ------
    OSError
        If it cannot be written; an existing file is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        writer = SoundWriter(unfinished, path, form, n_expected)
        try:
            yield writer
        finally:
            writer.close()


class SoundWriter:
    """Sound file, open for writing.

    Samples beyond [-1, 1] turn a file of integers to one of floats, if its container has them (WAV
    and AIFF do, FLAC does not), and are clipped otherwise.

    Parameters
    ----------
    unfinished : Path
        The file to write.
    path : Path
        Its later name, for messages.
    form : SoundFormat
    n_expected : int, default=0
        About the number of samples of each channel, if it is known.

    Attributes
    ----------
    form : SoundFormat
        The present format.
    n_clipped : int
        Number of clipped values.
    """

    def __init__(self, unfinished: Path, path: Path, form: SoundFormat, n_expected: int = 0):
        self.form, self.n_clipped = form, 0
        self._unfinished, self.path, self._n_expected = unfinished, path, n_expected
        self._open()

    def _open(self):
        self._file = self._unfinished.open("wb")
        self._output = self.form.open(self._file, self.path)

    def write(self, samples: np.ndarray) -> None:
        """Append samples of shape (n_times, n_channels), float32."""
        for start in range(0, len(samples), WRITE_BLOCK_SAMPLES):
            self._write(samples[start : start + WRITE_BLOCK_SAMPLES])

    def _write(self, samples):
        if self.form.is_bounded:
            n_beyond = int((np.abs(samples) > 1).sum())
            if n_beyond and _has_floats(self.form.container):
                self._change_to_floats()
            else:
                self.n_clipped += n_beyond
        self._output.write(quantised(samples, self.form.subtype))

    def _change_to_floats(self):
        """Copy the samples so far to a file of floats, and go on there."""
        self.close()
        before = self._unfinished.replace(self._unfinished.with_name("before"))
        form = self.form._replace(subtype="FLOAT")
        if form.container == "WAV" and 4 * form.n_channels * self._n_expected > MAX_WAV_BYTES:
            form = form._replace(container="RF64")
        self.form = form
        self._open()
        with open_audio(before) as file:
            for block in read_channels(file, before, WRITE_BLOCK_SAMPLES):
                self._output.write(block)
        before.unlink()

    def close(self) -> None:
        """Complete the file."""
        with self._file:
            self._output.close()


def _has_floats(container):
    import soundfile

    return soundfile.check_format(container, "FLOAT")


def quantised(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Round samples to the steps of an encoding; libsndfile would round down.

    Parameters
    ----------
    samples : ndarray of float
        Clipped to [-1, 1] if the encoding is of integers.
    subtype : str
        Encoding, as libsndfile calls it.

    Returns
    -------
    samples : ndarray of int32
        Integers of 32 bits, of which the encoding keeps the highest; or the samples themselves if
        the encoding is not PCM.

    Examples
    --------
    >>> quantised(np.array([0.75, -2.0]) / 2**15, "PCM_16") // 2**16
    array([ 1, -2], dtype=int32)
    """
    bits = PCM_BITS.get(subtype)
    if bits is None:
        return samples
    full = 2.0 ** (bits - 1)
    steps = np.clip(np.rint(np.multiply(samples, full, dtype=np.float64)), -full, full - 1)
    return (steps * 2.0 ** (32 - bits)).astype(np.int32)
