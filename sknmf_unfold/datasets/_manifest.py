"""Manifests: tables of recordings in CSV or Parquet files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sknmf_unfold.validation.messages import shown, shown_path

PARQUET_SUFFIXES = (".parquet", ".pq")


def read_manifest(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Read columns of a manifest.

    Parameters
    ----------
    path : Path
        A CSV file with names of columns in its first row, encoded in UTF-8, or a Parquet file.
    columns : list of str
        Names of the columns.

    Returns
    -------
    values : list of list of str
        One list for each column.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ImportError
        If pyarrow is missing, which Parquet needs; the extra ``parquet`` brings it.
    ValueError
        If the file is of another kind or damaged, lacks a column, has no rows, or a row has no
        value.
    """
    name = shown_path(path)
    if not path.exists():
        raise FileNotFoundError(f"{name} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{name} is a folder; `manifest` is a CSV or Parquet file.")
    suffix = path.suffix.lower()
    if suffix not in (".csv", *PARQUET_SUFFIXES):
        raise ValueError(f"`manifest` must be a .csv or .parquet file; got {name}.")
    read, first_row = (_read_csv, 2) if suffix == ".csv" else (_read_parquet, 1)
    values = read(path, columns)
    if not values[0]:
        raise ValueError(f"{name} has no rows; a manifest has one for each recording.")
    for column, cells in zip(columns, values, strict=True):
        _check_cells(name, column, cells, first_row)
    return [[str(cell) for cell in cells] for cells in values]


def _check_cells(name, column, cells, first_row):
    for row, cell in enumerate(cells, first_row):
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            raise ValueError(f"{name} has no value in column {column!r}, row {row}.")


def _check_columns(path: Path, found: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if found.count(column) > 1:
            raise ValueError(f"{shown_path(path)} has {found.count(column)} columns {column!r}.")
        if column not in found:
            raise ValueError(
                f"{shown_path(path)} has no column {column!r}; it has {shown(list(found))}. Pass "
                f"the names of its columns as `columns`: noisy, clean and, if there is one, group."
            )


def _read_csv(path: Path, columns: Sequence[str]) -> list[list[Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{shown_path(path)} is not a CSV file in UTF-8: {error}") from error
    header = rows[0] if rows else []
    _check_columns(path, header, columns)
    for number, row in enumerate(rows, 1):
        if row and len(row) != len(header):
            raise ValueError(
                f"{shown_path(path)} has {len(row)} values in row {number}, but {len(header)} "
                f"columns; a value with a comma in it is written in quotes."
            )
    indices = [header.index(column) for column in columns]
    return [[row[i] for row in rows[1:] if row] for i in indices]


def _read_parquet(path: Path, columns: Sequence[str]) -> list[list[Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(
            'A Parquet manifest needs pyarrow: pip install "sknmf_unfold[parquet]".'
        ) from error
    try:
        with ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names, columns)
            table = file.read(columns=list(columns))
    except (ArrowException, OSError) as error:
        raise ValueError(f"{shown_path(path)} is not a Parquet file: {error}") from error
    return [table.column(column).to_pylist() for column in columns]
