"""Modules that importing the package loads, in a process of its own."""

import subprocess
import sys


def python(code):
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return result.stdout


def test_import_loads_no_torch_and_no_plotting():
    heavy = python(
        "import sys, sknmf_unfold, sknmf_unfold.metrics, sknmf_unfold.datasets\n"
        "heavy = ('torch', 'matplotlib', 'soundfile', 'mir_eval', 'scipy.signal', 'tqdm')\n"
        "print(*[name for name in heavy if name in sys.modules])"
    )
    assert heavy.strip() == ""


def test_import_adds_nothing_to_scikit_learn_but_the_package():
    loaded = python(
        "import sys, sklearn.decomposition; before = set(sys.modules)\n"
        "import sknmf_unfold; print(*sorted(set(sys.modules) - before))"
    ).split()
    tops = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert tops <= {"sknmf_unfold", "sklearn"}
    # Every module takes time; twice as many would be noticed.
    assert len(loaded) < 120


def test_predicting_with_nmf_needs_no_torch():
    loaded = python(
        "import sys, numpy as np\n"
        "from sknmf_unfold import SupervisedNMFSeparator\n"
        "X = np.random.default_rng(0).random((30, 6))\n"
        "SupervisedNMFSeparator(2, max_iter=5).fit(X, X / 2).predict(X)\n"
        "print('torch' in sys.modules)"
    )
    assert loaded.strip() == "False"
