"""Fits in a process group, against those of one process with batches as large as all together."""

import functools
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sknmf_unfold.training.gradients import add_up
from sknmf_unfold.training.process_group import group_size, own_gpu
from sknmf_unfold.training.ranks import Ranks, find_ranks, on_all_ranks
from sknmf_unfold.training.shares import segment_owners, share_of
from tests import _ranks
from tests.training import ranks_in_child as child

CHILD = Path(child.__file__)
# Differences of weights between two processes and one, relative to the largest weight: sums of
# float32 in another order, amplified by the steps of Adam.
WEIGHT_TOLERANCE = 1e-5
FILE_FITS = ("fit_files", "fit_remixed_files")
FITS = ("fit_drnmf", "fit_lstm", "fit_rnn", "fit_deep_nmf", "fit_mixtures", "partial_fits")
FITS += ("warm_start", "early_stopping")
ERRORS = {
    "other_parameters": ("ValueError", r"differ in `n_layers` \(2 on rank 0, 3 on rank 1\)\. They"),
    "other_number": ("ValueError", r"the number of recordings of X \(9 on rank 0, 8 on rank 1\)"),
    "other_lengths": ("ValueError", r"differ in the lengths of X \(of ranks 0 and 1\)\. They fit"),
    "other_samples": ("ValueError", r"differ in the level of X\[0\] \(0\.932 on rank 0, 1\.02 on"),
    "other_loss": ("ValueError", r"differ in `loss` \(of ranks 0 and 1\)\. They fit"),
    "other_versions": ("ValueError", r"differ in the version of sknmf_unfold \(0\.0 on rank 0, 0"),
    "other_methods": ("RuntimeError", "The 2 processes of the group are at different places"),
}
# The rank that fails, its error, and the class of that of the other.
FAILURES = {
    "bad_parameters": (1, "ValueError", "`n_layers` must be a whole number >= 1", "ValueError"),
    "bad_data": (1, "ValueError", "X[2] contains NaN at frame 3, bin 4", "ValueError"),
    "failing_start": (0, "ValueError", "`max_iter` must be a whole number >= 1", "ValueError"),
    "error_in_step": (1, "ValueError", "this rank cannot", "ValueError"),
    "own_error_in_step": (0, "OwnError", "of its own kind", "RuntimeError"),
    "no_memory": (1, "MemoryError", "none is left", "MemoryError"),
}


# Division of batches

INTEGERS = st.integers(1, 40)


