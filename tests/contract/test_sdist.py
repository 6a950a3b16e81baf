"""Files of the source distribution: all that its tests need."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
# Made by setuptools.
MADE = ("PKG-INFO", "setup.cfg")


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
def sdist(tmp_path_factory):
    """Paths of the files of a distribution that is built of a copy of the tree."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for path in tree():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy / path)
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "sdist"]
    subprocess.run([*command, "--dist-dir", out], cwd=copy, check=True, capture_output=True)
    [archive] = out.iterdir()
    with tarfile.open(archive) as tar:
        files = [PurePosixPath(member.name) for member in tar if member.isfile()]
    return {PurePosixPath(*path.parts[1:]).as_posix() for path in files}


def test_it_has_every_file_of_the_tree_and_no_others(sdist):
    found = {path for path in sdist if not is_left_out(path)}
    assert sorted(tree() - found) == []
    assert sorted(found - tree()) == []


def test_it_has_what_tests_import_and_read(sdist):
    needed = {
        "LICENSE",
        "README.rst",
        "benchmarks/variants.py",
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
