"""Modules that importing the package loads, in a process of its own."""

import subprocess
import sys

import pytest


def python(code):
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return result.stdout


@pytest.fixture(scope="module")
def loaded():
    """Modules that the import adds to those of scikit-learn, and all there are after it."""
    lines = python(
        "import sys, sklearn.decomposition; before = set(sys.modules)\n"
        "import sknmf_unfold; print(*sorted(set(sys.modules) - before))\n"
        "import sknmf_unfold.metrics, sknmf_unfold.datasets; print(*sorted(sys.modules))"
    ).splitlines()
    return [line.split() for line in lines]


def test_import_loads_no_torch_and_no_plotting(loaded):
    heavy = {"torch", "matplotlib", "soundfile", "soxr", "mir_eval", "scipy.signal", "tqdm"}
    assert "sknmf_unfold.metrics" in loaded[1] and not heavy.intersection(loaded[1])


def test_import_loads_only_the_package_and_what_scikit_learn_has(loaded):
    tops = {name.partition(".")[0] for name in loaded[0]} - sys.stdlib_module_names
    assert tops <= {"sknmf_unfold", "sklearn", "numpy"}
    # Every module takes time; twice as many would be noticed.
    assert len(loaded[0]) < 150


def test_predicting_with_nmf_needs_no_torch():
    loaded = python(
        "import sys, numpy as np\n"
        "from sknmf_unfold import SupervisedNMFSeparator\n"
        "X = np.random.default_rng(0).random((30, 6))\n"
        "SupervisedNMFSeparator(2, max_iter=5).fit(X, X / 2).predict(X)\n"
        "print('torch' in sys.modules)"
    )
    assert loaded.strip() == "False"
