"""Sound files read from front to end: the bytes decide how long they are, not the header."""

from __future__ import annotations

import os

import numpy as np
import soundfile

from sknmf_unfold.validation.messages import shown_path

from ._header_repair import map_repaired

# Values of a block, all channels together: 4 MiB of float32.
BLOCK_VALUES = 2**20


class ForwardFile(soundfile.SoundFile):
    """Sound file read in blocks until nothing comes.

    In files that can be sought in, soundfile trusts the length that the header promises, and seeks
    after every block, at which an MP3 decoder loses what it carries from frame to frame.
    """

    def seekable(self):
        """Whether blocks may be read out of order: never."""
        return False


def open_audio(path):
    """Open an audio file to read it.

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
        If there is no file of that name.
    ValueError
        If it is not audio.
    """
    name = shown_path(path)
    if not _exists(path):
        raise FileNotFoundError(f"{name} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{name} is a folder; pass the audio files in it.")
    try:
        unclosed = map_repaired(path) if path.is_file() else None
        return ForwardFile(native_name(path) if unclosed is None else unclosed)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # TypeError: headerless .raw files, whose rate cannot be known.
        reason = explain(error)
        raise ValueError(f"{name} is not an audio file that can be read: {reason}") from error


def read_blocks(file, path, n_times=None):
    """Iterate over the blocks of a sound file, mixed down to mono.

    Parameters
    ----------
    file : ForwardFile
    path : Path
        Its name, for messages.
    n_times : int or None, default=None
        Samples of a block; None takes what 4 MiB hold.

    Yields
    ------
    block : ndarray of shape (n_times,), float32
        The last one may be shorter.

    Raises
    ------
    ValueError
        If the file cannot be decoded up to its end.
    """
    n_times = n_times or max(1, BLOCK_VALUES // file.channels)
    while len(block := _read_block(file, path, n_times)):
        # Infinities are reported by their place.
        with np.errstate(over="ignore", invalid="ignore"):
            mono = block.mean(axis=1)
        yield mono


def native_name(path):
    """Turn a path into what libsndfile opens, also where its bytes are not UTF-8."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def explain(error):
    """Return the text of an error of soundfile, without the name of the file."""
    return getattr(error, "error_string", None) or str(error)


def _read_block(file, path, n_times):
    try:
        return file.read(n_times, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise ValueError(
            f"{shown_path(path)} is not an audio file that can be read to its end: {explain(error)}"
        ) from error


def _exists(path):
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False
