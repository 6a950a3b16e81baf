"""Progress bars under `verbose`. Nothing of them is loaded unless they are shown."""

from __future__ import annotations

import importlib.util
from typing import Any

# Seconds that an epoch takes before its batches get a bar of their own.
MIN_EPOCH_SECONDS = 1.0


def progress_bar(total, verbose, description, initial=0):
    """Open a progress bar on standard error, or one that shows nothing.

    Parameters
    ----------
    total : int
        Number of steps at most.
    verbose : int or bool
        Whether to show it.
    description : str
        Text in front of the bar.
    initial : int, default=0
        Steps that were done before.

    Returns
    -------
    bar : tqdm.tqdm or NoBar
        A context manager with ``update(n)`` and ``set_postfix_str(text, refresh=...)``.
    """
    if not verbose:
        return NoBar()
    if initial:
        description += f" (resumed from epoch {initial})"
    return _bar_class()(total=total, desc=description, initial=initial)


def batch_bar(verbose, epoch):
    """Open a bar of the batches of an epoch, which shows only if the epoch takes long.

    Parameters
    ----------
    verbose : int or bool
        Whether to show it.
    epoch : int
        Which one.

    Returns
    -------
    batches : BatchBar or NoBar
        A context manager with ``expect(n)`` and ``add(total, count)``.
    """
    return BatchBar(epoch) if verbose else NoBar()


def end_early(bar, reason):
    """Make a bar that ends before its total a full one, which says why.

    Parameters
    ----------
    bar : tqdm.tqdm or NoBar
        From `progress_bar`.
    reason : str
        Such as "converged".
    """
    if isinstance(bar, NoBar) or bar.n >= bar.total:
        return
    _set_total(bar, bar.n)
    bar.set_postfix_str(", ".join(filter(None, (bar.postfix, reason))))


class NoBar:
    """A bar that shows nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """There is nothing to close."""

    def update(self, n=1):
        """Count nothing."""

    def set_postfix_str(self, s="", refresh=True):
        """Show nothing."""

    def expect(self, n_batches):
        """Wait for nothing."""

    def add(self, total, count):
        """Add nothing."""


class BatchBar:
    """The batches of one epoch, with their mean loss so far.

    Parameters
    ----------
    epoch : int
        Which one.
    """

    def __init__(self, epoch):
        self._epoch = epoch
        self._bar: Any = None
        self._total, self._count = 0.0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def expect(self, n_batches):
        """Make the bar longer.

        Parameters
        ----------
        n_batches : int
            Batches to come beside those so far.
        """
        if self._bar is not None:
            _set_total(self._bar, self._bar.total + n_batches)
            return
        settings = {"unit": "batch", "leave": False, "delay": MIN_EPOCH_SECONDS}
        self._bar = _bar_class()(total=n_batches, desc=f"epoch {self._epoch}", **settings)

    def add(self, total, count):
        """Count a batch.

        Parameters
        ----------
        total : float
            Its summed loss.
        count : int
            Number of entries in the sum.
        """
        self._total, self._count = self._total + total, self._count + count
        self._bar.set_postfix_str(f"loss {self._total / self._count:.4g}", refresh=False)
        self._bar.update()


def _set_total(bar, total):
    bar.total = total
    if hasattr(bar, "container"):
        # The widget of a notebook has a length of its own.
        bar.container.children[1].max = total


def _bar_class():
    """Load the bar for where Python runs; in a notebook without ipywidgets it is one of text."""
    if importlib.util.find_spec("ipywidgets") is None:
        from tqdm.std import tqdm
    else:
        from tqdm.auto import tqdm
    return tqdm
