"""Audio input: decoding of sound files of any format that libsndfile knows, block by block.

Files are read to their last byte, because the length in a header may be wrong. A format that
libsndfile does not know would be added to `open_audio`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from sknmf_unfold.validation.messages import shown_path

from ._header_repair import map_repaired

# Values of one block, all channels together: 4 MiB of float32.
READ_BLOCK_VALUES = 2**20


class ForwardFile(soundfile.SoundFile):
    """Sound file read in blocks to its end.

    In seekable files soundfile relies on the length in the header, and seeks after every block,
    which resets the state of an MP3 decoder.
    """

    def seekable(self) -> bool:
        """Return False, so that soundfile reads to the end and never seeks."""
        return False


def open_audio(path: Path) -> ForwardFile:
    """Open an audio file for reading.

    Parameters
    ----------
    path : Path

    Returns
    -------
    file : ForwardFile
        A context manager.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ValueError
        If it is not audio.
    """
    name = shown_path(path)
    if not _exists(path):
        raise FileNotFoundError(f"{name} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{name} is a folder; pass the audio files in it.")
    try:
        repaired = map_repaired(path) if path.is_file() else None
        return ForwardFile(native_name(path) if repaired is None else repaired)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # TypeError: headerless .raw files, whose rate is unknown.
        reason = explain(error)
        raise ValueError(f"{name} is not an audio file that can be read: {reason}") from error


def read_blocks(file: ForwardFile, path: Path, n_times: int | None = None) -> Iterator[np.ndarray]:
    """Iterate over the blocks of a sound file, mixed down to mono.

    Parameters
    ----------
    file : ForwardFile
    path : Path
        Name of the file, for messages.
    n_times : int or None, default=None
        Samples of a block; by default 4 MiB of values.

    Yields
    ------
    block : ndarray of shape (n_times,), float32
        The last one may be shorter.

    Raises
    ------
    ValueError
        If the file cannot be decoded up to its end.
    """
    for block in read_channels(file, path, n_times):
        # `load_audio` reports infinities with their position.
        with np.errstate(over="ignore", invalid="ignore"):
            mono = block.mean(axis=1)
        yield mono


def read_channels(
    file: ForwardFile, path: Path, n_times: int | None = None
) -> Iterator[np.ndarray]:
    """Iterate over the blocks of a sound file, with all channels.

    Parameters
    ----------
    file : ForwardFile
    path : Path
        Name of the file, for messages.
    n_times : int or None, default=None
        Samples of a block; by default 4 MiB of values, or a whole short file.

    Yields
    ------
    block : ndarray of shape (n_times, n_channels), float32
        The last one may be shorter.

    Raises
    ------
    ValueError
        If the file cannot be decoded up to its end.
    """
    if n_times is None:
        n_times = max(1, READ_BLOCK_VALUES // file.channels)
        # Of a short file no more than it needs; a header without a length has 0 or a huge number.
        n_times = min(n_times, file.frames + 1) if file.frames > 0 else n_times
    while len(block := _read_block(file, path, n_times)):
        yield block


def native_name(path: Path) -> str | bytes:
    """Convert a path to a name for libsndfile, also if its bytes are not UTF-8."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def explain(error: Exception) -> str:
    """Return the message of an error of soundfile, without the name of the file."""
    return getattr(error, "error_string", None) or str(error)


def _read_block(file: ForwardFile, path: Path, n_times: int) -> np.ndarray:
    try:
        return file.read(n_times, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise ValueError(
            f"{shown_path(path)} is not an audio file that can be read to its end: {explain(error)}"
        ) from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False
