"""The tools that hold the code to its style, run on the code as it is."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import sknmf_unfold

ROOT = Path(__file__).parents[2]

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


# Rooms that nobody needs a reference of.
INTERNAL = {"base", "cli", "validation"}


def public_objects():
    """Everything public that is defined in the package, and the methods of its classes."""
    for module in pkgutil.walk_packages(sknmf_unfold.__path__, "sknmf_unfold."):
        if "._" in module.name or module.name.split(".")[1] in INTERNAL:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            home = getattr(value, "__module__", None) or ""
            own = home == module.name or home.startswith(f"{module.name}._")
            if not own or name.startswith("_") or not callable(value):
                continue
            if not hasattr(value, "__qualname__"):
                continue
            yield f"{module.name}.{name}"
            if inspect.isclass(value):
                methods = (key for key, v in vars(value).items() if inspect.isfunction(v))
                yield from (f"{module.name}.{name}.{m}" for m in methods if not m.startswith("_"))


# What numpydoc would have and this project does not: summaries on one line only (SS06), extended
# summaries (ES01), See Also (SA01) and examples (EX01) everywhere, a description under a shape that
# says it all (PR07, RT03), full stops after shapes (PR09, RT05), named single returns (RT02),
# docstrings that begin on the second line (GL01), infinitives (SS05).
ALLOWED = {"SS05", "SS06", "ES01", "SA01", "EX01", "GL01"}
ALLOWED |= {"PR07", "PR09", "RT02", "RT03", "RT05"}
# The arguments of an autograd function are those of its forward.
NOT_DOCUMENTED_HERE = {
    f"sknmf_unfold.networks.recurrence.{name}" for name in ("GramRecurrence", "ResidualRecurrence")
}


def test_numpydoc():
    from numpydoc.validate import validate

    problems = []
    for name in public_objects():
        for code, message in validate(name)["errors"]:
            if code not in ALLOWED and name not in NOT_DOCUMENTED_HERE:
                problems.append(f"{name}: {code} {message}")
    assert not problems, "\n".join(problems)
