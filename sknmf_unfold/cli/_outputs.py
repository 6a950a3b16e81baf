"""Checks of output files and folders before a command computes, and of standard output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sknmf_unfold.base.atomic_files import check_writable


def check_not_read(path: Path, sources: list[Path]) -> None:
    """Raise ``ValueError`` if an output file is one of the input files.

    Parameters
    ----------
    path : Path
        The output file.
    sources : list of Path
        The input files.

    Raises
    ------
    ValueError
        If it is one of them, also under another name.

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
    """Raise unless files can be created in a folder, which need not exist yet.

    Parameters
    ----------
    path : Path

    Raises
    ------
    NotADirectoryError
        If the path, or a parent of it, is a file.
    OSError
        If nothing can be created in it, or in the folder where it would be created.

    Examples
    --------
    >>> check_output_folder(Path(__file__) / "results")
    Traceback (most recent call last):
    ...
    NotADirectoryError: ..._outputs.py is a file; choose a folder for -o.
    """
    existing = next(part for part in (path, *path.absolute().parents) if part.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"{existing} is a file; choose a folder for -o.")
    check_writable(existing / "results")


def flush_output() -> None:
    """Flush standard output."""
    # None stands for a standard output that is closed.
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output() -> None:
    """Discard output that cannot be written, which would raise when Python exits."""
    try:
        flush_output()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
