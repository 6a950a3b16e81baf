"""Ranks of a process group.

Whatever ranks do together begins with a few numbers that all of them exchange: whether each of them
runs, has failed or was interrupted, and which operation it is at. So a rank that has failed, at
whichever place, can tell the others at their next operation, and none waits for it.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import math
import pickle
import threading

import numpy as np

from .deferred_interrupts import DeferredInterrupts
from .fingerprints import HASHED
from .process_group import LostRankError, ProcessGroup, on_own_gpu
from .ranks import Ranks, unchanged

RUNS, IS_INTERRUPTED, HAS_FAILED = range(3)
OPERATIONS = ("sum", "sum_gradients", "make_equal", "from_first", "agree", "join", "end")
# While rank 0 computes alone it tells the others so this often, well within their timeout.
HEARTBEAT_SECONDS = 2.0
# One fit at a time communicates.
_lock = threading.Lock()


class _GroupRanks(Ranks):
    """The ranks of the default process group of torch.distributed, see `Ranks`."""

    def __init__(self) -> None:
        self._group = ProcessGroup()
        self.n, self.index = self._group.n, self._group.index
        self._interrupts = DeferredInterrupts()
        # Whether all ranks know that they end, so that nothing more is exchanged.
        self._is_over = False

    def sum(self, total, count):
        """Add up the numbers of all ranks, see `Ranks.sum`."""
        totals, counts = self._meet("sum", total, count).T
        return math.fsum(totals), int(math.fsum(counts))

    def mean(self, value):
        """Average a number over the ranks, see `Ranks.mean`."""
        return self.sum(value, 0)[0] / self.n

    def any(self, flag):
        """Tell whether a flag is set in any rank, see `Ranks.any`."""
        return self.sum(0.0, int(flag))[1] > 0

    def sum_gradients(self, gradients, like):
        """Add up the gradients of all ranks in one flat buffer, see `Ranks.sum_gradients`."""
        import torch

        parts = [
            torch.zeros_like(parameter) if gradient is None else gradient
            for gradient, parameter in zip(gradients, like, strict=True)
        ]
        flat = torch.cat([part.reshape(-1) for part in parts])
        self._meet("sum_gradients", flat.numel())
        with self._interrupts.deferring(strictly=True):
            return _unflat(self._group.sum(flat), like)

    def make_equal(self, tensors):
        """Overwrite tensors by those of rank 0, see `Ranks.make_equal`."""
        import torch

        with torch.no_grad():
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
            self._meet("make_equal", flat.numel())
            with self._interrupts.deferring(strictly=True):
                flat = self._group.broadcast(flat)
            for tensor, values in zip(tensors, _unflat(flat, tensors), strict=True):
                tensor.copy_(values)

    def from_first(self, compute, send=unchanged):
        """Compute a value in rank 0 and send it to the others, see `Ranks.from_first`."""
        if not self.is_first:
            is_computing, size = True, 0
            while is_computing:
                size, is_computing = self._meet("from_first")[0]
            return pickle.loads(self._broadcast(b"", int(size)))
        with self._saying_that_it_computes():
            value = compute()
            content = pickle.dumps(send(value))
        self._meet("from_first", len(content))
        self._broadcast(content, len(content))
        return value

    def agree(self, facts):
        """Raise in every rank if facts differ between them, see `Ranks.agree`."""
        self._meet("agree")
        with self._interrupts.deferring(strictly=True):
            contents = self._group.gather_bytes(json.dumps(facts).encode())
        differences = differing([json.loads(content) for content in contents])
        if differences:
            self._is_over = True
            raise ValueError(
                f"The {self.n} processes of the group differ in {', '.join(differences)}. They fit "
                f"one model together: start all of them with one script and the same data."
            )

    def join(self, rows):
        """Put together what each rank computed for its part of a list, see `Ranks.join`."""
        self._meet("join")
        with self._interrupts.deferring(strictly=True):
            contents = self._group.gather_bytes(rows.astype(np.float64).tobytes())
        parts = [np.frombuffer(content).reshape(-1, rows.shape[1]) for content in contents]
        joined = np.empty((sum(map(len, parts)), rows.shape[1]))
        for i, part in enumerate(parts):
            joined[i :: self.n] = part
        return joined

    @contextlib.contextmanager
    def deferring_interrupts(self):
        """Raise an interrupt in all ranks at the same place, see `Ranks`."""
        with self._interrupts.deferring():
            yield

    @contextlib.contextmanager
    def together(self):
        """Raise an error inside in all ranks, and leave together, see `Ranks.together`."""
        if not _lock.acquire(blocking=False):
            raise RuntimeError(
                "Another thread of this process is in a fit that communicates with the process "
                "group; fit one estimator after the other."
            )
        try:
            with self._interrupts.handled(), on_own_gpu():
                try:
                    yield
                    self._meet("end")
                except BaseException as error:
                    self._tell(error)
                    raise
        finally:
            _lock.release()
        if self._interrupts.take():
            raise KeyboardInterrupt

    def _meet(self, operation, *numbers):
        """Exchange up to two numbers; return those of all ranks unless one of them fails."""
        state = IS_INTERRUPTED if self._interrupts.is_pending else RUNS
        with self._interrupts.deferring(strictly=True):
            return self._checked(self._exchange(state, operation, *numbers))

    def _exchange(self, state, operation, *numbers):
        padded = (*numbers, 0.0, 0.0)[:2]
        return self._group.gather_numbers([state, OPERATIONS.index(operation), *padded])

    def _checked(self, rows):
        """Raise in every rank where one fails or is interrupted, or they are at other places."""
        states, operations = rows[:, :2].T
        self._is_over = states.any() or len(set(operations)) > 1
        if HAS_FAILED in states:
            contents = self._group.gather_bytes(b"")
            rank = next(i for i, content in enumerate(contents) if content)
            raise same_error(rank, **json.loads(contents[rank]))
        if IS_INTERRUPTED in states:
            self._interrupts.take()
            raise KeyboardInterrupt
        if self._is_over:
            raise RuntimeError(
                f"The {self.n} processes of the group are at different places: each has to call "
                f"the same fits in the same order."
            )
        return rows[:, 2:]

    def _tell(self, error):
        """Tell the others of an error in this rank."""
        if self._is_over or isinstance(error, LostRankError):
            return
        self._is_over = True
        facts = {"kind": type(error).__name__, "message": str(error)}
        # Where the others are lost this error still matters more.
        with contextlib.suppress(LostRankError), self._interrupts.deferring(strictly=True):
            self._exchange(HAS_FAILED, "end")
            self._group.gather_bytes(json.dumps(facts).encode())

    def _broadcast(self, content, size):
        with self._interrupts.deferring(strictly=True):
            return self._group.broadcast_bytes(content, size)

    @contextlib.contextmanager
    def _saying_that_it_computes(self):
        """Keep the others, who wait for the result, from running into the timeout."""
        is_done, errors = threading.Event(), []

        def tell():
            try:
                while not is_done.wait(HEARTBEAT_SECONDS):
                    self._checked(self._exchange(RUNS, "from_first", 0, True))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._interrupts.deferring(strictly=True):
                is_done.set()
                thread.join()
            if errors:
                raise errors[0]


def group_ranks() -> Ranks:
    """Make the ranks of the default process group.

    Returns
    -------
    ranks : Ranks
    """
    return _GroupRanks()


def differing(facts: list[dict[str, str]]) -> list[str]:
    """Describe the facts that differ between ranks.

    Parameters
    ----------
    facts : list of dict of str
        By name, one dict for each rank.

    Returns
    -------
    differences : list of str

    Examples
    --------
    >>> differing([{"n_layers": "2", "X": "#a"}, {"n_layers": "3", "X": "#b"}])
    ['n_layers (2 on rank 0, 3 on rank 1)', 'X (of ranks 0 and 1)']
    """
    differences = []
    for name in dict.fromkeys(name for each in facts for name in each):
        values = [each.get(name) for each in facts]
        rank = next((i for i, value in enumerate(values) if value != values[0]), None)
        if rank is None:
            continue
        if None in (values[0], values[rank]) or str(values[0]).startswith(HASHED):
            differences.append(f"{name} (of ranks 0 and {rank})")
        else:
            differences.append(f"{name} ({values[0]} on rank 0, {values[rank]} on rank {rank})")
    return differences


def same_error(rank: int, kind: str, message: str) -> BaseException:
    """Make the error of another rank: of the same kind, if that is one of Python's own.

    Parameters
    ----------
    rank : int
        The one that raised it.
    kind : str
        Name of its class.
    message : str

    Returns
    -------
    error : BaseException

    Examples
    --------
    >>> same_error(1, "ValueError", "X[0] has NaN.")
    ValueError('On rank 1: X[0] has NaN.')
    >>> same_error(1, "DataError", "no data")
    RuntimeError('On rank 1: DataError: no data')
    """
    if kind == "KeyboardInterrupt":
        return KeyboardInterrupt()
    own = getattr(builtins, kind, None)
    if isinstance(own, type) and issubclass(own, Exception):
        # Some want more than a message.
        with contextlib.suppress(TypeError):
            return own(f"On rank {rank}: {message}")
    return RuntimeError(f"On rank {rank}: {kind}: {message}")


def _unflat(flat, like):
    """Cut a flat buffer into tensors of the shapes of others."""
    parts = flat.split([tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]
