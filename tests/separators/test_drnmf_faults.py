"""Training that is killed, interrupted, or runs out of memory loses nothing."""

import errno
import io
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from sknmf_unfold import DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, _checkpoints
from sknmf_unfold.training.checkpoint import DIGEST_BYTES, HEADER, Checkpoint
from sknmf_unfold.training.fingerprints import fingerprint
from sknmf_unfold.training.loop import Trainer
from tests._counts import count
from tests._refusals import refuses

CHILD = Path(__file__).with_name("fit_in_child.py")
ROOT = CHILD.parents[2]


def small(**settings):
    defaults = {"n_layers": 2, "n_components": 4, "sparsity": 0.1, "random_state": 0}
    return DRNMFSeparator(**(defaults | settings))


def files(folder):
    """The checkpoints in a folder."""
    return sorted(folder.glob("DRNMFSeparator-*.checkpoint"))


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


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_bit_identical(tmp_path):
    child = start_child(tmp_path / "whole", tmp_path / "whole.npz")
    start = time.perf_counter()
    assert child.wait(timeout=300) == 0
    duration = time.perf_counter() - start
    moments, survived, epochs = random.Random(0), 0, 0
    folder, result = tmp_path / "killed", tmp_path / "killed.npz"
    while survived < 20:
        child = start_child(folder, result)
        try:
            child.wait(timeout=moments.uniform(0, 0.5 * duration))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            survived += 1
            count("kill and resume cycles survived")
            epochs += len(files(folder))
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
    # A kill before the first byte of a file, or after the last, leaves an empty hidden folder.
    assert not any(path.is_file() for path in folder.rglob("*"))


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
    assert len(files(tmp_path)) == (n_epochs > 0)
    resumed = small(checkpoint_dir=tmp_path, random_state=random_state, **settings)
    state = np.random.mtrand._rand.get_state(legacy=False)
    resumed.fit(X, Y)
    assert resumed.history_["epoch"] == list(range(7))
    assert list(tmp_path.iterdir()) == []
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
    "change",
    [
        {"learning_rate": 0.5},
        {"sparsity": 0.2},
        {"random_state": 1},
        {"random_state": np.random.RandomState(0)},
        {"nmf": SparseNMF(4)},
        {"recipe": "paper"},
    ],
)
def test_a_fit_with_other_parameters_has_a_file_of_its_own(
    magnitudes, tmp_path, monkeypatch, change
):
    killed(magnitudes, tmp_path, monkeypatch)
    (left,) = files(tmp_path)
    content = left.read_bytes()
    other = small(checkpoint_dir=tmp_path, max_epochs=4, batch_size=1).set_params(**change)
    assert other.fit(*magnitudes).history_["epoch"][:2] == [0, 1]
    assert files(tmp_path) == [left] and left.read_bytes() == content


def test_a_fit_of_other_data_has_a_file_of_its_own(magnitudes, tmp_path, monkeypatch):
    X, Y = magnitudes
    settings = {"checkpoint_dir": tmp_path, "max_epochs": 4, "batch_size": 1}
    others = [
        ([X[0] + 1e-12, *X[1:]], Y, None),
        (X, [0.5 * y for y in Y], None),
        (X, Y, (X[2:], Y[2:])),
    ]
    for x, y, watched in [(X, Y, None), *others]:
        stop_after(monkeypatch, 2, kill)
        with pytest.raises(Kill):
            small(**settings).fit(x, y, validation_data=watched)
        monkeypatch.undo()
    assert len(files(tmp_path)) == 4
    # What does not change the result may be another.
    assert small(**settings | {"verbose": 0}).fit(X, Y).history_["epoch"][-1] == 4
    assert len(files(tmp_path)) == 3


def test_a_fit_from_another_fitted_start_has_a_file_of_its_own(magnitudes, tmp_path, monkeypatch):
    X, Y = magnitudes
    nmfs = [SupervisedNMFSeparator(4, random_state=seed).fit(X, Y) for seed in (0, 0, 1)]
    for nmf in nmfs:
        nmf.random_state = None
    killed(magnitudes, tmp_path, monkeypatch, nmf=nmfs[0])
    settings = {"checkpoint_dir": tmp_path, "max_epochs": 4, "batch_size": 1}
    seen = epochs_from_now(monkeypatch)
    small(nmf=nmfs[2], **settings).fit(X, Y)
    assert len(files(tmp_path)) == 1 and seen == [1, 2, 3, 4]
    small(nmf=nmfs[1], **settings).fit(X, Y)
    assert files(tmp_path) == [] and seen == [1, 2, 3, 4, 3, 4]


