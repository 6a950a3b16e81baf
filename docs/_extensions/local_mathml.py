"""Formulae as MathML, written by docutils while the site is built.

Browsers draw MathML themselves. So the pages need neither a script from another server nor a copy
of one in the repository, and the build needs no LaTeX.
"""

from __future__ import annotations

from html import escape

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def mathml(node, block):
    """Return the MathML of a node of mathematics.

    Parameters
    ----------
    node : docutils.nodes.Element
        Its text is LaTeX. What docutils cannot convert stays LaTeX, with a warning.
    block : bool
        Whether the formula is on lines of its own.

    Returns
    -------
    html : str
    """
    try:
        return tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logger.warning("formula %r: %s", node.astext(), error, location=node, type="mathml")
        return f"<code>{escape(node.astext())}</code>"


def visit_inline(self, node):
    """Write a formula in a line."""
    self.body.append(f'<span class="math">{mathml(node, block=False)}</span>')
    raise nodes.SkipNode


def visit_block(self, node):
    """Write a formula on lines of its own, below its anchor."""
    for name in node.get("ids", ()):
        self.body.append(f'<span id="{name}"></span>')
    self.body.append(f'<div class="math-block">{mathml(node, block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Add the renderer ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
