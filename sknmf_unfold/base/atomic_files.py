"""Files that are written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file beside its target, which it replaces when it is complete and on the disk.

    An error, an interrupt or a kill at any moment leaves the old file as it was. The unfinished
    file is in a hidden folder beside the target, which is removed with it, except after a kill. It
    has the permissions of the file that it replaces, otherwise those of any new file. A symbolic
    link stays, and the file that it points to is replaced. A target that is no regular file, such
    as a pipe or ``/dev/null``, gets the content when it is complete.

    Parameters
    ----------
    path : str or os.PathLike
        The file to create or to replace.

    Yields
    ------
    unfinished : Path
        A name for the file to write, with the name and suffix of `path`.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the folder to write into does not exist, or `path` is one.
    OSError
        If the file cannot be written, for example because the disk is full; it names `path`.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "greeting.txt") as unfinished:
    ...         _ = unfinished.write_text("hello")
    ...     print([file.name for file in Path(folder).iterdir()])
    ['greeting.txt']
    """
    path = Path(path)
    with naming(path):
        _check_place(path)
        with _staging_folder(path) as folder:
            unfinished = Path(folder) / path.name
            yield unfinished
            _put(unfinished, path)


def check_writable(path: Path) -> None:
    """Raise unless a file of that name can be created or replaced, by trying.

    Parameters
    ----------
    path : Path
        The file, which is neither created nor changed.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If its folder does not exist, or it is a folder.
    OSError
        If the folder cannot be written into, or an existing file cannot be replaced.

    Examples
    --------
    >>> check_writable(Path("no_such_folder") / "model.skops")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no_such_folder/model.skops: there is no folder no_such_folder; create it ...
    """
    with naming(path):
        _check_place(path)
        with _staging_folder(path) as folder:
            (Path(folder) / path.name).touch()


@contextlib.contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Make errors of the system name the file that was to be written.

    Parameters
    ----------
    path : Path or str
        The name.

    Raises
    ------
    OSError
        In place of one of the same kind, with the name.

    Examples
    --------
    >>> with naming("speech.wav"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    ...
    OSError: [Errno 28] No space left on device: 'speech.wav'
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _check_place(path):
    """Raise unless `path` is in a folder and is not one itself."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; create it first.")


def _is_special(path):
    """Whether `path` exists and is no regular file, so that it cannot be replaced by one."""
    return path.exists() and not path.is_file()


def _staging_folder(path):
    """Make a temporary folder on the disk of the target, hidden in its folder."""
    if _is_special(path):
        return tempfile.TemporaryDirectory()
    target = Path(os.path.realpath(path))
    if target.exists():
        # A file that may not be written must not be replaced either.
        target.open("r+b").close()
    return tempfile.TemporaryDirectory(prefix=".", suffix=".unfinished", dir=target.parent)


def _put(unfinished, path):
    """Move a complete file to its place."""
    if _is_special(path):
        _copy(unfinished, path)
        return
    target = Path(os.path.realpath(path))
    if target.exists():
        shutil.copymode(target, unfinished)
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        unfinished.replace(target)
    except OSError as error:
        # A file that is mounted on its own, as containers do.
        if error.errno != errno.EBUSY:
            raise
        _copy(unfinished, target)


def _copy(source, target):
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written)