@given(st.lists(INTEGERS, min_size=1, max_size=30), st.integers(1, 9), st.integers(1, 7))
def test_recordings_are_dealt_in_equal_runs(n_frames, length, n_ranks):
    owners = segment_owners(np.array(n_frames), length, n_ranks)
    counts = [-(-n // length) for n in n_frames]
    assert len(owners) == sum(counts)
    assert (np.diff(owners) >= 0).all() and 0 <= owners[0] and owners[-1] < n_ranks
    for part in np.split(owners, np.cumsum(counts)[:-1]):
        assert len(set(part)) == 1
    # No more than a fair part and the recordings at its two ends.
    most = sum(counts) / n_ranks + max(counts)
    assert np.bincount(owners).max() <= most


@given(st.integers(0, 50), st.integers(1, 9), st.randoms(use_true_random=False))
def test_shares_are_a_balanced_partition(n, n_ranks, random):
    owners = np.array([random.randrange(n_ranks) for _ in range(60)])
    indices = np.array(random.sample(range(60), n), dtype=int)
    shares = [share_of(indices, owners, n_ranks, rank) for rank in range(n_ranks)]
    assert sorted(np.concatenate(shares)) == sorted(indices)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    places = {index: place for place, index in enumerate(indices)}
    for share in shares:
        assert [places[i] for i in share] == sorted(places[i] for i in share)


def test_shares_are_mostly_of_own_recordings():
    rng = np.random.RandomState(0)
    owners = segment_owners(np.full(400, 30), 10, 4)
    batches = np.array_split(rng.permutation(1200), 19)
    own = [
        (owners[share_of(batch, owners, 4, rank)] == rank).mean()
        for batch in batches
        for rank in range(4)
    ]
    assert np.mean(own) > 0.75


def test_shares_of_balanced_batches_are_all_own():
    owners = np.repeat([0, 1, 2], 8)
    batch = np.array([17, 0, 9, 3, 20, 12])
    assert [share_of(batch, owners, 3, rank).tolist() for rank in range(3)] == [
        [0, 3],
        [9, 12],
        [17, 20],
    ]


# Outside a group


def test_outside_a_group_there_is_one_rank():
    assert group_size() == 1
    with on_all_ranks():
        ranks = find_ranks()
    assert type(ranks) is Ranks and ranks.n == 1 and ranks.is_first
    batches = [np.arange(2)]
    assert ranks.shares(batches, np.array([3]), 2) is batches
    gradients = [torch.ones(2), None]
    assert ranks.sum_gradients(gradients, []) is gradients
    assert add_up([], ranks) == (0.0, 0)


def test_a_build_of_torch_without_processes_is_one_rank(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    monkeypatch.setattr(torch.distributed, "is_initialized", None)
    assert group_size() == 1


def test_an_error_outside_a_group_is_the_same():
    error = ValueError("mine")
    with pytest.raises(ValueError) as caught, on_all_ranks():
        raise error
    assert caught.value is error


# In a group of two


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Left by each of two processes in scenarios that end well."""
    folder = tmp_path_factory.mktemp("fits")
    names = (
        "gradients",
        "double_gradients",
        *FITS,
        "few_recordings",
        *FILE_FITS,
        "local_methods",
        "stopped",
        "waiting",
    )
    _ranks.run(CHILD, folder, *names)
    return {name: _ranks.results(folder, name) for name in names}


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """Left by each of two processes that fail or are interrupted, in one group one by one."""
    folder = tmp_path_factory.mktemp("errors")
    names = (*ERRORS, *FAILURES, "interrupted_start", "interrupted_wait")
    names += ("interrupt", "interrupts", "resumed")
    _ranks.run(CHILD, folder, *names)
    return {name: _ranks.results(folder, name) for name in names}


@functools.cache
def alone(scenario):
    """The same in this process."""
    return child.outcome(scenario)["value"]


def values(outcomes):
    assert [outcome for outcome in outcomes if "error" in outcome] == []
    return [outcome["value"] for outcome in outcomes]


def assert_same(one, other):
    """Assert that nested values have the same bits."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tolerance"), [("gradients", 1e-6), ("double_gradients", 1e-14)])
def test_gradients_are_those_of_one_process_with_the_double_batch(fits, name, tolerance):
    (steps, loss), second = values(fits[name])
    assert_same((steps, loss), second)
    expected, expected_loss = alone(name)
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    # The last batch is of a single sequence.
    assert len(steps) == len(expected) > 3
    assert min(count for _, count, _ in steps) <= 25 * 17
    for (total, count, gradient), wanted in zip(steps, expected, strict=True):
        assert count == wanted[1]
        assert total == pytest.approx(wanted[0], rel=tolerance)
        atol = tolerance * np.abs(wanted[2]).max()
        np.testing.assert_allclose(gradient, wanted[2], rtol=0, atol=atol)


def arrays_of(model):
    """The arrays among fitted attributes, by name."""
    weights = model.get("weights_", {})
    found = {name: value for name, value in (model | weights).items() if hasattr(value, "shape")}
    return {name: value for name, value in found.items() if value.size}


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_all_processes_end_with_the_model_of_one(fits, name):
    first, second = values(fits[name])
    assert_same(first, second)
    expected = alone(name)
    history, wanted = first["history_"], expected["history_"]
    assert history.keys() == wanted.keys()
    assert history["epoch"] == wanted["epoch"]
    assert history["learning_rate"] == wanted["learning_rate"]
    for column in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(history[column], wanted[column], rtol=1e-5)
    assert first["best_epoch_"] == expected["best_epoch_"] > 0
    arrays = arrays_of(expected)
    assert arrays.keys() == arrays_of(first).keys() != set()
    for key, value in arrays.items():
        atol = WEIGHT_TOLERANCE * np.abs(value).max()
        np.testing.assert_allclose(arrays_of(first)[key], value, rtol=0, atol=atol, err_msg=key)


@pytest.mark.slow
def test_the_learning_rate_is_halved_and_training_stops_as_one(fits):
    first, second = values(fits["early_stopping"])
    for model in (first, second):
        losses, rates = (model["history_"][x] for x in ("validation_loss", "learning_rate"))
        best = model["best_epoch_"]
        assert np.argmin(losses) == best and len(losses) == best + 5
        assert rates == [0.01] * (best + 3) + [0.005] * 2


@pytest.mark.slow
def test_a_process_without_data_takes_part_and_warnings_come_once(fits):
    (first, warned), (second, warned_too) = values(fits["few_recordings"])
    assert_same(first, second)
    assert [text[:20] for text in warned] == ["X has one recording,"]
    assert warned_too == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FILE_FITS)
def test_files_are_measured_by_one_process_each(fits, name):
    first, second = ({**value} for value in values(fits[name]))
    expected = dict(alone(name))
    assert [model.pop("n_measured") for model in (expected, first, second)] == [7, 4, 3]
    for model in (expected, first, second):
        # Times.
        del model["history_"]["seconds"], model["history_"]["data_wait_seconds"]
    assert_same(first, second)
    assert first["input_scale_"] == expected["input_scale_"]
    for key, value in arrays_of(expected).items():
        atol = WEIGHT_TOLERANCE * np.abs(value).max()
        np.testing.assert_allclose(arrays_of(first)[key], value, rtol=0, atol=atol, err_msg=key)


@pytest.mark.slow
def test_other_methods_do_not_communicate(fits):
    first, second = values(fits["local_methods"])
    assert first == second


