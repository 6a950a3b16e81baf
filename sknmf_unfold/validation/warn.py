"""Warnings that point to the user's own line, once a call."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import sklearn

# Code that a user's call goes through before it comes to ours.
INSIDE = (
    str(Path(__file__).parents[1]),
    str(Path(sklearn.__file__).parent),
    contextlib.__file__,
)
_told: contextvars.ContextVar[set[str] | None] = contextvars.ContextVar("told", default=None)


def warn_user(message: str, category: type[Warning] = UserWarning, topic: str = "") -> None:
    """Warn from the line that called this package, through scikit-learn or not.

    Parameters
    ----------
    message : str
    category : type, default=UserWarning
    topic : str, default=""
        Inside `once_per_call` only the first warning of a topic is shown.
    """
    told = _told.get()
    if told is not None and topic:
        if topic in told:
            return
        told.add(topic)
    warnings.warn(message, category, stacklevel=_levels_out())


@contextlib.contextmanager
def once_per_call() -> Iterator[None]:
    """Let what is inside warn of each topic once; also a decorator of methods."""
    outer = _told.get()
    token = _told.set(set() if outer is None else outer)
    try:
        yield
    finally:
        _told.reset(token)


def _levels_out():
    """Count the frames from the caller of this function to the user's."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(INSIDE):
        level, frame = level + 1, frame.f_back
    return level