def epochs_from_now(monkeypatch):
    """The list of the epochs that are trained from now on."""
    epoch, seen = Trainer.epoch, []

    def counted(self, *arguments):
        seen.append(self.n_epochs + 1)
        return epoch(self, *arguments)

    monkeypatch.setattr(Trainer, "epoch", counted)
    return seen


def test_the_same_fit_under_another_version_or_device_starts_afresh_with_a_warning(
    magnitudes, tmp_path, monkeypatch
):
    killed(magnitudes, tmp_path, monkeypatch)
    (left,) = files(tmp_path)
    settings = {"checkpoint_dir": tmp_path, "max_epochs": 4, "batch_size": 1}
    seen = epochs_from_now(monkeypatch)
    message = rf"of this fit by another version .* or on another device \({left.name}\)"
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match=message):
        patch.setattr(torch, "__version__", "99.0")
        small(**settings).fit(*magnitudes)
    assert files(tmp_path) == [left] and seen == [1, 2, 3, 4]
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match=message):
        patch.setattr(_checkpoints, "resolve_device", lambda device: torch.device("cuda"))
        small(**settings).fit(*magnitudes)
    # The device that "auto" stands for is the same one by its name.
    small(device="cpu", **settings).fit(*magnitudes)
    assert files(tmp_path) == [] and seen == [1, 2, 3, 4] * 2 + [3, 4]


@pytest.mark.parametrize("content", [b"", b"not one of ours", b"sknmf_unfold checkpoint 1\n" * 9])
def test_a_damaged_checkpoint_is_refused(magnitudes, tmp_path, monkeypatch, content):
    killed(magnitudes, tmp_path, monkeypatch)
    (path,) = files(tmp_path)
    path.write_bytes(content)
    separator = small(checkpoint_dir=tmp_path, max_epochs=4, batch_size=1)
    message = rf"{path.name} is (not a checkpoint|damaged or truncated)"
    refuses(message, lambda: separator.fit(*magnitudes))
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "the lock is gone"


def nan(tensor):
    tensor.flatten()[0] = float("nan")


# What a file that is whole can hold in place of what the fit saved.
OTHER_CONTENT = {
    "no trainer": lambda state: state.pop("trainer"),
    "no start": lambda state: state.pop("start"),
    "no optimizer": lambda state: state["trainer"].pop("optimizer"),
    "a list of weights": lambda state: state["trainer"].update(network=[1, 2]),
    "a start with more": lambda state: state["start"].update(more=torch.zeros(2)),
    "a start of other bins": lambda state: resize(state["start"]),
    "NaN in the start": lambda state: nan(state["start"]["output_components"]),
    "NaN in the weights": lambda state: nan(next(iter(state["trainer"]["network"].values()))),
    "NaN in the best": lambda state: nan(next(iter(state["trainer"]["best"]["weights"].values()))),
    "best of another shape": lambda state: resize(state["trainer"]["best"]["weights"]),
    "moments of another shape": lambda state: state["trainer"]["optimizer"]["state"][0].update(
        exp_avg=torch.zeros(3)
    ),
    "history without a column": lambda state: state["trainer"]["history"].pop("seconds"),
    "history that ends earlier": lambda state: state["trainer"]["history"]["epoch"].pop(),
    "recordings that there are not": lambda state: state.update(parts=[[0, 1], [7]]),
    "a seed of text": lambda state: state.update(seed="zero"),
    "a generator of another length": lambda state: state["trainer"]["rng"]["state"].update(
        key=torch.zeros(5, dtype=torch.int64)
    ),
}


def resize(tensors):
    for name, tensor in tensors.items():
        tensors[name] = tensor[..., :-1].clone() if tensor.ndim else tensor


@pytest.mark.parametrize("change", OTHER_CONTENT)
def test_a_whole_checkpoint_of_other_content_is_refused(magnitudes, tmp_path, monkeypatch, change):
    killed(magnitudes, tmp_path, monkeypatch)
    (path,) = files(tmp_path)
    facts = torch.load(io.BytesIO(path.read_bytes()[len(HEADER) + DIGEST_BYTES :]))["facts"]
    checkpoint = Checkpoint(path, facts)
    state = checkpoint.load()
    OTHER_CONTENT[change](state)
    checkpoint.save(state)
    separator = small(checkpoint_dir=tmp_path, max_epochs=4, batch_size=1)
    message = rf"{path.name} does not hold what this fit resumes from .*; delete it to train"
    refuses(message, lambda: separator.fit(*magnitudes))
    assert not hasattr(separator, "initial_components_")


