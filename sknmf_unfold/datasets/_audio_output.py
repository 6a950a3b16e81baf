"""Audio output: encoding of audio files whose format is named by their suffix.

Errors of the disk are raised as such; libsndfile alone would print or ignore them. A format that
libsndfile does not know would be added to `check_format` and `AudioOutput`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import ArrayLike


def check_format(path: Path) -> None:
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
    """Audio file, open for writing; a context manager.

    Parameters
    ----------
    file : binary file object
        Open for writing.
    path : Path
        Name of the file, for messages and, by its suffix, for the format.
    sample_rate : int
        Sampling rate in Hz.
    subtype : str or None, default=None
        Encoding of the samples, as libsndfile calls it; None takes the default of the format.
    n_channels : int, default=1
        Number of channels.
    format : str or None, default=None
        Format, as libsndfile calls it; None takes that of the suffix.

    Raises
    ------
    OSError
        If the disk is full or another error of the system occurs, also in the methods.
    ValueError
        If the suffix names no format, or the format does not have this sampling rate.

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

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        sample_rate: int,
        subtype: str | None = None,
        n_channels: int = 1,
        format: str | None = None,
    ) -> None:
        from soundfile import SoundFile

        if format is None:
            check_format(path)
        self._disk, self._path = _Disk(file), path
        settings = {"subtype": subtype, "format": format or path.suffix[1:]}
        self._audio = self._try(SoundFile, self._disk, "w", sample_rate, n_channels, **settings)

    def __enter__(self) -> AudioOutput:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, samples: ArrayLike) -> None:
        """Append samples.

        Parameters
        ----------
        samples : array-like of shape (n_times,), or (n_times, n_channels)
        """
        self._try(self._audio.write, samples)

    def close(self) -> None:
        """Write the samples that the encoder has buffered, and the final header."""
        self._try(self._audio.close)

    def _try(self, call: Callable, *arguments: object, **settings: object) -> Any:
        """Call libsndfile; raise the error of the disk, or its own with the name of the file."""
        from soundfile import SoundFileError

        from ._audio_input import explain

        result = None
        try:
            result = call(*arguments, **settings)
        except (SoundFileError, TypeError, ValueError, AssertionError) as error:
            # AssertionError: soundfile has written too few samples.
            if self._disk.error is None:
                raise ValueError(f"{self._path}: {explain(error)}") from error
        if self._disk.error is not None:
            raise self._disk.error
        return result


class _Disk:
    """File that stores its first error, which libsndfile would print or ignore."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: Exception | None = None

    def write(self, data: Any) -> int:
        return self._try(self._file.write, data)

    def seek(self, *position: int) -> int:
        return self._try(self._file.seek, *position)

    def tell(self) -> int:
        return self._try(self._file.tell)

    def _try(self, call: Callable[..., int], *arguments: Any) -> int:
        try:
            return call(*arguments)
        except (OSError, ValueError) as error:  # ValueError: already closed
            self.error = self.error or error
            return 0
