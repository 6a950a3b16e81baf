"""CONTRIBUTING.rst: its worked examples run in a copy of the package; its lists are complete."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import docutils.core
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.rst").read_text()
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)


def blocks():
    """Blocks of Python code: the comment in the first line, and all lines."""
    for block in BLOCK.findall(PAGE):
        code = textwrap.dedent(block)
        yield code.split("\n", 1)[0].removeprefix("# "), code


def apply(title, code, tree):
    """Edit a copy of the package as the title of a block says."""
    path = tree / title.split()[-1]
    if title.startswith("New file"):
        assert not path.exists()
        path.write_text(code)
    elif title.startswith("At the end of"):
        path.write_text(f"{path.read_text()}\n\n{code}")
    else:
        _, new_import, row = code.strip().splitlines()
        name = new_import.removeprefix("from . import ")
        text = re.sub(r"(?m)^from \. import .*", rf"\g<0>, {name}", path.read_text())
        table = re.search(r"^SOLVERS = \(\n(?: {4}.*\n)+", text, re.MULTILINE)
        path.write_text(f"{text[: table.end()]}    {row}\n{text[table.end() :]}")


# What the uses have to give.
CHECKS = {
    "Use the loss": """
        assert len(losses) == 4 and min(losses[1:]) < losses[0], losses
    """,
    "Use the solver": """
        assert (np.diff(nmf.objective_curve_) <= 1e-9 * nmf.objective_curve_[0]).all()
        np.testing.assert_allclose(np.linalg.norm(nmf.components_, axis=1), 1)
        settings = {"max_iter": 500, "tol": 1e-7, "random_state": 0}
        ends = [
            SparseNMF(5, sparsity=0.1, solver=each, **settings).fit(frames).objective_curve_[-1]
            for each in ("rank_one", "cd")
        ]
        np.testing.assert_allclose(ends[0], ends[1], rtol=0.01)
        same = nmf.set_params(solver="cd").transform(frames)
        np.testing.assert_allclose(activations, same, atol=0.02 * same.max())
    """,
    "Use the network": """
        import pickle
        import numpy as np

        losses = pipe[-1].history_["validation_loss"]
        assert losses[-1] < losses[0] and np.ptp(pipe[-1].gain_) > 0
        [expected] = pipe.predict(X[:1])
        np.testing.assert_allclose(np.concatenate(chunks), expected, atol=1e-5)
        copy = pickle.loads(pickle.dumps(pipe))
        np.testing.assert_array_equal(copy.predict(X[:1])[0], expected)
    """,
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with a copy of the package that has all worked examples."""
    folder = tmp_path_factory.mktemp("tree")
    left_out = shutil.ignore_patterns("__pycache__", "pretrained")
    shutil.copytree(ROOT / "sknmf_unfold", folder / "sknmf_unfold", ignore=left_out)
    for title, code in blocks():
        if not title.startswith("Use"):
            apply(title, code, folder)
    return folder


def test_the_worked_examples(tree):
    uses = {title: code for title, code in blocks() if title.startswith("Use")}
    assert uses.keys() == CHECKS.keys()
    codes = [uses[title] + textwrap.dedent(check) for title, check in CHECKS.items()]
    # One process: to import torch and scikit-learn takes longer than all examples.
    command = [sys.executable, "-W", "error", "-c", f"for code in {codes!r}: exec(code, {{}})"]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_benchmark_is_listed():
    files = (ROOT / "benchmarks").glob("*.py")
    runnable = {path.stem for path in files if '__name__ == "__main__"' in path.read_text()}
    # Other benchmarks start these in processes of their own.
    runnable = {name for name in runnable if not name.endswith("_child")}
    assert len(runnable) > 15
    listed = set(re.findall(r"^``(\w+)``\n    ", PAGE, re.MULTILINE))
    assert runnable - listed - set(re.findall(r"benchmarks\.(\w+)", PAGE)) == set()
    assert listed - runnable == set()


def test_it_is_valid_and_its_links_lead_to_files():
    settings = {"halt_level": 2, "report_level": 2}
    docutils.core.publish_string(PAGE, writer="null", settings_overrides=settings)
    links = re.findall(r"`[^`<]+<([^>`]+)>`_", PAGE)
    assert links and [link for link in links if not (ROOT / link).exists()] == []


def test_its_code_passes_the_linter(tree):
    command = [sys.executable, "-m", "ruff", "check", "--config", ROOT / "pyproject.toml", "."]
    run = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