def test_checkpoint_dir_must_be_a_folder(magnitudes, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match=r"`checkpoint_dir` must be a folder; .*file is a file"):
        small(checkpoint_dir=file).fit(*magnitudes)
    with pytest.raises(TypeError, match="`checkpoint_dir` must be a path or None; got 3"):
        small(checkpoint_dir=3).fit(*magnitudes)


TRAINED = {
    "drnmf": small(),
    "deep_nmf": DeepNMFSeparator(3, 4, sparsity=0.1, random_state=0),
    "lstm": LSTMSeparator(1, 5, random_state=0),
}
each_trained = pytest.mark.parametrize("separator", TRAINED.values(), ids=TRAINED)


@each_trained
def test_a_killed_warm_start_resumes_to_the_same_attributes(
    magnitudes, tmp_path, monkeypatch, separator
):
    X, Y = magnitudes
    first = clone(separator).set_params(max_epochs=2, warm_start=True).fit(X, Y)
    settings = {"max_epochs": 4, "batch_size": 1, "checkpoint_dir": tmp_path}
    stored = pickle.dumps(first.set_params(**settings))
    whole = pickle.loads(stored).fit(X, Y)
    stop_after(monkeypatch, 2, kill)
    with pytest.raises(Kill):
        pickle.loads(stored).fit(X, Y)
    monkeypatch.undo()
    seen = epochs_from_now(monkeypatch)
    resumed = pickle.loads(stored).fit(X, Y)
    assert seen == [3, 4]
    for each in (whole, resumed):
        del each.history_["seconds"], each.history_["data_wait_seconds"]
    assert fingerprint(vars(resumed)) == fingerprint(vars(whole))


def test_a_fit_at_speeds_of_a_distribution_resumes(speech, spectrograms, tmp_path, monkeypatch):
    settings = {"max_epochs": 3, "batch_size": 2, "nmf": SupervisedNMFSeparator(4, max_iter=3)}

    def fit():
        # Each has numpy's global generator in it, as it is then.
        np.random.uniform()  # noqa: NPY002
        speed_factors = scipy.stats.uniform(0.9, 0.2)
        return small(speed_factors=speed_factors, checkpoint_dir=tmp_path, **settings).fit(
            spectrograms, speech[1]
        )

    stop_after(monkeypatch, 2, kill)
    with pytest.raises(Kill):
        fit()
    monkeypatch.undo()
    seen = epochs_from_now(monkeypatch)
    fit()
    assert seen == [3]


# Interrupted


