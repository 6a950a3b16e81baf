"""Progress bars: what they show, and that nothing of them is there unless they are shown."""

import re
import subprocess
import sys
import types

import pytest

from sknmf_unfold import DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.base import progress
from sknmf_unfold.base.progress import BatchBar, end_early, progress_bar
from sknmf_unfold.training.loop import Trainer


def small(**settings):
    nmf = SupervisedNMFSeparator(4, max_iter=5)
    defaults = {"n_components": 4, "nmf": nmf, "sparsity": 0.1, "random_state": 0, "batch_size": 1}
    return DRNMFSeparator(**(defaults | settings))


def shown(capsys):
    """The last state of every bar on standard error."""
    error = capsys.readouterr().err
    return [line.rpartition("\r")[2] for line in error.split("\n") if line.strip()]


def test_an_nmf_that_converged_ends_with_a_full_bar(magnitudes, capsys):
    nmf = SparseNMF(3, max_iter=500, random_state=0, verbose=1).fit(magnitudes[0])
    (line,) = shown(capsys)
    assert nmf.n_iter_ < 500
    assert "100%" in line and re.search(r" (\d+)/\1 .*objective .*, converged\]$", line)
    SparseNMF(3, max_iter=5, random_state=0, verbose=1).fit(magnitudes[0])
    (line,) = shown(capsys)
    assert " 5/5 " in line and "converged" not in line


def test_training_that_stopped_early_ends_with_a_full_bar(magnitudes, capsys, monkeypatch):
    monkeypatch.setattr(Trainer, "_is_best", lambda self, loss: self.n_epochs == 1)
    small(max_epochs=30, patience=2, verbose=1, nmf=SparseNMF(4, max_iter=2)).fit(*magnitudes)
    line = shown(capsys)[-1]
    assert line.startswith("DRNMFSeparator: 100%") and " 3/3 " in line
    assert line.endswith(", stopped early]")


def test_a_bar_says_where_training_resumed(magnitudes, capsys, tmp_path, monkeypatch):
    settings = {"max_epochs": 4, "checkpoint_dir": tmp_path}
    epoch = Trainer.epoch
    with monkeypatch.context() as patch:
        patch.setattr(
            Trainer, "epoch", lambda self, *a: epoch(self, *a) if self.n_epochs < 2 else 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            small(**settings).fit(*magnitudes)
    small(**settings, verbose=1).fit(*magnitudes)
    (line,) = shown(capsys)
    assert line.startswith("DRNMFSeparator (resumed from epoch 2): 100%") and " 4/4 " in line


def test_long_epochs_show_their_batches(magnitudes, capsys, monkeypatch):
    settings = {"max_epochs": 2, "nmf": SparseNMF(4, random_state=0).fit(magnitudes[1])}
    small(**settings, verbose=1).fit(*magnitudes)
    assert "epoch" not in capsys.readouterr().err, "these take no second"
    monkeypatch.setattr(progress, "MIN_EPOCH_SECONDS", 0.0)
    small(**settings, verbose=1).fit(*magnitudes)
    error = capsys.readouterr().err
    # Two of the three recordings are trained on, one a batch.
    assert re.search(r"epoch 1: .* 0/2 ", error) and re.search(r"epoch 2: .* 0/2 ", error)
    small(**settings).fit(*magnitudes)
    assert capsys.readouterr().err == ""


def test_the_loss_of_batches_is_their_mean(capsys):
    with BatchBar(7) as batches:
        batches.expect(2)
        batches.add(2.0, 4)
        batches.expect(1)
        batches.add(10.0, 8)
        assert str(batches._bar).endswith(", loss 1]") and " 2/3 " in str(batches._bar)
        assert str(batches._bar).startswith("epoch 7: ")
    assert capsys.readouterr().err.strip() == ""


def test_the_trainer_tells_of_every_batch(magnitudes, monkeypatch):
    told = []
    monkeypatch.setattr(BatchBar, "expect", lambda self, n: told.append(n))
    monkeypatch.setattr(BatchBar, "add", lambda self, total, count: told.append((total, count)))
    fit = small(max_epochs=1, verbose=1).fit(*magnitudes, validation_data=magnitudes)
    assert told[0] == 3 and len(told) == 4
    assert [count for _, count in told[1:]] != [0, 0, 0]
    mean = sum(total for total, _ in told[1:]) / sum(count for _, count in told[1:])
    assert mean == pytest.approx(fit.history_["train_loss"][1], rel=1e-12)


def test_the_widget_of_a_notebook_ends_full_too():
    widget = types.SimpleNamespace(max=100)
    bar = types.SimpleNamespace(n=50, total=100, postfix="", set_postfix_str=lambda s: None)
    bar.container = types.SimpleNamespace(children=(None, widget, None))
    end_early(bar, "converged")
    assert bar.total == widget.max == 50


def test_no_bar_takes_everything():
    with progress_bar(3, False, "nothing") as bar:
        bar.update()
        bar.set_postfix_str("text", refresh=False)
        end_early(bar, "converged")


# A notebook as tqdm recognises one; there is no ipywidgets, whose absence tqdm warns of.
NOTEBOOK = """
import sys, types
import numpy as np
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
shell = types.ModuleType("IPython")
shell.get_ipython = lambda: None
sys.modules["IPython"] = shell
sys.modules["ipywidgets"] = None
from sknmf_unfold import SparseNMF
SparseNMF(2, max_iter=3, random_state=0, verbose=VERBOSE).fit(10 * np.eye(4))
print("tqdm" in sys.modules)
"""


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_notebook_without_ipywidgets_gets_no_warning(verbose):
    program = NOTEBOOK.replace("VERBOSE", str(verbose))
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(bool(verbose))
    assert ("3/3" in result.stderr) == bool(verbose)
