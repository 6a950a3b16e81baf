"""Ranks: the processes that fit one estimator together, each with a part of every batch.

Outside a process group there is one rank, and nothing is communicated. `group_ranks` has those of a
group of torch.distributed.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sknmf_unfold.validation.warn import without_warnings

from .process_group import group_size
from .shares import segment_owners, share_of

if TYPE_CHECKING:
    import torch

Value = TypeVar("Value")


def unchanged(value: Value) -> Value:
    """Return the argument.

    Parameters
    ----------
    value : object

    Returns
    -------
    value : object
    """
    return value


class Ranks:
    """The only rank, outside a process group.

    All ranks call the same methods in the same order. An error of one is raised in all.

    Attributes
    ----------
    n : int
        Number of ranks.
    index : int
        Number of this one, from 0 on.

    Examples
    --------
    >>> ranks = Ranks()
    >>> ranks.n, ranks.sum(2.5, 4), ranks.from_first(lambda: "start")
    (1, (2.5, 4), 'start')
    """

    n, index = 1, 0

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which draws the start, writes the checkpoint and reports."""
        return self.index == 0

    def shares(
        self, batches: list[np.ndarray], n_frames: np.ndarray, sequence_length: int
    ) -> list[np.ndarray]:
        """Select this rank's sequences of each batch, mostly of the same recordings in all epochs.

        Parameters
        ----------
        batches : list of ndarray of int
            Indices of segments, the same in all ranks.
        n_frames : ndarray of shape (n_recordings,), int
            Length of each recording that is cut into segments.
        sequence_length : int
            Maximal number of frames of a segment.

        Returns
        -------
        shares : list of ndarray of int
            In the order of the batches; one may be empty.
        """
        if self.n == 1:
            return batches
        owners = segment_owners(n_frames, sequence_length, self.n)
        return [share_of(indices, owners, self.n, self.index) for indices in batches]

    def part(self, items: Sequence[Value]) -> Sequence[Value]:
        """Select this rank's part of a list, the same in all ranks.

        Parameters
        ----------
        items : sequence

        Returns
        -------
        part : sequence
        """
        return items if self.n == 1 else items[self.index :: self.n]

    def join(self, rows: np.ndarray) -> np.ndarray:
        """Put together what each rank computed for its part of a list.

        Parameters
        ----------
        rows : ndarray of shape (n_items_of_part, n_columns), float64
            For the items of `part`, in their order.

        Returns
        -------
        rows : ndarray of shape (n_items, n_columns), float64
            For all items of the list.
        """
        return rows

    def sum(self, total: float, count: int) -> tuple[float, int]:
        """Add up the numbers of all ranks, without rounding in between.

        Parameters
        ----------
        total : float
        count : int

        Returns
        -------
        total : float
        count : int
        """
        return total, count

    def mean(self, value: float) -> float:
        """Average a number over the ranks.

        Parameters
        ----------
        value : float

        Returns
        -------
        mean : float
        """
        return value

    def any(self, flag: bool) -> bool:
        """Tell whether a flag is set in any rank.

        Parameters
        ----------
        flag : bool

        Returns
        -------
        flag : bool
        """
        return flag

    def sum_gradients(
        self, gradients: list[torch.Tensor | None], like: Sequence[torch.Tensor]
    ) -> list[torch.Tensor | None]:
        """Add up the gradients of all ranks.

        Parameters
        ----------
        gradients : list of Tensor or None
            One for each parameter; None stands for zeros.
        like : sequence of Tensor
            The parameters.

        Returns
        -------
        sums : list of Tensor or None
            The same bits in every rank.
        """
        return gradients

    def make_equal(self, tensors: Sequence[torch.Tensor]) -> None:
        """Overwrite tensors by those of rank 0.

        Kinds of processors round differently, so that weights may differ in their last bits.

        Parameters
        ----------
        tensors : sequence of Tensor
        """

    def from_first(
        self, compute: Callable[[], Any], send: Callable[[Any], Any] = lambda x: x
    ) -> Any:
        """Compute a value in rank 0 alone, and send it to the others.

        Parameters
        ----------
        compute : callable
            Called without arguments. The others wait for it, however long it takes.
        send : callable, optional
            Turns its value into what the others get, if that differs.

        Returns
        -------
        value : object
            In rank 0 the value, in the others what they get.
        """
        return compute()

    def agree(self, facts: dict[str, str]) -> None:
        """Raise in every rank if facts differ between them.

        Parameters
        ----------
        facts : dict of str
            By name, such as a parameter's value.

        Raises
        ------
        ValueError
            Names the facts that differ, and the ranks.
        """

    @contextlib.contextmanager
    def deferring_interrupts(self) -> Iterator[None]:
        """Raise an interrupt inside in all ranks at the same place, the next communication.

        Yields
        ------
        None
        """
        yield

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Raise an error inside in all ranks, and leave together.

        Yields
        ------
        None
        """
        yield


_active: contextvars.ContextVar[Ranks | None] = contextvars.ContextVar("ranks", default=None)


def find_ranks() -> Ranks:
    """Find the ranks that this fit belongs to.

    Returns
    -------
    ranks : Ranks
        Those of the block `on_all_ranks` around the call; a single one outside.
    """
    return _active.get() or Ranks()


@contextlib.contextmanager
def on_all_ranks() -> Iterator[None]:
    """Do what is inside with all ranks of the process group, if there is one; also a decorator.

    Yields
    ------
    None

    Examples
    --------
    >>> with on_all_ranks():
    ...     find_ranks().n
    1
    """
    if group_size() == 1 or _active.get() is not None:
        yield
        return
    from .group_ranks import group_ranks

    ranks = group_ranks()
    token = _active.set(ranks)
    try:
        # Rank 0 shows the warnings, which are the same in all.
        quiet = contextlib.nullcontext() if ranks.is_first else without_warnings()
        with ranks.together(), quiet:
            yield
    finally:
        _active.reset(token)
