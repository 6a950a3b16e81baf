"""Interrupts (Ctrl-C) that wait until all processes of a group can be told of them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class DeferredInterrupts:
    """A handler of SIGINT that notes an interrupt inside `deferring`, and raises it outside.

    An interrupt inside an operation that all processes take part in would leave them in different
    places. A second one inside `deferring` is raised at once, except inside ``deferring(True)``.

    Attributes
    ----------
    is_pending : bool
        Whether an interrupt was noted.

    Examples
    --------
    >>> interrupts = DeferredInterrupts()
    >>> with interrupts.handled(), interrupts.deferring():
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupts.is_pending, interrupts.take()
    (True, True)
    """

    def __init__(self) -> None:
        self.is_pending = False
        self._depth, self._n_strict = 0, 0

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT inside, in the main thread and unless the user has a handler.

        Yields
        ------
        None
        """
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextlib.contextmanager
    def deferring(self, strictly: bool = False) -> Iterator[None]:
        """Note interrupts inside.

        Parameters
        ----------
        strictly : bool, default=False
            Whether to note also the second one.

        Yields
        ------
        None
        """
        self._depth, self._n_strict = self._depth + 1, self._n_strict + strictly
        try:
            yield
        finally:
            self._depth, self._n_strict = self._depth - 1, self._n_strict - strictly

    def take(self) -> bool:
        """Return whether an interrupt was noted, and forget it.

        Returns
        -------
        was_pending : bool
        """
        was_pending, self.is_pending = self.is_pending, False
        return was_pending

    def _handle(self, *_):
        if self._depth and (self._n_strict or not self.is_pending):
            self.is_pending = True
            return
        self.is_pending = False
        raise KeyboardInterrupt
