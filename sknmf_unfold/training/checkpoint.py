"""Checkpoints: what training goes on from after it was killed."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import joblib
import numpy as np
import torch

from sknmf_unfold._atomic import replacing

HEADER = b"sknmf_unfold checkpoint 1\n"
DIGEST_SIZE = hashlib.sha256().digest_size
HASHED = "#"


class Checkpoint:
    """The file that one fit leaves behind while it runs.

    Parameters
    ----------
    path : Path
        The file; its folder is made where needed.
    facts : dict of str
        What the fit depends on. A file with other facts belongs to another fit.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(Path(folder) / "fit.checkpoint", {"seed": "0"})
    ...     checkpoint.save({"epoch": 3})
    ...     checkpoint.load()
    {'epoch': 3}
    """

    def __init__(self, path, facts):
        self.path = Path(path)
        self.facts = facts

    def save(self, state):
        """Replace the file; a kill at any moment leaves the old one or the new one, whole.

        Parameters
        ----------
        state : dict
            Tensors, numbers, strings, and lists and dicts of them.

        Raises
        ------
        OSError
            If it cannot be written, for example because the disk is full; the old file stays.
        """
        buffer = io.BytesIO()
        torch.save({"facts": self.facts, "state": state}, buffer)
        payload = buffer.getbuffer()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as unfinished, unfinished.open("wb") as file:
            file.write(HEADER + hashlib.sha256(payload).digest())
            file.write(payload)

    def load(self):
        """Read the file.

        Returns
        -------
        state : dict or None
            What was saved; None where there is no file.

        Raises
        ------
        ValueError
            If the file is damaged, something else, or of a fit with other facts.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        self._check_whole(content)
        payload = io.BytesIO(content[len(HEADER) + DIGEST_SIZE :])
        saved = torch.load(payload, map_location="cpu", weights_only=True)
        self._check_facts(saved["facts"])
        return saved["state"]

    def remove(self):
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)

    def _check_whole(self, content):
        if not content.startswith(HEADER):
            raise ValueError(
                f"{self.path} is not a checkpoint of this version; move it away or choose another "
                f"`checkpoint_dir`."
            )
        digest = content[len(HEADER) : len(HEADER) + DIGEST_SIZE]
        if hashlib.sha256(content[len(HEADER) + DIGEST_SIZE :]).digest() != digest:
            raise ValueError(
                f"{self.path} is damaged or truncated; delete it to train from the start."
            )

    def _check_facts(self, saved):
        names = [name for name, fact in self.facts.items() if saved.get(name) != fact]
        if names:
            differences = ", ".join(_difference(n, saved.get(n), self.facts[n]) for n in names)
            raise ValueError(
                f"{self.path} is of another fit: {differences}. Delete it to train from the "
                f"start, or choose another `checkpoint_dir`."
            )


class NoCheckpoint:
    """Where no checkpoint is wanted."""

    def load(self):
        """Find nothing."""

    def save(self, state):
        """Keep nothing.

        Parameters
        ----------
        state : dict
            Ignored.
        """

    def remove(self):
        """There is nothing to remove."""


def _difference(name, before, now):
    if before is None or now.startswith(HASHED):
        return f"{name} differs"
    return f"{name} was {before} and is {now}"


def describe(value):
    """Describe what a fit depends on in a short string, the same in every process.

    Parameters
    ----------
    value : object
        A plain value, or anything that joblib can hash: arrays, estimators, random generators.

    Returns
    -------
    description : str

    Examples
    --------
    >>> describe("auto"), describe(0.5)
    ("'auto'", '0.5')
    """
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)
    # Read-only memory maps, which joblib hands to its workers, count as the arrays they hold.
    return HASHED + joblib.hash(value, coerce_mmap=True)


def rng_state(rng):
    """Turn the state of a generator into a tensor and plain Python values.

    Parameters
    ----------
    rng : numpy.random.RandomState

    Returns
    -------
    state : dict
    """
    state = rng.get_state(legacy=False)
    key = torch.from_numpy(state["state"]["key"].astype(np.int64))
    return state | {"state": {"key": key, "pos": int(state["state"]["pos"])}}


def set_rng_state(rng, state):
    """Give a generator the state that `rng_state` returned.

    Parameters
    ----------
    rng : numpy.random.RandomState
    state : dict
    """
    key = state["state"]["key"].numpy().astype(np.uint32)
    rng.set_state(state | {"state": {"key": key, "pos": state["state"]["pos"]}})
