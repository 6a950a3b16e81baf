"""The checkpoint of a fit: its file name, made of all that the fit depends on, and its errors.

The format of the file is that of `training.checkpoint`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sknmf_unfold._version import __version__
from sknmf_unfold.base.tensors import resolve_device, tree_to_numpy
from sknmf_unfold.training.ranks import find_ranks
from sknmf_unfold.validation.options import check_folder
from sknmf_unfold.validation.warn import warn_user

if TYPE_CHECKING:
    from sknmf_unfold.training.checkpoint import Checkpoint, NoCheckpoint

    from ._fit_data import FitData

# Parameters that are not among the facts: the first two change no result, and "auto" stands for a
# device, which is a fact.
UNRELATED_PARAMETERS = ("verbose", "checkpoint_dir", "device")
# Name of the fact that only a fit with `warm_start` has.
START_FACT = "fitted model"
# Errors that content of another structure raises.
CONTENT_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def open_checkpoint(separator: Any, data: FitData) -> Checkpoint | NoCheckpoint:
    """Make the checkpoint of a fit; without `checkpoint_dir` one that does nothing.

    Parameters
    ----------
    separator : TrainedSeparator
        Its parameters are checked; with `warm_start` the fit starts from its fitted attributes.
    data : FitData

    Returns
    -------
    checkpoint : Checkpoint or NoCheckpoint
        Each fit has a file name of its own.

    Raises
    ------
    TypeError
        If a parameter cannot be recognised by another process.
    """
    from sknmf_unfold.training.checkpoint import NoCheckpoint

    # Rank 0 writes the checkpoint of all.
    if separator.checkpoint_dir is None or not find_ranks().is_first:
        return NoCheckpoint()
    facts = _facts(separator, data)
    left = getattr(separator, "_interrupted_start", None)
    if left is not None:
        checkpoint = _checkpoint(separator, facts | left)
        if checkpoint.path.exists():
            return checkpoint
    if resumes_fit(separator):
        start = tree_to_numpy(separator._fitted_values())
        facts |= {START_FACT: _fingerprint("warm_start", start)}
    checkpoint = _checkpoint(separator, facts)
    _warn_of_others(checkpoint.path)
    return checkpoint


def resumes_fit(separator: Any) -> bool:
    """Whether a fit starts from the weights of the last one."""
    return separator.warm_start and separator.__sklearn_is_fitted__()


def note_interrupt(separator: Any, checkpoint: Checkpoint | NoCheckpoint) -> None:
    """Note the start of an interrupted fit, which `warm_start` would replace by its result."""
    if separator.warm_start and checkpoint.path is not None:
        facts = checkpoint.facts
        separator._interrupted_start = {name: facts[name] for name in facts if name == START_FACT}


@contextlib.contextmanager
def naming(checkpoint: Checkpoint) -> Iterator[None]:
    """Raise errors of unsuitable content of a checkpoint as one that names the file."""
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except CONTENT_ERRORS as error:
        raise checkpoint.unsuitable(error) from error


def _facts(separator, data):
    parameters = separator.get_params(deep=False)
    facts = {k: _fingerprint(k, v) for k, v in parameters.items() if k not in UNRELATED_PARAMETERS}
    contents = {
        "X": data.mixtures.content,
        "y": data.targets.content,
        "validation_data": [part.content for part in data.validation or ()],
        "training_mixtures": None if data.dataset is None else vars(data.dataset),
    }
    return facts | {name: _fingerprint(name, content) for name, content in contents.items()}


def _fingerprint(name, value):
    from sknmf_unfold.training.fingerprints import fingerprint

    try:
        return fingerprint(value)
    except TypeError as error:
        raise TypeError(
            f"`{name}` is {error}. A fit with `checkpoint_dir` has to recognise its checkpoint; "
            f"use another `{name}`, or checkpoint_dir=None."
        ) from error


def _checkpoint(separator, facts):
    """Make the checkpoint of these facts, named by their hash, then by that of the platform."""
    import torch

    from sknmf_unfold.training.checkpoint import Checkpoint

    folder = check_folder("checkpoint_dir", separator.checkpoint_dir)
    device = str(resolve_device(separator.device))
    platform = {"sknmf_unfold": __version__, "torch": str(torch.__version__), "device": device}
    n_ranks = find_ranks().n
    if n_ranks > 1:
        platform["processes"] = str(n_ranks)
    name = f"{type(separator).__name__}-{_key(facts)}-{_key(platform)}.checkpoint"
    return Checkpoint(folder / name, facts | platform)


def _key(facts):
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _warn_of_others(path):
    """Warn where the same fit was begun with other versions, devices or processes."""
    fit = path.name.rsplit("-", 1)[0]
    others = sorted(other.name for other in path.parent.glob(f"{fit}-*.checkpoint"))
    if others and not path.exists():
        warn_user(
            f"{path.parent} has a checkpoint of this fit by another version of sknmf_unfold or "
            f"torch, by another number of processes, or on another device ({others[0]}); it "
            f"stays, and this one trains from the start.",
        )
