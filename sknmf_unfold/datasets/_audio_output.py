"""Audio files as they are written, whose errors are those of the disk."""

from __future__ import annotations

import contextlib


def check_format(path):
    """Raise unless the suffix of a path names an audio format.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If it does not.

    Examples
    --------
    >>> from pathlib import Path
    >>> check_format(Path("speech.txt"))
    Traceback (most recent call last):
    ...
    ValueError: speech.txt: the suffix must name an audio format, as .wav, .flac or .ogg; got ...
    """
    import soundfile

    if path.suffix[1:].upper() not in soundfile.available_formats():
        raise ValueError(
            f"{path}: the suffix must name an audio format, as .wav, .flac or .ogg; got "
            f"{path.suffix!r}."
        )


@contextlib.contextmanager
def create_audio(file, path, sample_rate, subtype=None):
    """Begin a mono audio file.

    Parameters
    ----------
    file : binary file object
        Open for writing.
    path : Path
        Its name in messages, whose suffix names the format.
    sample_rate : int
        In Hz.
    subtype : str or None, default=None
        Of the samples, as libsndfile calls it; None takes the one that is usual for the format.

    Yields
    ------
    audio : soundfile.SoundFile

    Raises
    ------
    OSError
        If the disk is full, or whatever else the system has against it.
    ValueError
        If the suffix names no format, or libsndfile does not write this sampling rate in it.

    Examples
    --------
    >>> import io
    >>> from pathlib import Path
    >>> file = io.BytesIO()
    >>> with create_audio(file, Path("silence.wav"), 8000) as audio:
    ...     audio.write([0.0] * 1000)
    >>> len(file.getvalue())
    2044
    """
    import soundfile

    check_format(path)
    disk = _Disk(file)
    try:
        settings = {"subtype": subtype, "format": path.suffix[1:]}
        with soundfile.SoundFile(disk, "w", sample_rate, 1, **settings) as audio:
            yield audio
    except (soundfile.SoundFileError, TypeError, ValueError, AssertionError) as error:
        # soundfile asserts that all was written.
        if disk.error is None:
            raise ValueError(f"{path}: {getattr(error, 'error_string', error)}") from error
    if disk.error is not None:
        raise disk.error


class _Disk:
    """A file that keeps its first error, which libsndfile would print, or not even notice."""

    def __init__(self, file):
        self._file = file
        self.error = None

    def write(self, data):
        return self._try(self._file.write, data)

    def seek(self, *position):
        return self._try(self._file.seek, *position)

    def tell(self):
        return self._try(self._file.tell)

    def _try(self, call, *arguments):
        try:
            return call(*arguments)
        except OSError as error:
            self.error = self.error or error
            return 0
