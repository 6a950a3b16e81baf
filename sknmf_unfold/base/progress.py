"""Progress bars for the parameter `verbose`; tqdm is loaded only if they are shown."""

from __future__ import annotations

import importlib.util
from typing import Any, TextIO

# Duration of an epoch after which its batches get a bar of their own.
MIN_EPOCH_SECONDS = 1.0


def progress_bar(
    total: int, verbose: int | bool, description: str, initial: int = 0, form: str | None = None
) -> Any:
    """Open a progress bar on standard error, or one that shows nothing.

    Parameters
    ----------
    total : int
        Largest number of steps.
    verbose : int or bool
        Whether to show it.
    description : str
        Text in front of the bar.
    initial : int, default=0
        Number of steps done before.
    form : str or None, default=None
        Form of the line, in the words of tqdm's ``bar_format``.

    Returns
    -------
    bar : tqdm.tqdm or NoBar
        A context manager with ``update(n)``, ``write(line, file)`` and ``set_postfix_str(text,
        refresh=...)``.
    """
    if not verbose:
        return NoBar()
    if initial:
        description += f" (resumed from epoch {initial})"
    return _bar_class()(total=total, desc=description, initial=initial, bar_format=form)


def batch_bar(verbose: int | bool, epoch: int) -> BatchBar | NoBar:
    """Open a bar of the batches of an epoch, shown only if the epoch takes long.

    Parameters
    ----------
    verbose : int or bool
        Whether to show it.
    epoch : int
        Number of the epoch.

    Returns
    -------
    batches : BatchBar or NoBar
        A context manager with ``expect(n)`` and ``add(total, count)``.
    """
    return BatchBar(epoch) if verbose else NoBar()


def end_early(bar: Any, reason: str) -> None:
    """Fill a bar that ends before its total, and show the reason.

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

    def update(self, n: float = 1) -> None:
        """Count nothing."""

    def write(self, s: str, file: TextIO | None = None) -> None:
        """Print a line."""
        print(s, file=file)

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Show nothing."""

    def expect(self, n_batches: int) -> None:
        """Count nothing."""

    def add(self, total: float, count: int) -> None:
        """Count nothing."""


class BatchBar:
    """The batches of one epoch, with their mean loss so far.

    Parameters
    ----------
    epoch : int
        Number of the epoch.
    """

    def __init__(self, epoch: int):
        self._epoch = epoch
        self._bar: Any = None
        self._total, self._count = 0.0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def expect(self, n_batches: int) -> None:
        """Extend the bar.

        Parameters
        ----------
        n_batches : int
            Number of further batches.
        """
        if self._bar is not None:
            _set_total(self._bar, self._bar.total + n_batches)
            return
        settings = {"unit": "batch", "leave": False, "delay": MIN_EPOCH_SECONDS}
        self._bar = _bar_class()(total=n_batches, desc=f"epoch {self._epoch}", **settings)

    def add(self, total: float, count: int) -> None:
        """Count a batch.

        Parameters
        ----------
        total : float
            Sum of its loss.
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
    """Load the bar for terminal or notebook; a notebook without ipywidgets gets a bar of text."""
    if importlib.util.find_spec("ipywidgets") is None:
        from tqdm.std import tqdm
    else:
        from tqdm.auto import tqdm
    return tqdm
