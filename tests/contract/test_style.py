"""Style of the code: linters, types, layers, docstrings, lengths of files and of signatures."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import sknmf_unfold
from tests._estimators import public_estimator_classes

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


# Folders that nobody needs a reference of.
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
            if not hasattr(value, "__qualname__") or getattr(value, "_is_protocol", False):
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
            # Constructors of protocols, and of torch's modules, that have no parameters of ours.
            inherited = code == "PR01" and "'*args'" in message and "'**kwargs'" in message
            if code not in ALLOWED and name not in NOT_DOCUMENTED_HERE and not inherited:
                problems.append(f"{name}: {code} {message}")
    assert not problems, "\n".join(problems)


# Sizes

PACKAGE = ROOT / "sknmf_unfold"
MAX_LINES = 300
MAX_ARGUMENTS = 8
# By name, with the reason: functions that cannot do with less.
MORE_ARGUMENTS = {
    # Each recording condition is a keyword that can be documented and searched on its own.
    "sknmf_unfold.signal.mixture_dataset.MixtureDataset.__init__",
}


def test_no_file_is_long():
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    long = {str(p.relative_to(ROOT)): n for p, n in lengths.items() if n > MAX_LINES}
    assert not long


def functions(tree, place):
    """Every function below a node of a syntax tree, by its place: module, classes, functions."""
    for node in ast.iter_child_nodes(tree):
        below = place
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            below = f"{place}.{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield below, node
        yield from functions(node, below)


def n_arguments(function):
    a = function.args
    names = [each.arg for each in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls", "ctx")])


def test_no_function_has_many_arguments():
    allowed = {f"{c.__module__}.{c.__name__}.__init__" for c in public_estimator_classes()}
    allowed |= MORE_ARGUMENTS
    many = []
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name, function in functions(ast.parse(path.read_text()), module):
            if n_arguments(function) > MAX_ARGUMENTS and name not in allowed:
                many.append(f"{name}: {n_arguments(function)}")
    assert not many, "\n".join(many)
