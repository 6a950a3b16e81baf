"""Pairs of noisy and clean recordings, from folders or a manifest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sknmf_unfold.datasets import paired_files

from ._folders import MAX_VALIDATION_SHARE, Recording, draw_groups, hold_out, pair_recordings

# Columns of a manifest; the last one may be missing.
COLUMNS = ("noisy", "clean", "group")


class Pairs(NamedTuple):
    """Pairs of noisy and clean recordings.

    Attributes
    ----------
    paths : list of tuple of Path
        Noisy and clean file of each.
    recordings : list of Recording
        The noisy ones.
    groups : list of str or None
        Group of each pair, for example the speaker; None where there are no groups.
    """

    paths: list[tuple[Path, Path]]
    recordings: list[Recording]
    groups: list[str] | None = None

    def subset(self, indices: Sequence[int]) -> Pairs:
        """Select the pairs at `indices`."""
        groups = None if self.groups is None else [self.groups[i] for i in indices]
        paths = [self.paths[i] for i in indices]
        return Pairs(paths, [self.recordings[i] for i in indices], groups)

    def hold_out(self, fraction: float, rng: np.random.RandomState) -> np.ndarray:
        """Draw pairs for validation: whole groups, else whole folders if they suit.

        Parameters
        ----------
        fraction : float
            Least share of the pairs for validation.
        rng : numpy.random.RandomState

        Returns
        -------
        held_out : ndarray of bool of shape (n_pairs,)

        Raises
        ------
        ValueError
            If there is only one group.
        """
        if self.groups is None:
            return hold_out(self.recordings, fraction, rng)
        return hold_out_groups(self.groups, fraction, rng)


def add_manifest(sub: argparse.ArgumentParser, columns: Sequence[str]) -> None:
    """Add the arguments of a manifest with the columns of these names by default."""
    table = "table of pairs, .csv or .parquet, with paths relative to its own folder"
    sub.add_argument("--manifest", type=Path, metavar="FILE", default=None, help=table)
    names = f"names of its columns: {', '.join(columns)} (the default)"
    sub.add_argument("--columns", nargs="+", metavar="NAME", default=None, help=names)


def check_columns(args: argparse.Namespace) -> None:
    """Raise ``ValueError`` for names of columns without a manifest."""
    if args.columns and args.manifest is None:
        raise ValueError("--columns names the columns of a --manifest; leave it out.")


def find_pairs(args: argparse.Namespace, columns: Sequence[str]) -> Pairs:
    """Find the pairs of the options ``--noisy`` and ``--clean``, or ``--manifest``.

    Parameters
    ----------
    args : argparse.Namespace
    columns : sequence of str
        Names of the manifest's columns unless ``--columns`` has others.

    Returns
    -------
    pairs : Pairs

    Raises
    ------
    ValueError
        If files do not pair up, or the manifest is not as described.
    """
    if args.manifest is not None:
        return pairs_in_manifest(args.manifest, args.columns or columns)
    return pairs_in_folders(args.noisy, args.clean)


def pairs_in_folders(noisy: Sequence[Path], clean: Sequence[Path]) -> Pairs:
    """Pair the recordings of files and folders, see `pair_recordings`."""
    pairs = pair_recordings(noisy, clean)
    return Pairs(list(pairs.values()), list(pairs))


def pairs_in_manifest(path: Path, columns: Sequence[str]) -> Pairs:
    """List the pairs of a manifest, see `datasets.paired_files`; no recording is opened."""
    found = paired_files(manifest=path, columns=columns)
    noisy = found.X.paths
    recordings = [Recording(each, each.parent.parts) for each in noisy]
    groups = None if found.groups is None else found.groups.tolist()
    return Pairs(list(zip(noisy, found.y.paths, strict=True)), recordings, groups)


def check_groups(groups: Sequence[str]) -> None:
    """Raise ``ValueError`` if several recordings are all of one group."""
    if len(groups) > 1 and len(set(groups)) == 1:
        raise ValueError(
            f"All recordings are of the group {groups[0]!r}, but validation needs another one. Add "
            f"recordings of other groups, or name no column of groups: --columns noisy clean."
        )


def hold_out_groups(
    groups: Sequence[str], fraction: float, rng: np.random.RandomState
) -> np.ndarray:
    """Draw whole groups of recordings for validation.

    Parameters
    ----------
    groups : list of str
        Group of each recording, at least two different ones.
    fraction : float
        Share of the recordings for validation: at least, where whole groups allow it.
    rng : numpy.random.RandomState

    Returns
    -------
    held_out : ndarray of bool of shape (n_recordings,)
        Groups that have this share together, and not much more than it or `MAX_VALIDATION_SHARE`;
        where there are none, the smallest group.

    Raises
    ------
    ValueError
        If there is only one group.

    Examples
    --------
    >>> hold_out_groups(["ann", "ann", "bob", "bob", "bob"], 0.1, np.random.RandomState(0))
    array([ True,  True, False, False, False])
    """
    check_groups(groups)
    _, labels, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    least, most = int(np.ceil(fraction * len(groups))), int(MAX_VALIDATION_SHARE * len(groups))
    if least > most:
        most = len(groups) - int(sizes.min())
    drawn = draw_groups(groups, least, most, rng)
    return labels == sizes.argmin() if drawn is None else drawn
