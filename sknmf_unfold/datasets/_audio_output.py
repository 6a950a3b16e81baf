"""Audio files as they are written, whose errors are those of the disk."""

from __future__ import annotations


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


class AudioOutput:
    """A mono audio file that is being written.

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

    Raises
    ------
    OSError
        If the disk is full, or whatever else the system has against it, also by the methods.
    ValueError
        If the suffix names no format, or libsndfile does not write this sampling rate in it.

    Examples
    --------
    >>> import io
    >>> from pathlib import Path
    >>> file = io.BytesIO()
    >>> with AudioOutput(file, Path("silence.wav"), 8000) as output:
    ...     output.write([0.0] * 1000)
    >>> len(file.getvalue())
    2044
    """

    def __init__(self, file, path, sample_rate, subtype=None):
        from soundfile import SoundFile

        check_format(path)
        self._disk, self._path = _Disk(file), path
        settings = {"subtype": subtype, "format": path.suffix[1:]}
        self._audio = self._try(SoundFile, self._disk, "w", sample_rate, 1, **settings)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def write(self, samples):
        """Append samples.

        Parameters
        ----------
        samples : array-like of shape (n_times,)
        """
        self._try(self._audio.write, samples)

    def close(self):
        """Write what the encoder has kept back."""
        self._try(self._audio.close)

    def _try(self, call, *arguments, **settings):
        """Call libsndfile; raise what the disk said, or what itself did, by the file's name."""
        from soundfile import SoundFileError

        from ._audio_input import explain

        result = None
        try:
            result = call(*arguments, **settings)
        except (SoundFileError, TypeError, ValueError, AssertionError) as error:
            # soundfile asserts that all was written.
            if self._disk.error is None:
                raise ValueError(f"{self._path}: {explain(error)}") from error
        if self._disk.error is not None:
            raise self._disk.error
        return result


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
        except (OSError, ValueError) as error:  # ValueError: closed since
            self.error = self.error or error
            return 0
