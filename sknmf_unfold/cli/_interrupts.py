"""Interrupts (Ctrl-C) that end waiting, but not computing or writing."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import Any


class Interrupt:
    """Context in which the first Ctrl-C ends calls of `wait` only, and the second raises at once.

    Attributes
    ----------
    happened : bool
        Whether there was an interrupt.
    """

    def __init__(self):
        self.happened = False
        self._is_waiting = False

    def __enter__(self) -> Interrupt:
        # Signals are for the main thread only.
        with contextlib.suppress(ValueError):
            self._before = signal.signal(signal.SIGINT, self._notice)
        return self

    def __exit__(self, *error: object) -> None:
        if hasattr(self, "_before"):
            signal.signal(signal.SIGINT, self._before)

    def wait(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function that waits; an interrupt ends the call.

        Parameters
        ----------
        function : callable
        *arguments : object
            Its arguments.

        Returns
        -------
        result : object
            Its result; None after an interrupt.
        """
        self._is_waiting = True
        try:
            return None if self.happened else function(*arguments)
        except KeyboardInterrupt:
            self.happened = True
            return None
        finally:
            self._is_waiting = False

    def _notice(self, *_):
        again, self.happened = self.happened, True
        if again or self._is_waiting:
            raise KeyboardInterrupt
