"""Formulae as MathML, written by docutils while the site is built.

Browsers draw MathML themselves. So the pages need neither a script from another server nor a copy
of one in the repository, and the build needs no LaTeX.
"""

from __future__ import annotations

from html import escape
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", NAMESPACE)
# Accents as docutils writes them, and the characters of which fonts have forms for formulae.
ACCENTS = {
    "\N{MODIFIER LETTER MACRON}": "\N{MACRON}",
    "~": "~",
    "\N{MODIFIER LETTER CIRCUMFLEX ACCENT}": "^",
}
NORM = "\N{DOUBLE VERTICAL LINE}"


def mended(html):
    """Mend what docutils writes for accents with an index, and for norms.

    An index below an accent becomes an index of the whole, and the bars of a norm stay as high as
    the line; else those at the left grow with all that follows.

    Parameters
    ----------
    html : str
        MathML.

    Returns
    -------
    html : str
    """
    tree = ElementTree.fromstring(html.replace("&ApplyFunction;", "\N{FUNCTION APPLICATION}"))
    for node in list(tree.iter()):
        name, text = node.tag.rpartition("}")[2], (node.text or "").strip()
        if name == "mo" and text == NORM:
            node.set("stretchy", "false")
        elif name == "mo" and text in ACCENTS:
            node.text = ACCENTS[text]
        elif name == "munderover" and (node[2].text or "").strip() in ACCENTS:
            base, index, accent = list(node)
            for child in (base, index, accent):
                node.remove(child)
            node.tag = f"{{{NAMESPACE}}}msub"
            over = ElementTree.SubElement(node, f"{{{NAMESPACE}}}mover", accent="true")
            over.extend([base, accent])
            node.append(index)
    return ElementTree.tostring(tree, encoding="unicode")


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
        return mended(tex2mathml(node.astext(), as_block=block))
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
