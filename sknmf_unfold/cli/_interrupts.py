"""Interrupts (Ctrl-C) that end a wait, but no work that is going on."""

from __future__ import annotations

import contextlib
import signal


class Interrupt:
    """Lets the first Ctrl-C end a wait, but nothing that is at work; the second one ends all."""

    def __init__(self):
        self.happened = False
        self._waits = False

    def __enter__(self):
        # Signals are for the main thread only.
        with contextlib.suppress(ValueError):
            self._before = signal.signal(signal.SIGINT, self._notice)
        return self

    def __exit__(self, *error):
        if hasattr(self, "_before"):
            signal.signal(signal.SIGINT, self._before)

    def ends(self, wait, *arguments):
        """Call a function that waits for something; an interrupt ends it.

        Parameters
        ----------
        wait : callable
        *arguments : object
            What it takes.

        Returns
        -------
        result : object
            What it returns, None after an interrupt.
        """
        self._waits = True
        try:
            return None if self.happened else wait(*arguments)
        except KeyboardInterrupt:
            self.happened = True
            return None
        finally:
            self._waits = False

    def _notice(self, *_):
        again, self.happened = self.happened, True
        if again or self._waits:
            raise KeyboardInterrupt
