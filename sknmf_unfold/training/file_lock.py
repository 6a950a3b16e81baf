"""A lock between threads and processes; the system releases it when its process ends."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file):
        """Whether an open file could be locked."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file):
        """Whether an open file could be locked, or is on a disk without locks."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True


class FileLock:
    """A file that one thread of one process can lock at a time.

    The system releases the lock when the process ends, however it ends; the file may stay and can
    be locked again.

    Parameters
    ----------
    path : Path
        The file, which is created for this and has no other use.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = (FileLock(Path(folder) / "fit.lock") for _ in range(2))
    ...     first.acquire(b"fit"), second.acquire(b"fit")
    ...     first.release()
    ...     second.acquire(b"fit")
    ...     second.release()
    (True, False)
    True
    """

    def __init__(self, path: Path):
        self.path = path
        self._file: io.FileIO | None = None

    def acquire(self, content: bytes) -> bool:
        """Lock the file, unless it is locked, and write into it.

        Parameters
        ----------
        content : bytes
            Anything; that it can be written shows that the disk has space.

        Returns
        -------
        acquired : bool

        Raises
        ------
        OSError
            If the file cannot be created or written.
        """
        while True:
            file = self.path.open("ab", buffering=0)
            if not _lock(file):
                file.close()
                return False
            if self._is(file):
                break
            # The holder of the lock deleted the file after it was opened here.
            file.close()
        self._file = file
        try:
            file.truncate(0)
            file.write(content)
            os.fsync(file.fileno())
        except OSError:
            self.release()
            raise
        return True

    def release(self) -> None:
        """Delete and unlock the file."""
        if self._file is None:
            return
        file, self._file = self._file, None
        # Windows deletes no open file; elsewhere it is deleted first, since once it is unlocked
        # another thread or process may lock it.
        if sys.platform == "win32":
            file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()
        file.close()

    def _is(self, file):
        """Whether an open file is still the one at the path."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False
