"""Settings of process and thread that make no difference to what this package computes."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np


@contextlib.contextmanager
def default_settings():
    """Compute as numpy and torch do by default, whatever the caller has set.

    It is about ``np.seterr``, ``torch.set_default_device`` and ``torch.autocast``, in the calling
    thread. As a decorator it is for everything public that computes.

    Examples
    --------
    >>> @default_settings()
    ... def square(x):
    ...     return x * x
    >>> with np.errstate(all="raise"):
    ...     float(square(np.float64(1e-300)))
    0.0
    """
    with contextlib.ExitStack() as stack:
        # What underflows is meant to become 0.
        numpy: Any = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
        stack.enter_context(numpy)
        # Nobody has set anything of what is not loaded.
        torch = sys.modules.get("torch")
        if hasattr(torch, "autocast"):
            _enter_torch(stack, torch)
        yield


def _enter_torch(stack, torch):
    # The mode slows every call of torch, so it is entered only against another one.
    if torch.empty(0).device.type != "cpu":
        stack.enter_context(torch.device("cpu"))
    for kind in ("cpu", "cuda"):
        if _casts(torch, kind):
            stack.enter_context(torch.autocast(kind, enabled=False))


def _casts(torch, kind):
    """Whether operations on a kind of device are cast to a shorter dtype."""
    try:
        return torch.is_autocast_enabled(kind)
    except TypeError:
        # Before torch 2.4.
        return torch.is_autocast_cpu_enabled() if kind == "cpu" else torch.is_autocast_enabled()
