"""Files of the distributions: the sdist has all that its tests need, the wheel the package."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
# Made by setuptools.
MADE = ("PKG-INFO", "setup.cfg")
# Such files are ignored by git, and must not be distributed either.
BUILT = ("docs/auto_examples/index.rst", "docs/generated/name.rst", "build/docs/index.html")


def tree():
    """Paths of all files of the source tree, relative to it, without what commands leave there."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        paths = listed.stdout.split("\0")[:-1]
    except (OSError, subprocess.CalledProcessError):
        paths = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
    return {path for path in paths if (ROOT / path).is_file() and not is_left_out(path)}


def is_left_out(path):
    """Whether a file is of the repository alone, or is made by a command."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
    return hidden or parts[0].endswith(".egg-info") or path in MADE


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the tree, with files that a build of the site leaves, to build in."""
    folder = tmp_path_factory.mktemp("tree")
    for path in tree():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    for path in BUILT:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("Left by a build of the site.")
    return folder


def build(kind, copied, out):
    """Build a distribution, and return its file."""
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", kind]
    subprocess.run([*command, "--dist-dir", out], cwd=copied, check=True, capture_output=True)
    [archive] = out.iterdir()
    return archive


@pytest.fixture(scope="module")
def sdist(copied, tmp_path_factory):
    """Paths of the files of the source distribution."""
    with tarfile.open(build("sdist", copied, tmp_path_factory.mktemp("sdist"))) as tar:
        files = [PurePosixPath(member.name) for member in tar if member.isfile()]
    return {PurePosixPath(*path.parts[1:]).as_posix() for path in files}


@pytest.fixture(scope="module")
def wheel(copied, tmp_path_factory):
    """The wheel, open."""
    with zipfile.ZipFile(build("bdist_wheel", copied, tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def test_it_has_every_file_of_the_tree_and_no_others(sdist):
    found = {path for path in sdist if not is_left_out(path)}
    assert sorted(tree() - found) == []
    assert sorted(found - tree()) == []


def test_it_has_what_tests_import_and_read(sdist):
    needed = {
        "CHANGELOG.rst",
        "CITATION.cff",
        "CONTRIBUTING.rst",
        "LICENSE",
        "README.rst",
        "benchmarks/variants.py",
        "constraints-oldest.txt",
        "constraints.txt",
        "docs/model_cards.rst",
        "pyproject.toml",
        "sknmf_unfold/py.typed",
        "tests/_refusals.py",
        "tests/conftest.py",
        "tests/models/0.1.0-drnmf.joblib",
        "tests/models/0.1.0.npz",
        "tests/oracles/bss_eval.py",
        "tests/separators/fit_in_child.py",
        "tests/contract/test_sdist.py",
    }
    assert needed <= sdist


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    files = {name for name in wheel.namelist() if not name.endswith("/")}
    package = {path for path in tree() if path.startswith("sknmf_unfold/")}
    assert {name for name in files if ".dist-info/" not in name} == package


def test_the_wheel_tells_its_licences_and_its_command(wheel):
    files = {PurePosixPath(*PurePosixPath(name).parts[1:]): name for name in wheel.namelist()}
    packaged = {path.as_posix() for path in files if path.parts[:1] == ("licenses",)}
    assert {"licenses/LICENSE", "licenses/sknmf_unfold/datasets/example/LICENSE.txt"} <= packaged
    commands = wheel.read(files[PurePosixPath("entry_points.txt")]).decode()
    assert "sknmf-unfold = sknmf_unfold.cli.main:main" in commands
    metadata = wheel.read(files[PurePosixPath("METADATA")]).decode()
    assert "License-Expression: BSD-3-Clause AND CC-BY-SA-4.0" in metadata
    assert "Provides-Extra: demo" in metadata and "Project-URL" not in metadata
