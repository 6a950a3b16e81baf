"""`paired_files`: noisy and clean recordings of folders or of a manifest, as lazy sequences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.messages import shown, shown_path
from sknmf_unfold.validation.options import check_choice, check_path

from ._audio_file import AudioFile, unreadable, warn_of_skipped
from ._manifest import read_manifest
from ._recording_search import check_distinct, find_recordings, pair_by_name
from .audio_sequence import ON_ERROR, AudioFiles

# Names of the arguments in messages.
NOISY, CLEAN = "`noisy`", "`clean`"


@dataclass(frozen=True)
class PairedFiles:
    """Noisy recordings, clean recordings, and groups of them.

    Parameters
    ----------
    X, y : AudioFiles
        Mixtures and targets, in pairs.
    groups : ndarray of shape (n_pairs,), str, or None
        Group of each pair, such as its speaker, for scikit-learn's ``GroupKFold`` and the like.
    skipped : list of tuple (Path, str)
        Files of the pairs that were left out, each with the reason.

    Examples
    --------
    >>> from sknmf_unfold.datasets import AudioFiles, PairedFiles, example_path
    >>> files = AudioFiles(example_path())
    >>> pairs = PairedFiles(X=files, y=files)
    >>> pairs.X[0].shape == pairs.y[0].shape
    True
    """

    X: AudioFiles
    y: AudioFiles
    groups: np.ndarray | None = None
    skipped: list[tuple[Path, str]] = field(default_factory=list)


@default_settings()
def paired_files(
    noisy: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    clean: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    *,
    manifest: str | os.PathLike | None = None,
    columns: Sequence[str] = ("noisy", "clean", "group"),
    sample_rate: int = 16000,
    on_error: str = "raise",
) -> PairedFiles:
    """Pair noisy and clean audio files, which are read when they are needed.

    Parameters
    ----------
    noisy, clean : str, path-like, or list of them, optional
        Folders, which are searched with all their subfolders, or files. They pair up by their names
        below the folders, without suffix: ``noisy/ann/1.wav`` and ``clean/ann/1.flac``. Hidden
        files, and files that are not audio, are left out.
    manifest : str or path-like, optional
        CSV or Parquet file with one row for each pair, in place of folders. Relative paths in it
        begin at its own folder. Parquet needs pyarrow (extra ``parquet``).
    columns : tuple of str, default=("noisy", "clean", "group")
        Names of the manifest's columns of noisy files, clean files and, if there are three, groups.
    sample_rate : int, default=16000
        Sampling rate in Hz to resample to.
    on_error : {"raise", "skip"}, default="raise"
        ``"raise"`` reports an unreadable file where its header is needed first, as in ``fit``.
        ``"skip"`` reads all headers now, and leaves out pairs with an unreadable file or of
        different lengths.

    Returns
    -------
    pairs : PairedFiles
        With ``X`` and ``y`` (`AudioFiles`), ``groups`` and ``skipped``. The groups of folders are
        the names of the first subfolders, ``"ann"`` above, and None where there are none.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If a folder or the manifest does not exist.
    ImportError
        If pyarrow is missing.
    TypeError, ValueError
        If an argument is not as described; if a folder has no audio, a file no partner or two files
        one name; if the manifest lacks a column or a value, has no rows, or names a noisy file
        twice; or, with ``"skip"``, if no pair is left.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sknmf_unfold.datasets import paired_files, save_audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("noisy/ann/1.wav", "clean/ann/1.flac", "noisy/bo/1.wav", "clean/bo/1.wav"):
    ...         path = pathlib.Path(folder) / name
    ...         path.parent.mkdir(parents=True)
    ...         save_audio(path, np.zeros(100))
    ...     pairs = paired_files(f"{folder}/noisy", f"{folder}/clean")
    >>> len(pairs.X), pairs.y.paths[0].name, pairs.groups
    (2, '1.flac', array(['ann', 'bo'], dtype='<U3'))
    """
    check_choice("on_error", on_error, ON_ERROR)
    if manifest is None:
        paths, groups = _of_folders(_check_places(NOISY, noisy), _check_places(CLEAN, clean))
    elif noisy is None and clean is None:
        paths, groups = _of_manifest(check_path("manifest", manifest), _check_columns(columns))
    else:
        raise ValueError("Pass either `noisy` and `clean`, or `manifest`, not both.")
    X, y = (AudioFiles(each, sample_rate) for each in paths)
    pairs = PairedFiles(X, y, None if groups is None else np.array(groups))
    return pairs if on_error == "raise" else _without_faults(pairs)


def _check_places(name: str, places: Any) -> list[Path]:
    if places is None:
        raise ValueError(f"{name} is missing: pass `noisy` and `clean`, or a `manifest`.")
    several = isinstance(places, (list, tuple))
    places = list(places) if several else [places]
    if not places:
        raise ValueError(f"{name} is an empty list; at least one folder or file is needed.")
    label = name.strip("`")
    labels = [f"{label}[{i}]" if several else label for i in range(len(places))]
    return [check_path(*pair) for pair in zip(labels, places, strict=True)]


def _check_columns(columns: Any) -> list[str]:
    is_list = isinstance(columns, (list, tuple)) and all(isinstance(each, str) for each in columns)
    if not is_list or len(columns) not in (2, 3) or len(set(columns)) < len(columns):
        raise ValueError(
            f"`columns` must be two or three different names, of the columns of noisy files, clean "
            f"files and groups; got {shown(columns)}."
        )
    return list(columns)


def _of_folders(noisy, clean):
    found = find_recordings(noisy), find_recordings(clean)
    check_distinct(*found, (NOISY, CLEAN))
    pairs = pair_by_name(*found, (NOISY, CLEAN))
    paths = [[recording.path for recording in each] for each in zip(*pairs, strict=True)]
    groups = ["".join(recording.folders[1:2]) for recording, _ in pairs]
    return paths, groups if any(groups) else None


def _of_manifest(manifest, columns):
    noisy, clean, *groups = read_manifest(manifest, columns)
    _check_unique(manifest, columns[0], noisy)
    labels = [f"{columns[i]} of {manifest}" for i in range(2)]
    paths = [
        [manifest.parent / check_path(label, path) for path in each]
        for label, each in zip(labels, (noisy, clean), strict=True)
    ]
    return paths, groups[0] if groups else None


def _check_unique(manifest, column, paths):
    seen = set()
    for path in paths:
        if path in seen:
            raise ValueError(
                f"{shown_path(manifest)} names {shown_path(path)} twice in column {column!r}; each "
                f"noisy recording has one row."
            )
        seen.add(path)


def _without_faults(pairs: PairedFiles) -> PairedFiles:
    """Leave out pairs that cannot be read, or that differ in length."""
    items = list(zip(pairs.X.items(), pairs.y.items(), strict=True))
    faults = [_fault(*pair) for pair in items]
    keep = np.array([fault is None for fault in faults])
    skipped = [fault for fault in faults if fault is not None]
    warn_of_skipped(skipped, len(items), "pairs of files")
    groups = None if pairs.groups is None else pairs.groups[keep]
    return PairedFiles(pairs.X[keep], pairs.y[keep], groups, skipped)


def _fault(noisy: AudioFile, clean: AudioFile) -> tuple[Path, str] | None:
    """Return the first fault of a pair: the file and the reason."""
    for item in (noisy, clean):
        reason = unreadable(item)
        if reason is not None:
            return item.path, reason
    if len(noisy) == len(clean):
        return None
    return noisy.path, (
        f"{shown_path(noisy.path)} has {len(noisy)} samples but {shown_path(clean.path)} has "
        f"{len(clean)}; they must be equally long."
    )
