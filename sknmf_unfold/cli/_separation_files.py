"""Input and output files of the command `separate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sknmf_unfold.base.model_files import begins_as_model

from ._folders import find_recordings


class Job(NamedTuple):
    """A recording and the file for its target.

    Attributes
    ----------
    source, target : Path
    """

    source: Path
    target: Path

    def outputs(self, residual: bool) -> list[Path]:
        """Name the files to write: that of the target, and with `residual` of the interference.

        Examples
        --------
        >>> [path.name for path in Job(Path("a.wav"), Path("out/a.wav")).outputs(residual=True)]
        ['a.wav', 'a.residual.wav']
        """
        name = f"{self.target.stem}.residual{self.target.suffix}"
        return [self.target, self.target.with_name(name)] if residual else [self.target]


def find_jobs(inputs: Sequence[Path], output: Path) -> list[Job]:
    """List the recordings of files and folders, each with the file for its target.

    Parameters
    ----------
    inputs : list of Path
        Files, and folders that are searched with all their subfolders; hidden ones are left out,
        and so is `output`, which may have earlier results.
    output : Path
        Folder of the results, below which the folders of the recordings are repeated.

    Returns
    -------
    jobs : list of Job

    Raises
    ------
    ValueError
        If a folder has no recordings, two targets have one name, or an input is a model.
    """
    jobs = []
    for path in inputs:
        if path.is_dir():
            jobs += [Job(file, output / file.relative_to(path)) for file in _search(path, output)]
        else:
            _refuse_model(path)
            jobs.append(Job(path, output / path.name))
    _refuse_twins(jobs)
    return jobs


def _search(folder, output):
    """List the recordings below a folder, without earlier results."""
    results = output.resolve()
    if folder.resolve() == results:
        raise ValueError(f"{folder} would get results among its recordings; choose another -o.")
    found = [recording.path for recording in find_recordings([folder])]
    return [path for path in found if results not in path.resolve().parents]


def _refuse_model(path):
    """Raise ``ValueError`` for a model in place of a recording."""
    if begins_as_model(path):
        raise ValueError(f"{path} is a model, not a recording; pass it as --model {path}")


def _refuse_twins(jobs):
    """Raise ``ValueError`` if two recordings would be written to one file."""
    sources: dict[Path, Path] = {}
    for job in jobs:
        other = sources.setdefault(job.target, job.source)
        if other is not job.source:
            raise ValueError(
                f"{other} and {job.source} have the same name; separate them into different "
                f"folders."
            )


class Protected:
    """Files that must not be overwritten, also not under other names.

    Parameters
    ----------
    paths : iterable of Path
    """

    def __init__(self, paths: Iterable[Path]):
        self._files = {_identity(path) for path in paths if path.exists()}

    def check(self, outputs: Iterable[Path]) -> None:
        """Raise ``ValueError`` if an output is one of them."""
        for path in outputs:
            if path.exists() and _identity(path) in self._files:
                raise ValueError(
                    f"{path} would overwrite an input; choose another name or folder for -o."
                )


def _identity(path):
    status = path.stat()
    return status.st_dev, status.st_ino