@pytest.fixture
def ctrl_c():
    """Ctrl-C as at a terminal, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def interrupted(separator, X, Y, match=None, **settings):
    with pytest.raises(KeyboardInterrupt, match=match):
        separator.fit(X, Y, **settings)
    return separator


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_the_best_weights_so_far_and_is_raised_on(magnitudes, monkeypatch):
    X, Y = magnitudes
    settings = {"batch_size": 1, "sequence_length": 20}
    stop_after(monkeypatch, 3, interrupt)
    separator = small(max_epochs=50, **settings)
    with monkeypatch.context() as patch:
        # So that the best weights are not the last.
        patch.setattr(Trainer, "_is_best", lambda self, loss: self.n_epochs == 2)
        interrupted(separator, X, Y, validation_data=(X, Y))
    monkeypatch.undo()
    expected = small(max_epochs=2, **settings).fit(X, Y, validation_data=(X, Y))
    np.testing.assert_array_equal(separator.predict(X)[0], expected.predict(X)[0])
    assert separator.history_["epoch"] == [0, 1, 2, 3] and separator.best_epoch_ == 2


@each_trained
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_the_first_epoch_leaves_the_estimator_as_it_was(
    magnitudes, monkeypatch, separator
):
    X, Y = magnitudes
    fitted = clone(separator).set_params(max_epochs=2, warm_start=True).fit(X, Y)
    before = fingerprint(fitted)
    settings = {"max_epochs": 50, "batch_size": 1}
    stop_after(monkeypatch, 0, interrupt)
    unfitted = interrupted(clone(separator).set_params(**settings), X, Y)
    assert vars(unfitted) == vars(clone(separator).set_params(**settings))
    with pytest.raises(NotFittedError):
        unfitted.predict(X)
    monkeypatch.undo()
    for warm_start in (True, False):
        stop_after(monkeypatch, 0, interrupt)
        fitted.set_params(warm_start=warm_start, batch_size=1)
        interrupted(fitted, [2 * x for x in X], Y)
        monkeypatch.undo()
        fitted.set_params(warm_start=True, batch_size=None)
        assert fingerprint(fitted) == before


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_ctrl_c_leaves_the_checkpoint_to_go_on_from(
    magnitudes, tmp_path, monkeypatch, warm_start, is_fitted
):
    X, Y = magnitudes
    settings = {"batch_size": 1, "sequence_length": 20, "warm_start": warm_start}
    fits = [small(checkpoint_dir=folder, **settings) for folder in (tmp_path, None)]
    if is_fitted:
        for each in fits:
            each.set_params(max_epochs=1).fit(X, Y)
    separator, whole = (each.set_params(max_epochs=6) for each in fits)
    for n_epochs in (3, 4):
        stop_after(monkeypatch, n_epochs, interrupt)
        interrupted(separator, X, Y)
        monkeypatch.undo()
        assert len(files(tmp_path)) == 1
        separator = pickle.loads(pickle.dumps(separator))
    seen = epochs_from_now(monkeypatch)
    separator.fit(X, Y)
    assert seen == [5, 6] and list(tmp_path.iterdir()) == []
    whole.fit(X, Y)
    for name in ("components_", "initial_components_"):
        np.testing.assert_array_equal(getattr(separator, name), getattr(whole, name))
    assert vars(separator).keys() == vars(whole).keys()


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_says_what_it_leaves(magnitudes, tmp_path, monkeypatch):
    settings = {"batch_size": 1, "max_epochs": 6, "checkpoint_dir": tmp_path}
    stop_after(monkeypatch, 2, interrupt)
    message = r"interrupted after 2 epochs; .* weights of epoch \d, and the same fit resumes from "
    interrupted(small(**settings), *magnitudes, message)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_a_search(magnitudes, monkeypatch):
    search = GridSearchCV(small(batch_size=1), {"n_layers": [1, 2]}, cv=2, error_score=0.0)
    stop_after(monkeypatch, 2, interrupt)
    interrupted(search, *magnitudes)
    assert not hasattr(search, "cv_results_")


@each_trained
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_partial_fit_leaves_the_estimator_as_it_was(magnitudes, monkeypatch, separator):
    X, Y = magnitudes
    separator = clone(separator).set_params(batch_size=1)
    for n_epochs in (0, 2):
        before = fingerprint(separator)
        stop_after(monkeypatch, n_epochs, interrupt)
        with pytest.raises(KeyboardInterrupt):
            separator.partial_fit(X, Y)
        monkeypatch.undo()
        assert fingerprint(separator) == before
        separator.partial_fit(X, Y).partial_fit(X, Y)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("estimator", [SparseNMF, SupervisedNMFSeparator])
def test_ctrl_c_in_an_nmf_leaves_it_as_it_was(magnitudes, monkeypatch, estimator):
    X, Y = magnitudes
    nmf = estimator(3, random_state=0)
    narrow = [x[:, :9] for x in X], [y[:, :9] for y in Y]
    for fits_first in (False, True):
        if fits_first:
            nmf.fit(X, Y)
        before = fingerprint(nmf)
        # After half of a supervised fit, or while it looks at what was learned.
        with monkeypatch.context() as patch:
            patch.setattr(SparseNMF, "_keep", lambda self, *_: interrupt())
            interrupted(nmf, *narrow)
        assert fingerprint(nmf) == before
        assert hasattr(nmf, "n_features_in_") == fits_first


# Two at once


def test_two_fits_at_once_have_a_checkpoint_each(magnitudes, tmp_path):
    X, Y = magnitudes
    settings = {"max_epochs": 8, "batch_size": 1, "sequence_length": 20}
    layers = (1, 2, 3)
    fits = [small(n_layers=n, checkpoint_dir=tmp_path, **settings) for n in layers]
    threads = [threading.Thread(target=fit.fit, args=(X, Y)) for fit in fits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(tmp_path.iterdir()) == []
    for n, fit in zip(layers, fits, strict=True):
        alone = small(n_layers=n, **settings).fit(X, Y)
        np.testing.assert_array_equal(fit.components_, alone.components_)


def test_the_same_fit_twice_at_once_is_refused(magnitudes, tmp_path, monkeypatch):
    X, Y = magnitudes
    settings = {"max_epochs": 4, "batch_size": 1, "checkpoint_dir": tmp_path}
    message = r"The same fit is running and has its checkpoint in .*DRNMFSeparator-.*; wait for it"
    second = lambda: small(**settings).fit(X, Y)  # noqa: E731
    stop_after(monkeypatch, 2, lambda: refuses(message, second))
    first = small(**settings).fit(X, Y)
    assert first.history_["epoch"] == [0, 1, 2, 3, 4]


def test_a_killed_search_can_be_started_again(magnitudes, tmp_path, monkeypatch):
    X, Y = magnitudes
    settings = {"max_epochs": 4, "batch_size": 1, "sequence_length": 20}
    grid, how = {"n_layers": [1, 2]}, {"cv": 3, "error_score": "raise"}
    plain = GridSearchCV(small(**settings), grid, **how).fit(X, Y)
    search = GridSearchCV(small(checkpoint_dir=tmp_path, **settings), grid, **how)
    stop_after(monkeypatch, 2, kill)
    with pytest.raises(Kill):
        search.fit(X, Y)
    monkeypatch.undo()
    assert len(files(tmp_path)) == 1
    search.fit(X, Y)
    scores = [each.cv_results_["mean_test_score"] for each in (search, plain)]
    np.testing.assert_array_equal(*scores)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_search_in_two_processes_shares_a_folder(magnitudes, tmp_path):
    settings = {"max_epochs": 4, "batch_size": 1}
    grid, how = {"n_layers": [1, 2, 3]}, {"cv": 3, "error_score": "raise"}
    found = [
        GridSearchCV(small(checkpoint_dir=folder, **settings), grid, n_jobs=n, **how)
        .fit(*magnitudes)
        .cv_results_["mean_test_score"]
        for folder, n in ((tmp_path, 2), (None, 1))
    ]
    np.testing.assert_array_equal(*found)
    assert list(tmp_path.iterdir()) == []


# Full disks, and what no other process can know again


def test_a_full_disk_warns_once_and_training_goes_on(magnitudes, tmp_path, monkeypatch):
    X, Y = magnitudes
    settings = {"max_epochs": 4, "batch_size": 1}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    stop_after(monkeypatch, 0, lambda: monkeypatch.setattr(os, "fsync", full))
    with pytest.warns(UserWarning, match=r"No checkpoint .*\(No space left on device\)") as caught:
        separator = small(checkpoint_dir=tmp_path, **settings).fit(X, Y)
    monkeypatch.undo()
    assert len(caught) == 1 and list(tmp_path.iterdir()) == []
    whole = small(**settings).fit(X, Y)
    np.testing.assert_array_equal(separator.components_, whole.components_)


def test_a_folder_without_space_is_refused_before_anything_is_computed(
    magnitudes, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(SupervisedNMFSeparator, "fit", lambda *_: pytest.fail("computed"))
    separator = small(checkpoint_dir=tmp_path / "file" / "below")
    message = "`checkpoint_dir` is .*below, where nothing can be written"
    refuses(message, lambda: separator.fit(*magnitudes), OSError)


def test_a_parameter_that_no_other_process_knows_again_is_refused(speech, spectrograms, tmp_path):
    class Speeds:
        lock = None

        def rvs(self, size, random_state):
            return random_state.uniform(0.9, 1.1, size)

    settings = {"max_epochs": 1, "nmf": SupervisedNMFSeparator(4, max_iter=3)}
    separator = small(speed_factors=Speeds(), checkpoint_dir=tmp_path, **settings)
    separator.fit(spectrograms, speech[1])
    separator.speed_factors.lock = threading.Lock()
    message = (
        "`speed_factors` is a Speeds that other processes cannot recognise: .*checkpoint_dir=None"
    )
    refuses(message, lambda: separator.fit(spectrograms, speech[1]), TypeError)
    separator.set_params(checkpoint_dir=None).fit(spectrograms, speech[1])


# Out of memory


def test_out_of_memory_on_a_gpu_says_what_to_lower(magnitudes, monkeypatch):
    def fails():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 99 GiB")

    message = "16 sequences of 20 frames .* lower `batch_size` or `sequence_length`"
    settings = {"sequence_length": 20, "batch_size": 16, "max_epochs": 3}
    monkeypatch.setattr(Trainer, "train_step", lambda self, batch: fails())
    with pytest.raises(MemoryError, match=message):
        small(**settings).fit(*magnitudes)
