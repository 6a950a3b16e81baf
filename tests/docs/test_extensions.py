"""Extensions of the site: formulae, methods of classes and types in docstrings."""

import importlib
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from docutils import nodes

DOCS = Path(__file__).parents[2] / "docs"
FORMULA = re.compile(r":math:`([^`]+)`|^( *)\.\. math::(.*\n(?:\2 +.*\n|\n)*)", re.MULTILINE)


@pytest.fixture
def extension(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    return importlib.import_module


def formulae():
    for page in sorted(DOCS.glob("*.rst")) + sorted(DOCS.glob("guide/*.rst")):
        for inline, _, block in FORMULA.findall(page.read_text()):
            yield inline or block.strip()


def test_formulae_of_all_pages_become_mathml(extension):
    mathml = extension("local_mathml").mathml
    found = list(formulae())
    assert len(found) > 50
    for text in found:
        tree = ElementTree.fromstring(mathml(nodes.math(text, text), block=False))
        # A command that the converter does not know stays as text with its backslash.
        assert "\\" not in "".join(tree.itertext()), text


def test_a_fraction_has_two_parts(extension):
    html = extension("local_mathml").mathml(nodes.math("", r"\frac{a}{b}"), block=True)
    tree = ElementTree.fromstring(html)
    [fraction] = tree.iter("{http://www.w3.org/1998/Math/MathML}mfrac")
    assert ["".join(part.itertext()).strip() for part in fraction] == ["a", "b"]
    assert tree.get("display") == "block"


def test_an_index_stands_behind_an_accent(extension):
    tree = ElementTree.fromstring(
        extension("local_mathml").mathml(nodes.math("", r"\hat Y_t"), False)
    )
    [index] = tree
    assert index.tag.endswith("msub") and index[0].tag.endswith("mover")
    assert [part.strip() for part in index.itertext() if part.strip()] == ["Y", "^", "t"]


def test_methods_are_split_by_their_home(extension):
    split = extension("class_members").split_methods
    methods, attributes, inherited = split("sknmf_unfold", "DRNMFSeparator")
    assert {"fit", "predict", "transform", "partial_fit", "export_onnx"} <= set(methods)
    assert {"get_params", "get_metadata_routing"} <= set(inherited)
    assert not [name for name in (*methods, *inherited) if name.endswith("_request")]
    assert not set(methods) & {*inherited, *attributes}


def test_continued_types_are_joined(extension):
    joined = extension("docstring_types").joined
    assert joined(["init : one or \\", "        another", "    text"]) == [
        "init : one or another",
        "    text",
    ]
    assert joined(["a", ""]) == ["a", ""]
    assert joined(["open \\"]) == ["open"]


def test_names_of_attributes_in_types_are_no_references(extension):
    escaped = extension("docstring_types").escaped
    line = "objective_curve_ : ndarray of shape (n_iter_ + 1,) or (n_iter_,)"
    assert escaped(line) == line.replace("n_iter_", r"n_iter\_")
    for same in ("Sentence: n_iter_ is a number.", "x : int", "a : ``n_iter_``"):
        assert escaped(same) == same
