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


def test_import_takes_little_more_than_scikit_learn():
    # Inside one process, in this order, and the best of three: what the package adds of its own.
    code = (
        "import time; start = time.perf_counter(); import sklearn.decomposition\n"
        "middle = time.perf_counter(); import sknmf_unfold\n"
        "print(1 + (time.perf_counter() - middle) / (middle - start))"
    )
    ratio = min(float(python(code)) for _ in range(3))
    print(f"import sknmf_unfold takes {ratio:.2f} times as long as sklearn.decomposition")
    assert ratio <= 1.3


def test_predicting_with_nmf_needs_no_torch():
    loaded = python(
        "import sys, numpy as np\n"
        "from sknmf_unfold import SupervisedNMFSeparator\n"
        "X = np.random.default_rng(0).random((30, 6))\n"
        "SupervisedNMFSeparator(2, max_iter=5).fit(X, X / 2).predict(X)\n"
        "print('torch' in sys.modules)"
    )
    assert loaded.strip() == "False"
