"""Progress bars of the commands, which are shown on terminals only."""

from __future__ import annotations

import sys
from typing import Any

from sknmf_unfold.base.progress import progress_bar


def terminal_bar(total: int, description: str, form: str | None = None) -> Any:
    """Open a progress bar if standard error is a terminal, or else one that shows nothing.

    Parameters
    ----------
    total : int
        Number of steps.
    description : str
        Text in front of the bar.
    form : str or None, default=None
        Form of the line, see `progress_bar`.

    Returns
    -------
    bar : tqdm.tqdm or NoBar
        A context manager.
    """
    is_shown = sys.stderr is not None and sys.stderr.isatty()
    return progress_bar(total, is_shown, description, form=form)
