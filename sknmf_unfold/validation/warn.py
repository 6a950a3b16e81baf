"""Warnings that point to the line of the user's call, once in each call."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import sklearn

# Files of frames between the user's line and a warning of this package.
INNER_FILES = (
    str(Path(__file__).parents[1]),
    str(Path(sklearn.__file__).parent),
    contextlib.__file__,
)
_is_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("is_quiet", default=False)
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
    if _is_quiet.get():
        return
    told = _told.get()
    if told is not None and topic:
        if topic in told:
            return
        told.add(topic)
    warnings.warn(message, category, stacklevel=_levels_out())


@contextlib.contextmanager
def once_per_call() -> Iterator[None]:
    """Show each topic of `warn_user` once inside the block; also a decorator of methods."""
    told = _told.get()
    token = _told.set(set() if told is None else told)
    try:
        yield
    finally:
        _told.reset(token)


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Let `warn_user` show nothing inside, where another process shows the same."""
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


def _levels_out():
    """Count the frames from the caller of this function to the user's line."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(INNER_FILES):
        level, frame = level + 1, frame.f_back
    return level
