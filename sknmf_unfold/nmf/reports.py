"""Reports of a fit while it runs: the progress bar and callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sknmf_unfold.base.callbacks import FitTask
from sknmf_unfold.base.progress import end_early


def reporter(bar: Any, task: FitTask) -> Callable[[float, np.ndarray], bool]:
    """Make the callback of an iteration: it moves the progress bar and calls callbacks.

    Parameters
    ----------
    bar : tqdm.tqdm or NoBar
    task : FitTask
        The fit.

    Returns
    -------
    report : callable
        ``report(objective, W)`` returns whether a callback stops the fit.
    """

    def report(value, components):
        bar.set_postfix_str(f"objective {value:.4g}", refresh=False)
        bar.update()
        stop = task.part("iteration").end(lambda: {"components_": components})
        if stop:
            end_early(bar, "stopped by a callback")
        return stop

    return report
