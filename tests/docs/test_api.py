"""The API page names what there is, and all of it."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "api.rst").read_text()
PUBLIC = ("sknmf_unfold", *(f"sknmf_unfold.{m}" for m in ("datasets", "metrics", "plotting")))
PUBLIC += ("sknmf_unfold.separators", "sknmf_unfold.signal", "sknmf_unfold.nmf")
LINE = re.compile(r"^\.\. currentmodule:: (\S+)|^   ([A-Za-z_][\w.]*)$", re.MULTILINE)


def listed():
    """Full names of all entries of the page."""
    module = ""
    for current, name in LINE.findall(PAGE):
        module = current or module
        if name:
            yield f"{module}.{name}"


def resolve(name):
    """Return what a dotted name means: a module or one of its attributes."""
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


@pytest.mark.parametrize("name", list(listed()))
def test_every_entry_exists_and_is_documented(name):
    found = resolve(name)
    assert not callable(found) or found.__doc__


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_an_entry(module):
    entries = {id(resolve(name)) for name in listed()}
    found = importlib.import_module(module)
    names = [name for name in found.__all__ if name != "__version__"]
    assert names
    assert [name for name in names if id(getattr(found, name)) not in entries] == []


def test_entries_are_listed_once():
    names = list(listed())
    assert len(names) > 50
    assert sorted(names) == sorted(set(names))
