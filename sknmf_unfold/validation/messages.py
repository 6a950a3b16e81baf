"""Representation of values and paths in messages: on one line, of bounded length."""

from __future__ import annotations

import re

# Characters of a value, and of a path, in a message.
MAX_VALUE_CHARACTERS = 160
MAX_PATH_CHARACTERS = 1000


def shorten(text: str, max_characters: int = MAX_VALUE_CHARACTERS) -> str:
    """Cut the middle out of a text that is too long for a message.

    Examples
    --------
    >>> shorten("ab" * 500, 20)
    'abababab... (1000 characters) ...abab'
    """
    if len(text) <= max_characters:
        return text
    head, tail = text[: 2 * max_characters // 5], text[-max_characters // 5 :]
    return f"{head}... ({len(text)} characters) ...{tail}"


def shown(value: object) -> str:
    """Represent a value in a message: on one line, without the middle of a long text.

    Examples
    --------
    >>> import numpy as np
    >>> shown(np.zeros(3)), len(shown(bytes(10**6))) < 160
    ('array([0., 0., 0.])', True)
    """
    try:
        text = repr(value)
    # Python does not write whole numbers of more than 4300 digits.
    except ValueError:
        text = f"a {type(value).__name__} too long to print"
    return shorten(re.sub(r"\s*\n\s*", " ", text))


def shown_path(path: object) -> str:
    """Represent a path in a message; a text passed for one may have any length."""
    return shorten(str(path), MAX_PATH_CHARACTERS)
