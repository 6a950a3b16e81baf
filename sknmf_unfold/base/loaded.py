"""torch, if somebody has loaded it."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def loaded_torch() -> Any:
    """Return torch if it is loaded, but do not load it.

    While another thread is loading it this waits: to call functions of half a module fails, or ends
    the process.

    Returns
    -------
    torch : module or None
    """
    return importlib.import_module("torch") if sys.modules.get("torch") is not None else None
