"""The reference of the API names what there is, and all of it."""

import importlib
import re
from pathlib import Path

import pytest

API = (Path(__file__).parents[2] / "docs" / "api.rst").read_text()
SECTION = re.compile(r"^(\S.*)\n((?: {4}.*\n)+)", re.MULTILINE)
NAME = re.compile(r"``([\w.]+)``")


def resolve(name):
    """Return what a dotted name below the package means: a module or one of its attributes."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


def named():
    """Full names of all that the page lists below a heading with the name of a module."""
    for title, text in SECTION.findall(API):
        modules = [name for name in NAME.findall(title) if name.startswith("sknmf_unfold")]
        for module in modules[:1]:
            yield from (f"{module}.{name}" for name in NAME.findall(text))


@pytest.mark.parametrize("name", list(named()))
def test_every_name_exists(name):
    assert resolve(name) is not None


@pytest.mark.parametrize("module", ["", ".separators", ".metrics", ".datasets"])
def test_every_public_name_is_listed(module):
    module = importlib.import_module(f"sknmf_unfold{module}")
    listed = {id(resolve(name)) for name in named()}
    public = (name for name in module.__all__ if callable(getattr(module, name)))
    assert [name for name in public if id(getattr(module, name)) not in listed] == []
