"""Formulae as MathML, written by docutils while the site is built.

Browsers draw MathML themselves. So the pages need neither a script from another server nor a copy
of one in the repository, and the build needs no LaTeX.
"""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def mathml(node, block):
    """Return the MathML of a node of mathematics.

    Parameters
    ----------
    node : docutils.nodes.Element
        Its text is LaTeX; `block` for a formula on lines of its own.
    block : bool

    Returns
    -------
    html : str
    """
    return tex2mathml(node.astext(), as_block=block)


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
