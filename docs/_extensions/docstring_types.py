"""Types of parameters in docstrings, before numpydoc reads them.

A type that continues on the next line ends with a backslash, which raw docstrings keep; and a name
of an attribute, such as ``n_iter_`` in a shape, is a reference to reStructuredText.
"""

from __future__ import annotations

import re

TYPED = re.compile(r"^\s*\*{0,2}\w+(, \*{0,2}\w+)* : ")


def joined(lines):
    """Join lines that end with a backslash to the next one.

    Parameters
    ----------
    lines : list of str

    Returns
    -------
    lines : list of str
    """
    result, open_line = [], None
    for line in lines:
        if open_line is not None:
            line = f"{open_line} {line.strip()}"
        open_line = line[:-1].rstrip() if line.endswith("\\") else None
        if open_line is None:
            result.append(line)
    return result if open_line is None else [*result, open_line]


def escaped(line):
    """Escape the underscore at the end of names in a type."""
    found = TYPED.match(line)
    if found is None:
        return line
    name, types = line[: found.end()], line[found.end() :]
    return name + re.sub(r"(?<![`\w])([a-z]\w*)_(?=[\s,)]|$)", r"\1\\_", types)


def prepare(app, what, name, obj, options, lines):
    """Rewrite the lines of a docstring in place."""
    lines[:] = [escaped(line) for line in joined(lines)]


def setup(app):
    """Run before numpydoc, whose handler has the default priority of 500."""
    app.connect("autodoc-process-docstring", prepare, priority=400)
    return {"version": "1", "parallel_read_safe": True}
