"""Progress bars under `verbose`."""

from __future__ import annotations


def progress_bar(total, verbose, description, initial=0):
    """Open a tqdm progress bar on standard error, silent unless `verbose`.

    Parameters
    ----------
    total : int
        Number of steps at most.
    verbose : int or bool
        Whether to show it.
    description : str
        What stands in front of the bar.
    initial : int, default=0
        Steps that were done before.

    Returns
    -------
    bar : tqdm.tqdm
        A context manager with ``update(n)`` and ``set_postfix_str(text, refresh=...)``.
    """
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=description, disable=not verbose, leave=True, initial=initial)