@pytest.mark.slow
def test_a_callback_of_one_process_stops_all(fits):
    if "error" in fits["stopped"][1]:
        assert fits["stopped"][1]["error"] == "ImportError"
        pytest.skip("this scikit-learn has no callbacks")
    first, second = values(fits["stopped"])
    assert_same(first, second)
    assert first["history_"]["epoch"] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ERRORS)
def test_different_fits_are_refused_in_all_processes(errors, name):
    kind, pattern = ERRORS[name]
    for outcome in errors[name]:
        assert outcome["error"] == kind
        assert re.search(pattern, outcome["message"])


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILURES)
def test_an_error_of_one_process_is_raised_in_all(errors, name):
    rank, kind, message, kind_elsewhere = FAILURES[name]
    failed, other = errors[name][rank], errors[name][1 - rank]
    assert failed["error"] == kind and failed["message"].startswith(message)
    assert other["error"] == kind_elsewhere
    assert other["message"].startswith(f"On rank {rank}: ") and message in other["message"]
    for outcome in (failed, other):
        # Nothing is left of the fit.
        assert outcome["left"] is None or set(outcome["left"]) == {"n", "state"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["interrupt", "interrupts"])
def test_an_interrupt_leaves_all_with_the_same_weights(errors, name):
    first, second = errors[name]
    assert first["error"] == second["error"] == "KeyboardInterrupt"
    assert "the estimator has the weights of epoch" in first["message"]
    assert_same(first["left"], second["left"])
    assert 1 < len(first["left"]["history_"]["epoch"]) < 20


@pytest.mark.slow
def test_others_hear_from_the_first_while_it_computes_the_start(fits):
    for value, n_exchanges, busy_seconds in values(fits["waiting"]):
        assert value == "start" and n_exchanges > 5
        # The start takes a second, in which no core is kept busy.
        assert busy_seconds < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["interrupted_start", "interrupted_wait"])
def test_an_interrupt_of_the_start_ends_all(errors, name):
    assert [outcome["error"] for outcome in errors[name]] == ["KeyboardInterrupt"] * 2


@pytest.mark.slow
def test_an_interrupted_fit_resumes_with_the_same_bits(errors):
    for left, rest, resumed, undisturbed in values(errors["resumed"]):
        assert len(left) == 1 and left[0].endswith(".checkpoint")
        assert rest == []
        for each in (resumed, undisturbed):
            each["history_"].pop("seconds")
            each["history_"].pop("data_wait_seconds")
        assert_same(resumed, undisturbed)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_each_process_trains_on_a_gpu_of_its_own(tmp_path):
    names = ("gradients", "fit_drnmf", "fit_rnn", "error_in_step")
    _ranks.run(CHILD, tmp_path, *names, RANKS_BACKEND="nccl")
    for name in names[:-1]:
        assert_same(*values(_ranks.results(tmp_path, name)))
    kinds = [outcome["error"] for outcome in _ranks.results(tmp_path, "error_in_step")]
    assert kinds == ["ValueError"] * 2


@pytest.mark.parametrize(("rank", "n_gpus", "gpu"), [(0, 4, 0), (3, 4, 3), (3, 1, 0)])
def test_a_process_takes_the_gpu_of_its_local_rank(monkeypatch, rank, n_gpus, gpu):
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    assert own_gpu() == gpu


# Killed


def pids(folder, n=2):
    """Wait for the files in which processes leave their numbers."""
    stop = time.monotonic() + _ranks.SECONDS
    while time.monotonic() < stop:
        found = sorted(folder.glob("pid-*"))
        if len(found) == n and all(path.read_text().endswith("\n") for path in found):
            return [int(path.read_text()) for path in found]
        time.sleep(0.05)
    raise AssertionError("the processes did not begin")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_restarted_and_the_fit_resumes(tmp_path, rank):
    process = _ranks.torchrun(CHILD, tmp_path, "slow_fit", options=["--max-restarts", "1"])
    with _ranks.ended(process):
        killed = pids(tmp_path)[rank]
        os.kill(killed, signal.SIGKILL)
        output, _ = process.communicate(timeout=_ranks.SECONDS)
        assert process.returncode == 0, output
    first, second = values(_ranks.results(tmp_path, "slow_fit"))
    assert first["begins"] == second["begins"] > 0
    for result in (first, second):
        assert_same(result["resumed"], result["undisturbed"])
    assert not any(path.is_file() for path in (tmp_path / "checkpoints").rglob("*"))


@pytest.mark.slow
def test_the_others_do_not_wait_for_a_killed_process(tmp_path):
    processes = _ranks.one_by_one(CHILD, tmp_path, "slow_fit")
    with _ranks.ended(*processes):
        os.kill(pids(tmp_path)[1], signal.SIGKILL)
        processes[0].communicate(timeout=_ranks.SECONDS)
    outcome = _ranks.results(tmp_path, "slow_fit", n=1)[0]
    assert outcome["error"] == "LostRankError"
    assert "one of them has ended or did not answer" in outcome["message"]
