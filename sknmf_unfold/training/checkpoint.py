"""Checkpoints: the file that training resumes from after it was killed.

The file is a line (`HEADER`), the SHA-256 digest of the rest, and a dict in torch's own format:
``"facts"``, the fingerprints of all that the fit depends on, and ``"state"``, that of a `Trainer`
and the plan of the fit.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import torch

from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.validation.warn import warn_user

from .file_lock import FileLock
from .fingerprints import HASHED

HEADER = b"sknmf_unfold checkpoint 1\n"
DIGEST_BYTES = hashlib.sha256().digest_size


class Checkpoint:
    """The checkpoint file of one fit.

    Inside a ``with`` statement no other fit, in any thread or process, can use the file.

    Parameters
    ----------
    path : Path
        The file; its folder is made where needed.
    facts : dict of str
        Fingerprints of all that the fit depends on. A file with other facts belongs to another
        fit.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Checkpoint(Path(folder) / "fit.checkpoint", {"seed": "0"}) as checkpoint:
    ...         checkpoint.save({"epoch": 3})
    ...         checkpoint.load()
    {'epoch': 3}
    """

    def __init__(self, path: Path, facts: dict[str, str]):
        self.path = Path(path)
        self.facts = facts
        self._lock = FileLock(self.path.with_suffix(".lock"))
        self._has_warned = False

    def __enter__(self) -> Checkpoint:
        """Lock the checkpoint, and check that its folder can be written.

        Raises
        ------
        OSError
            If nothing can be written into the folder.
        ValueError
            If the same fit is running elsewhere.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            locked = self._lock.acquire(HEADER)
        except OSError as error:
            raise OSError(
                error.errno,
                f"`checkpoint_dir` is {folder}, where nothing can be written ({error.strerror}); "
                f"free some space or choose another folder",
            ) from error
        if not locked:
            raise ValueError(
                f"The same fit is running and has its checkpoint in {self.path}; wait for it to "
                f"end, or choose another `checkpoint_dir`."
            )
        # Files that a kill left half-written.
        for unfinished in folder.glob(f".*.unfinished/{self.path.name}"):
            shutil.rmtree(unfinished.parent, ignore_errors=True)
        return self

    def __exit__(self, *_):
        self._lock.release()

    def save(self, state: dict) -> None:
        """Replace the file; a kill at any moment leaves the old one or the new one, whole.

        Where it cannot be written, for example because the disk is full, the old file stays, and
        the first such failure is reported by a warning.

        Parameters
        ----------
        state : dict
            Tensors, numbers, strings, and lists and dicts of them.
        """
        buffer = io.BytesIO()
        torch.save({"facts": self.facts, "state": state}, buffer)
        payload = buffer.getbuffer()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as unfinished, unfinished.open("wb") as file:
                file.write(HEADER + hashlib.sha256(payload).digest())
                file.write(payload)
        except OSError as error:
            self._warn(error)

    def load(self) -> dict | None:
        """Read the file.

        Returns
        -------
        state : dict or None
            The saved one; None where there is no file.

        Raises
        ------
        ValueError
            If the file is damaged, no checkpoint, or of a fit with other facts.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        self._check_whole(content)
        payload = io.BytesIO(content[len(HEADER) + DIGEST_BYTES :])
        try:
            saved = torch.load(payload, map_location="cpu", weights_only=True)
            facts, state = dict(saved["facts"]), dict(saved["state"])
        # torch has many ways to fail at content that it did not write.
        except Exception as error:
            raise self.unsuitable(error) from error
        self._check_facts(facts)
        return state

    def unsuitable(self, reason: Exception) -> ValueError:
        """Make the error for an undamaged file whose content does not suit the fit.

        Parameters
        ----------
        reason : Exception
            Its first sentence becomes part of the message.

        Returns
        -------
        error : ValueError
        """
        line = str(reason).partition("\n")[0].partition(". ")[0]
        return ValueError(
            f"{self.path} does not hold what this fit resumes from ({type(reason).__name__}: "
            f"{line}); delete it to train from the start."
        )

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)

    def _warn(self, error):
        if not self._has_warned:
            warn_user(
                f"No checkpoint could be written to {self.path} ({error.strerror or error}); "
                f"training continues, and after a kill it would resume from an earlier epoch.",
            )
        self._has_warned = True

    def _check_whole(self, content):
        if not content.startswith(HEADER):
            raise ValueError(
                f"{self.path} is not a checkpoint of this version; move it away or choose another "
                f"`checkpoint_dir`."
            )
        digest = content[len(HEADER) : len(HEADER) + DIGEST_BYTES]
        if hashlib.sha256(content[len(HEADER) + DIGEST_BYTES :]).digest() != digest:
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
    """The checkpoint of a fit without `checkpoint_dir`, which does nothing."""

    path = None

    def __enter__(self) -> NoCheckpoint:
        return self

    def __exit__(self, *_):
        """There is nothing to unlock."""

    def load(self) -> None:
        """Return None: there is no file."""

    def save(self, state: dict) -> None:
        """Do nothing.

        Parameters
        ----------
        state : dict
            Ignored.
        """

    def remove(self) -> None:
        """There is nothing to remove."""


def _difference(name, before, now):
    if before is None or now.startswith(HASHED):
        return f"{name} differs"
    return f"{name} was {before} and is {now}"


def rng_state(rng: np.random.RandomState) -> dict:
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


def set_rng_state(rng: np.random.RandomState, state: dict) -> None:
    """Set the state of a generator to one that `rng_state` returned.

    Parameters
    ----------
    rng : numpy.random.RandomState
    state : dict
    """
    key = state["state"]["key"].numpy().astype(np.uint32)
    rng.set_state(state | {"state": {"key": key, "pos": state["state"]["pos"]}})
