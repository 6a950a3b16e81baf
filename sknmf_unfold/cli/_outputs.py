"""Checks of the files and folders that commands write, before an hour of work is lost on them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sknmf_unfold.base.atomic_files import check_writable


def check_not_read(path: Path, sources: list[Path]) -> None:
    """Raise ``ValueError`` if a file to write is one of those that are read.

    Parameters
    ----------
    path : Path
        The file to write.
    sources : list of Path
        The files that are read.

    Raises
    ------
    ValueError
        If it is one of them, also by another name.

    Examples
    --------
    >>> check_not_read(Path(__file__), [Path(__file__)])
    Traceback (most recent call last):
    ...
    ValueError: ..._outputs.py would overwrite an input; choose another name or folder for -o.
    """
    if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
        raise ValueError(f"{path} would overwrite an input; choose another name or folder for -o.")


def check_output_folder(path: Path) -> None:
    """Raise unless files can be made in a folder, which need not exist yet.

    Parameters
    ----------
    path : Path

    Raises
    ------
    NotADirectoryError
        If what stands where the folder is wanted is a file.
    OSError
        If nothing can be made in it, or in the folder where it would be made.

    Examples
    --------
    >>> check_output_folder(Path(__file__) / "results")
    Traceback (most recent call last):
    ...
    NotADirectoryError: ..._outputs.py is a file; choose a folder for -o.
    """
    standing = next(part for part in (path, *path.absolute().parents) if part.exists())
    if not standing.is_dir():
        raise NotADirectoryError(f"{standing} is a file; choose a folder for -o.")
    check_writable(standing / "results")


def flush_output():
    """Write what was printed; None stands for a standard output that is closed."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output():
    """Forget what cannot be written, about which Python would complain when it ends."""
    try:
        flush_output()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
