"""The tools that hold the code to its style, run on the code as it is."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import sknmf_unfold

ROOT = Path(__file__).parents[1]

COMMANDS = {
    "ruff": ["-m", "ruff", "check", "sknmf_unfold", "tests", "benchmarks"],
    "ruff-format": ["-m", "ruff", "format", "--check", "sknmf_unfold", "tests", "benchmarks"],
    "mypy": ["-m", "mypy"],
    # Unlike the others import-linter has no module of that name to run.
    "import-linter": ["-c", "from importlinter.cli import lint_imports_command as c; c()"],
}


@pytest.mark.parametrize("tool", COMMANDS)
def test_tool(tool):
    result = subprocess.run(
        [sys.executable, *COMMANDS[tool]], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def public_objects():
    """Everything public that is defined in the package, and the methods of its classes."""
    for module in pkgutil.walk_packages(sknmf_unfold.__path__, "sknmf_unfold."):
        if "._" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            own = getattr(value, "__module__", None) == module.name
            if not own or name.startswith("_") or not callable(value):
                continue
            if not hasattr(value, "__qualname__"):
                continue
            yield f"{module.name}.{name}"
            if inspect.isclass(value):
                methods = (key for key, v in vars(value).items() if inspect.isfunction(v))
                yield from (f"{module.name}.{name}.{m}" for m in methods if not m.startswith("_"))


# What numpydoc finds and what is right here: summaries that do not fit one line (SS06), sections
# that small functions do not need (ES01, SA01, EX01, GL08 for nothing to say), returns without a
# description where the summary is it (RT03), periods at the end of shapes (PR09, RT05).
ALLOWED = {"SS06", "ES01", "SA01", "EX01", "RT03", "PR09", "RT05", "RT02", "GL01", "SS05", "PR07"}


def test_numpydoc():
    from numpydoc.validate import validate

    problems = []
    for name in public_objects():
        for code, message in validate(name)["errors"]:
            if code not in ALLOWED:
                problems.append(f"{name}: {code} {message}")
    assert not problems, "\n".join(problems)
