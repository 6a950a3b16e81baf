"""Files of results: one run a line of JSON, sorted by the fields that identify a run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sknmf_unfold.base.atomic_files import replacing

FOLDER = Path(__file__).parent / "results"
TABLE1_KEY = ("size", "model", "recipe", "variant", "seed")
VARIANTS_KEY = ("variant", "settings", "seed")


def read_rows(path: Path) -> list[dict]:
    """Read all rows of a file; there are none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def find_row(path: Path, key: dict) -> dict | None:
    """Find the row of a run.

    Parameters
    ----------
    path : Path
        The file.
    key : dict
        Values of the fields that identify the run.

    Returns
    -------
    row : dict or None
    """
    rows = read_rows(path)
    return next((row for row in rows if all(row[name] == key[name] for name in key)), None)


def add_row(path: Path, row: dict, fields: Sequence[str]) -> None:
    """Write a row into a file, in place of the one with the same key, and keep the file sorted.

    Several processes may add rows to one file at the same time.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made where they do not exist.
    row : dict
        Plain values.
    fields : sequence of str
        Names of the fields that identify a run; rows are sorted by their values.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent):
        rows = {tuple(old[name] for name in fields): old for old in read_rows(path)}
        rows[tuple(row[name] for name in fields)] = row
        with replacing(path) as unfinished:
            unfinished.write_text("".join(json.dumps(rows[key]) + "\n" for key in sorted(rows)))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from adding rows to files of a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
