"""The checkpoint of a fit: what the fit depends on, and where it resumes."""

from __future__ import annotations

import contextlib
import hashlib
import json

from sknmf_unfold._version import __version__
from sknmf_unfold.base.tensors import resolve_device, tree_to_numpy
from sknmf_unfold.validation.options import check_folder
from sknmf_unfold.validation.warn import warn_user

# Of these the first two change no result, and the device counts as the one that it stands for.
NOT_OF_THE_FIT = ("verbose", "checkpoint_dir", "device")
# The fact that only a fit has which begins with a fitted model.
START = "fitted model"
# Errors that come from content of another structure.
UNSUITABLE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def open_checkpoint(separator, data):
    """Find the checkpoint of a fit; without `checkpoint_dir` one that does nothing.

    Parameters
    ----------
    separator : TrainedSeparator
        Its parameters are checked, and its fitted attributes are what the fit begins with.
    data : tuple
        Checked mixtures, targets and None or the pair to watch.

    Returns
    -------
    checkpoint : Checkpoint or NoCheckpoint
        Of a file whose name tells this fit from any other.

    Raises
    ------
    TypeError
        If a parameter cannot be recognised by another process.
    """
    from sknmf_unfold.training.checkpoint import NoCheckpoint

    if separator.checkpoint_dir is None:
        return NoCheckpoint()
    facts = _facts(separator, data)
    left = getattr(separator, "_interrupted_start", None)
    if left is not None:
        checkpoint = _checkpoint(separator, facts | left)
        if checkpoint.path.exists():
            return checkpoint
    if goes_on(separator):
        start = tree_to_numpy(separator._fitted_values())
        facts |= {START: _fingerprint("warm_start", start)}
    checkpoint = _checkpoint(separator, facts)
    _warn_of_others(checkpoint.path)
    return checkpoint


def goes_on(separator):
    """Whether a fit begins with the weights of the last one."""
    return separator.warm_start and separator.__sklearn_is_fitted__()


def note_interrupt(separator, checkpoint):
    """Let the next fit find the checkpoint of one that `warm_start` would not begin with again."""
    if separator.warm_start and checkpoint.path is not None:
        facts = checkpoint.facts
        separator._interrupted_start = {name: facts[name] for name in facts if name == START}


@contextlib.contextmanager
def naming(checkpoint):
    """Make what unsuitable content of a checkpoint raises inside name its file."""
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except UNSUITABLE as error:
        raise checkpoint.unsuitable(error) from error


def _facts(separator, data):
    parameters = separator.get_params(deep=False)
    facts = {k: _fingerprint(k, v) for k, v in parameters.items() if k not in NOT_OF_THE_FIT}
    names = ("X", "y", "validation_data")
    contents = zip(names, map(_content, data), strict=True)
    return facts | {name: _fingerprint(name, content) for name, content in contents}


def _fingerprint(name, value):
    from sknmf_unfold.training.fingerprints import fingerprint

    try:
        return fingerprint(value)
    except TypeError as error:
        raise TypeError(
            f"`{name}` is {error}. A fit with `checkpoint_dir` has to know its checkpoint again; "
            f"use another `{name}`, or checkpoint_dir=None."
        ) from error


def _checkpoint(separator, facts):
    """Make the checkpoint of these facts; its name has those of the fit, then of where it runs."""
    import torch

    from sknmf_unfold.training.checkpoint import Checkpoint

    folder = check_folder("checkpoint_dir", separator.checkpoint_dir)
    device = str(resolve_device(separator.device))
    place = {"sknmf_unfold": __version__, "torch": str(torch.__version__), "device": device}
    name = f"{type(separator).__name__}-{_key(facts)}-{_key(place)}.checkpoint"
    return Checkpoint(folder / name, facts | place)


def _key(facts):
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _warn_of_others(path):
    """Say so where the same fit was begun, but not with these versions on this device."""
    fit = path.name.rsplit("-", 1)[0]
    others = sorted(other.name for other in path.parent.glob(f"{fit}-*.checkpoint"))
    if others and not path.exists():
        warn_user(
            f"{path.parent} has a checkpoint of this fit by another version of sknmf_unfold or "
            f"torch, or on another device ({others[0]}); it stays, and this one trains from the "
            f"start.",
        )


def _content(part):
    """Return what determines recordings, or pairs of them, for a hash."""
    if isinstance(part, tuple):
        return [_content(each) for each in part]
    return None if part is None else part.content
