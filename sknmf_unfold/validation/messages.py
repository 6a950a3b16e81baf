"""Values in messages: short enough to be read, whatever was passed."""

from __future__ import annotations

import re

# Characters of a value, and of a path, in a message that is to be read.
MAX_SHOWN = 160
MAX_SHOWN_PATH = 1000


def shorten(text, n_most=MAX_SHOWN):
    """Cut the middle out of a text that is too long for a message.

    Examples
    --------
    >>> shorten("ab" * 500, 20)
    'abababab... (1000 characters) ...abab'
    """
    if len(text) <= n_most:
        return text
    return f"{text[: 2 * n_most // 5]}... ({len(text)} characters) ...{text[-n_most // 5 :]}"


def shown(value):
    """Represent a value in a message: on one line, and a long one without its middle.

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


def shown_path(path):
    """Write a path in a message; a text passed for one may have any length."""
    return shorten(str(path), MAX_SHOWN_PATH)
