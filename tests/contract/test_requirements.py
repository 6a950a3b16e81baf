"""Requirements of the package and the constraints that its tests run on agree."""

import re
from pathlib import Path

import pytest

try:
    import tomllib
except ImportError:  # Python 3.10
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
# Versions of torch below the pin are allowed and, as the README says, untested.
NOT_TESTED = {"torch"}


def pins(name):
    """Versions of a file of constraints, by package."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def floors():
    """Floors of all requirements, by package and by place."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for place, requirements in {"dependencies": project["dependencies"], **extras}.items():
        for requirement in requirements:
            versions, _, _marker = requirement.partition("; python_version")
            match = re.fullmatch(r"([\w.-]+)>=([\d.]+)(,<[\d.]+)?", versions)
            assert match, f"{requirement!r} of {place} has no floor"
            yield match[1], place, match[2]


def same(one, other):
    """Whether two versions are equal but for zeros at the end."""
    return re.sub(r"(\.0)+$", "", one) == re.sub(r"(\.0)+$", "", other)


def test_every_floor_is_the_oldest_version_that_is_tested():
    oldest, wrong = pins("constraints-oldest.txt"), []
    for package, place, floor in floors():
        if package not in NOT_TESTED and not same(floor, oldest.get(package, "")):
            wrong.append(f"{place}: {package}>={floor}, tested from {oldest.get(package)}")
    assert not wrong


def test_a_package_has_one_floor():
    by_package = {}
    for package, _, floor in floors():
        by_package.setdefault(package, set()).add(floor)
    assert {package: found for package, found in by_package.items() if len(found) > 1} == {}


def test_every_requirement_is_pinned_in_both_files():
    required = {package for package, *_ in floors()}
    for name in ("constraints.txt", "constraints-oldest.txt"):
        assert required <= set(pins(name)), name
