"""Numerical settings of numpy and torch, set to their defaults during a public call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from .loaded import loaded_torch


@contextlib.contextmanager
def default_settings() -> Iterator[None]:
    """Compute with the default settings of numpy and torch, whatever the caller has set.

    These are the settings of ``np.seterr``, ``torch.set_default_device`` and ``torch.autocast``, in
    the calling thread. It decorates every public function and method that computes.

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
        # Underflow to 0 is intended.
        numpy: Any = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
        stack.enter_context(numpy)
        # A module that is not loaded has its default settings.
        torch = loaded_torch()
        if hasattr(torch, "autocast"):
            _enter_torch(stack, torch)
        yield


def _enter_torch(stack, torch):
    # The mode slows every call of torch, so it is entered only where another device is set.
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
