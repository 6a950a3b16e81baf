"""Training that is killed, interrupted, or runs out of memory loses nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from sknmf_unfold import DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.training.loop import Trainer
from tests._counts import count

CHILD = Path(__file__).with_name("fit_in_child.py")
ROOT = CHILD.parents[2]
FILE = "DRNMFSeparator.checkpoint"


def small(**settings):
    defaults = {"n_layers": 2, "n_components": 4, "sparsity": 0.1, "random_state": 0}
    return DRNMFSeparator(**(defaults | settings))


def start_child(folder, result):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), str(result)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    with child.stdout as output:
        assert output.readline() == b"fitting\n"
    return child


def stop_after(monkeypatch, n_epochs, action):
    """Let `action` happen in the middle of the epoch after `n_epochs`."""
    step, trained = Trainer.train_step, []

    def train_step(self, batch):
        trained.append(self.n_epochs)
        if self.n_epochs == n_epochs and trained.count(n_epochs) == 2:
            action()
        return step(self, batch)

    monkeypatch.setattr(Trainer, "train_step", train_step)


# Killed


@pytest.mark.parametrize("n_kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_bit_identical(tmp_path, n_kills):
    child = start_child(tmp_path / "whole", tmp_path / "whole.npz")
    start = time.perf_counter()
    assert child.wait(timeout=300) == 0
    duration = time.perf_counter() - start
    moments, survived, epochs = random.Random(0), 0, 0
    folder, result = tmp_path / "killed", tmp_path / "killed.npz"
    while survived < n_kills:
        child = start_child(folder, result)
        try:
            child.wait(timeout=moments.uniform(0, 0.5 * duration))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            survived += 1
            count("kill and resume cycles survived")
            epochs += (folder / FILE).exists()
        else:
            # Trained to its end before it was to be killed: begin again.
            assert child.returncode == 0
    assert epochs > 0, "no kill came while it was training"
    child = start_child(folder, result)
    assert child.wait(timeout=300) == 0
    with np.load(tmp_path / "whole.npz") as whole, np.load(result) as killed:
        assert set(whole) == set(killed)
        for name in whole:
            np.testing.assert_array_equal(killed[name], whole[name], err_msg=name)
    assert not (folder / FILE).exists()


class Kill(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def kill():
    raise Kill


@pytest.mark.parametrize("n_epochs", [0, 1, 4])
@pytest.mark.parametrize("random_state", [0, None])
def test_going_on_is_bit_identical_wherever_it_stopped(
    magnitudes, tmp_path, monkeypatch, n_epochs, random_state
):
    X, Y = magnitudes
    settings = {"max_epochs": 6, "batch_size": 1, "sequence_length": 20}
    stop_after(monkeypatch, n_epochs, kill)
    with pytest.raises(Kill):
        small(checkpoint_dir=tmp_path, random_state=random_state, **settings).fit(X, Y)
    monkeypatch.undo()
    assert (tmp_path / FILE).exists() == (n_epochs > 0)
    resumed = small(checkpoint_dir=tmp_path, random_state=random_state, **settings)
    state = np.random.mtrand._rand.get_state(legacy=False)
    resumed.fit(X, Y)
    assert resumed.history_["epoch"] == list(range(7))
    assert not (tmp_path / FILE).exists()
    if random_state is None:
        if n_epochs:
            after = np.random.mtrand._rand.get_state(legacy=False)
            np.testing.assert_equal(after, state)
        return
    whole = small(**settings).fit(X, Y)
    np.testing.assert_array_equal(resumed.components_, whole.components_)
    np.testing.assert_array_equal(resumed.initial_components_, whole.initial_components_)
    np.testing.assert_array_equal(resumed.predict(X)[0], whole.predict(X)[0])
    assert resumed.history_["train_loss"][1:] == whole.history_["train_loss"][1:]
    assert resumed.best_epoch_ == whole.best_epoch_
    assert resumed.n_parameters_ == whole.n_parameters_


def killed(magnitudes, folder, monkeypatch, **settings):
    """Leave a checkpoint of two epochs."""
    stop_after(monkeypatch, 2, kill)
    with pytest.raises(Kill):
        small(checkpoint_dir=folder, max_epochs=4, batch_size=1, **settings).fit(*magnitudes)
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate was None and is 0\.5"),
        (
            {"sparsity": 0.2, "n_layers": 3},
            r"n_layers was 2 and is 3, sparsity was 0\.1 and is 0\.2",
        ),
        ({"random_state": 1}, "random_state was 0 and is 1"),
        ({"random_state": np.random.RandomState(0)}, "random_state differs"),
        ({"nmf": SparseNMF(4)}, "nmf differs"),
        ({"recipe": "paper"}, "recipe was 'default' and is 'paper'"),
    ],
)
def test_a_checkpoint_of_other_parameters_is_refused(
    magnitudes, tmp_path, monkeypatch, change, message
):
    killed(magnitudes, tmp_path, monkeypatch)
    separator = small(checkpoint_dir=tmp_path, max_epochs=4, batch_size=1).set_params(**change)
    with pytest.raises(ValueError, match=rf"{FILE} is of another fit: {message}\. Delete it"):
        separator.fit(*magnitudes)


def test_a_checkpoint_of_other_data_is_refused(magnitudes, tmp_path, monkeypatch):
    killed(magnitudes, tmp_path, monkeypatch)
    X, Y = magnitudes
    separator = small(checkpoint_dir=tmp_path, max_epochs=4, batch_size=1)
    with pytest.raises(ValueError, match=r"is of another fit: X differs\. Delete"):
        separator.fit([X[0] + 1e-12, *X[1:]], Y)
    with pytest.raises(ValueError, match=r"is of another fit: Y differs\. Delete"):
        separator.fit(X, [0.5 * y for y in Y])
    with pytest.raises(
        ValueError, match=r"is of another fit: X differs, Y differs, valid.* differs"
    ):
        separator.fit(X[:2], Y[:2], validation_data=(X[2:], Y[2:]))
    # What does not change the result may be another.
    assert separator.set_params(verbose=0).fit(X, Y).history_["epoch"][-1] == 4


def test_a_checkpoint_of_another_fitted_start_is_refused(magnitudes, tmp_path, monkeypatch):
    X, Y = magnitudes
    nmfs = [SupervisedNMFSeparator(4, random_state=seed).fit(X, Y) for seed in (0, 0, 1)]
    for nmf in nmfs:
        nmf.random_state = None
    killed(magnitudes, tmp_path, monkeypatch, nmf=nmfs[0])
    settings = {"checkpoint_dir": tmp_path, "max_epochs": 4, "batch_size": 1}
    with pytest.raises(ValueError, match="is of another fit: nmf differs"):
        small(nmf=nmfs[2], **settings).fit(X, Y)
    assert small(nmf=nmfs[1], **settings).fit(X, Y).history_["epoch"][-1] == 4


@pytest.mark.parametrize("content", [b"", b"not one of ours", b"sknmf_unfold checkpoint 1\n" * 9])
def test_a_damaged_checkpoint_is_refused(magnitudes, tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FILE} is (not a checkpoint|damaged or truncated)"):
        small(checkpoint_dir=tmp_path, max_epochs=1).fit(*magnitudes)


def test_checkpoint_dir_must_be_a_folder(magnitudes, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match=r"`checkpoint_dir` must be a folder; .*file is a file"):
        small(checkpoint_dir=file).fit(*magnitudes)
    with pytest.raises(TypeError, match="`checkpoint_dir` must be a path or None; got 3"):
        small(checkpoint_dir=3).fit(*magnitudes)


# Interrupted


@pytest.fixture
def ctrl_c():
    """Ctrl-C as at a terminal, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_the_best_weights_so_far(magnitudes, monkeypatch):
    X, Y = magnitudes
    settings = {"batch_size": 1, "sequence_length": 20}
    stop_after(monkeypatch, 3, interrupt)
    message = r"interrupted after 3 epochs; the weights of epoch 3 are kept"
    with pytest.warns(ConvergenceWarning, match=message):
        separator = small(max_epochs=50, **settings).fit(X, Y, validation_data=(X, Y))
    monkeypatch.undo()
    expected = small(max_epochs=3, **settings).fit(X, Y, validation_data=(X, Y))
    np.testing.assert_array_equal(separator.predict(X)[0], expected.predict(X)[0])
    assert separator.history_["epoch"] == [0, 1, 2, 3]


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_the_first_epoch_keeps_the_start(magnitudes, monkeypatch):
    X, Y = magnitudes
    stop_after(monkeypatch, 0, interrupt)
    with pytest.warns(ConvergenceWarning, match="after 0 epochs; the weights of epoch 0"):
        separator = small(max_epochs=50, batch_size=1).fit(X, Y)
    start = small(max_epochs=0).fit(X, Y)
    np.testing.assert_array_equal(separator.predict(X)[0], start.predict(X)[0])


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_the_checkpoint_to_go_on_from(magnitudes, tmp_path, monkeypatch):
    X, Y = magnitudes
    settings = {"max_epochs": 6, "batch_size": 1, "sequence_length": 20}
    separator = small(checkpoint_dir=tmp_path, **settings)
    stop_after(monkeypatch, 3, interrupt)
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 epochs"):
        separator.fit(X, Y)
    monkeypatch.undo()
    separator.fit(X, Y)
    whole = small(**settings).fit(X, Y)
    np.testing.assert_array_equal(separator.components_, whole.components_)


# Out of memory


def test_out_of_memory_on_a_gpu_says_what_to_lower(magnitudes, monkeypatch):
    def fails():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 99 GiB")

    message = "16 sequences of 20 frames .* lower `batch_size` or `sequence_length`"
    settings = {"sequence_length": 20, "batch_size": 16, "max_epochs": 3}
    monkeypatch.setattr(Trainer, "train_step", lambda self, batch: fails())
    with pytest.raises(MemoryError, match=message):
        small(**settings).fit(*magnitudes)
