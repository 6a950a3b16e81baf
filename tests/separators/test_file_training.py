"""Training on recordings in files: the numbers of recordings in memory, faults, and resumption."""

import functools
import threading

import numpy as np
import pytest

from sknmf_unfold import SparseNMF
from sknmf_unfold.base import read_ahead as read_ahead_module
from sknmf_unfold.datasets import AudioFiles, MixtureDataset, load_audio
from sknmf_unfold.nmf import checked_frames, file_frames
from sknmf_unfold.separators import _drawn_pairs, _file_pairs, _measures
from sknmf_unfold.separators._measures import MeasuredSequences, measured, training_level
from sknmf_unfold.training import loop
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.targets import check_targets
from tests._factories import drnmf, stft, supervised
from tests.datasets._files import counted_reads, write, write_pairs
from tests.validation._data import Model

SETTINGS = {"max_epochs": 3, "batch_size": 2, "sequence_length": 60}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [each for each in threading.enumerate() if each.name.startswith("read-ahead")]


@pytest.fixture
def paths(tmp_path):
    return write_pairs(tmp_path)


@pytest.fixture
def data(paths):
    X, Y = (AudioFiles(part) for part in paths)
    return stft().fit_transform(X), Y


@pytest.fixture
def in_memory(paths):
    X, Y = (load_audio(part) for part in paths)
    return stft().fit_transform(X), Y


@pytest.fixture
def small_groups(monkeypatch):
    """Two recordings in a group, so that there are three."""
    for module in (_file_pairs, _drawn_pairs):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 2 * 4 * 9000)


def results(separator):
    history = {k: v for k, v in separator.history_.items() if not k.endswith("seconds")}
    return [separator.components_, *map(np.array, history.values())]


def equal(first, second):
    for a, b in zip(results(first), results(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("settings", [{"remix": False}, {"remix": True}, {"loss": "snr"}])
def test_one_group_gives_the_numbers_of_recordings_in_memory(data, in_memory, settings):
    settings = SETTINGS | settings
    equal(drnmf(**settings).fit(*data), drnmf(**settings).fit(*in_memory))


def test_partial_fit_gives_the_numbers_of_recordings_in_memory(data, in_memory):
    equal(
        drnmf(**SETTINGS).partial_fit(*data).partial_fit(*data),
        drnmf(**SETTINGS).partial_fit(*in_memory).partial_fit(*in_memory),
    )


@pytest.mark.parametrize("settings", [{"remix": False}, {"remix": True}])
@pytest.mark.parametrize("partial", [False, True])
def test_the_number_of_threads_changes_nothing(data, settings, partial, small_groups, monkeypatch):
    fitted = []
    for n_threads, depth in ((1, 1), (3, 7)):
        alone = functools.partial(threads_of, n_threads, depth)
        for module in (loop.BatchSupply.batches.__wrapped__.__globals__, vars(_measures)):
            monkeypatch.setitem(module, "read_ahead", alone)
        separator = drnmf(**SETTINGS, **settings)
        fitted.append(separator.partial_fit(*data) if partial else separator.fit(*data))
    equal(*fitted)


def threads_of(n_threads, depth, calls, wanted=None, *_):
    """Read ahead with a number of threads, except where none are wanted."""
    n_threads = n_threads if wanted is None else wanted
    return read_ahead_module.read_ahead(calls, n_threads, depth)


@pytest.mark.parametrize("remix", [False, True])
def test_every_epoch_has_all_recordings_in_another_order(data, remix, small_groups, monkeypatch):
    """Batches of one whole recording each, which its length tells from the others."""
    lengths, train_step = [], loop.Trainer.train_step

    def step(self, batch):
        lengths.append(int(batch[2][0]))
        return train_step(self, batch)

    monkeypatch.setattr(loop.Trainer, "train_step", step)
    settings = {"batch_size": 1, "sequence_length": 10**4, "max_epochs": 6, "remix": remix}
    separator = drnmf(**settings, speed_factors=[1.0], validation_fraction=0.01)
    X, _ = data
    separator.fit(*data, validation_data=data)
    epochs = np.reshape(lengths, (6, 6))
    assert all(sorted(epoch) == sorted(map(len, X)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_files_are_read_once_in_an_epoch(data, small_groups, monkeypatch):
    """And once more to measure them, once for the dictionaries, and once for each validation."""
    n_times = sum(item.n_times for item in data[0])
    counts = []
    for max_epochs in (1, 2, 3):
        with counted_reads(monkeypatch) as reads:
            drnmf(**(SETTINGS | {"max_epochs": max_epochs, "remix": False})).fit(*data)
        assert reads.n_open == 0
        counts.append(reads.n_decoded / (2 * n_times))
    # Mixtures and targets, those of validation too. Decoders may read blocks with a few more.
    np.testing.assert_allclose(np.diff(counts), 1, atol=0.02)
    assert counts[0] < 1 + 3


def test_training_mixtures_in_files(data, in_memory, paths, small_groups, monkeypatch):
    lazy, known = (
        MixtureDataset(part[1], part[0], speed_factors=[0.9, 1.1], n_mixtures=9)
        for part in ([AudioFiles(p) for p in paths], [load_audio(p) for p in paths])
    )
    like = check_sequences(Model(), in_memory[0], reset=True)
    n_groups = [_drawn_pairs.DrawnPairs(None, each, like).n_groups for each in (lazy, known)]
    assert n_groups == [5, 1]
    assert drnmf(**SETTINGS).fit(*data, training_mixtures=lazy).history_["epoch"] == [0, 1, 2, 3]
    monkeypatch.setattr(_drawn_pairs, "MAX_FILE_BYTES", 2**30)
    equal(
        drnmf(**SETTINGS).fit(*data, training_mixtures=lazy),
        drnmf(**SETTINGS).fit(*in_memory, training_mixtures=known),
    )


# Measures before training


def test_measures_are_those_of_recordings_in_memory(data, in_memory):
    pairs = []
    for X, Y in (data, in_memory):
        sequences = check_sequences(Model(), X, reset=True)
        pairs.append(measured(sequences, check_targets(Y, sequences)))
    lazy, known = pairs
    assert isinstance(lazy, MeasuredSequences) and not isinstance(known, MeasuredSequences)
    for part in ([0, 1, 2, 3, 4, 5], [4, 1]):
        found, expected = training_level(lazy.subset(part)), training_level(known.subset(part))
        assert found.level == pytest.approx(expected.level, rel=1e-12)
        np.testing.assert_allclose(found.levels, expected.levels, rtol=1e-12)
    X, Y = [item.waveform for item in in_memory[0]], in_memory[1]
    expected = [
        10 * np.log10(np.sum(y**2) / np.sum((x - y) ** 2)) for x, y in zip(X, Y, strict=True)
    ]
    np.testing.assert_allclose(lazy.snrs, expected, rtol=1e-4)
    plain = check_sequences(Model(), data[0], reset=True)
    assert training_level(plain).level == pytest.approx(training_level(known).level, rel=1e-12)


def test_silent_and_equal_targets_in_files_are_named(paths, data):
    noisy, clean = paths
    write(clean[1], np.zeros(5000))
    write(clean[2].with_suffix(".wav"), load_audio([noisy[2]])[0], subtype="PCM_16")
    write(noisy[2], load_audio([clean[2].with_suffix(".wav")])[0], subtype="PCM_16")
    Y = AudioFiles([*clean[:2], clean[2].with_suffix(".wav"), *clean[3:]])
    for separator in (supervised(), drnmf()):
        with pytest.warns(UserWarning) as warned:
            separator.fit(stft().transform(AudioFiles(noisy)), Y)
        texts = [str(each.message) for each in warned]
        assert any(t.startswith("y[1] (1 of 6 targets): silent") for t in texts)
        assert any(t.startswith("y[2] (1 of 6 targets): equal to the mixture") for t in texts)


def test_level_of_silence(tmp_path):
    paths = [write(tmp_path / f"{i}.wav", np.zeros(2000)) for i in range(2)]
    sequences = check_sequences(Model(), stft().transform(AudioFiles(paths)), reset=True)
    level = training_level(sequences)
    assert level.level == 0 and level.scale == 1
    np.testing.assert_array_equal(level.levels, 0)


# Scores


def test_score_some_at_a_time(data, in_memory, monkeypatch):
    from sknmf_unfold.separators import _blocks

    separator = drnmf(**SETTINGS).fit(*in_memory)
    expected = separator.score(*in_memory)
    weights = np.arange(1, 7)
    weighted = separator.score(*in_memory, sample_weight=weights)
    seen, predict = [], type(separator).predict

    def counted(self, X):
        seen.append(len(X))
        return predict(self, X)

    monkeypatch.setattr(type(separator), "predict", counted)
    assert separator.score(*data) == expected
    assert seen == [6]
    # Two recordings are processed together, whatever the parts are.
    monkeypatch.setattr(_blocks, "MAX_BATCH_FRAMES", 700)
    expected = separator.score(*in_memory)
    for most, n_parts in ((1, None), (1300, None), (10**9, 1)):
        seen.clear()
        monkeypatch.setattr(_blocks, "MAX_PART_FRAMES", most)
        assert separator.score(*data) == expected
        assert sum(seen) == 6 and (len(seen) > 1 if n_parts is None else len(seen) == 1)
    monkeypatch.undo()
    assert separator.score(*data, sample_weight=weights) == weighted


# Faults


@pytest.fixture
def broken(data, monkeypatch):
    """Files of which one is unreadable from some time of training on."""
    name = data[1].paths[3].name
    state = {"left": 0}
    from sknmf_unfold.datasets._audio_file import AudioFile

    decode = AudioFile._decode

    def fail(self):
        if self.path.name == name and self.path.parent.name == "clean":
            state["left"] -= 1
            if state["left"] == 0:
                raise state["error"]
        return decode(self)

    monkeypatch.setattr(AudioFile, "_decode", fail)
    return state


@pytest.mark.parametrize("remix", [False, True])
@pytest.mark.parametrize("n_before", [1, 2, 3, 4])
def test_an_error_of_a_file_leaves_the_estimator_as_it_was(
    data, broken, remix, n_before, small_groups
):
    separator = drnmf(**SETTINGS, remix=remix).fit(*data)
    before = results(separator)
    broken |= {"left": n_before, "error": OSError("3.flac: disk gone")}
    with pytest.raises(OSError, match=r"3\.flac: disk gone"):
        separator.set_params(random_state=3).fit(*data)
    for a, b in zip(results(separator), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_that_is_cut_during_training_is_named(data, small_groups, monkeypatch):
    X, Y = data
    train_step = loop.Trainer.train_step

    def cut(self, batch):
        for path in Y.paths:
            path.write_bytes(path.read_bytes()[:300])
        return train_step(self, batch)

    monkeypatch.setattr(loop.Trainer, "train_step", cut)
    separator = drnmf(**SETTINGS, remix=False)
    with pytest.raises((ValueError, OSError), match=r"clean.\d.flac"):
        separator.fit(X, Y)
    assert not hasattr(separator, "components_")


@pytest.mark.parametrize("from_file", [False, True])
def test_an_interrupt_in_an_epoch_and_resumption(
    data, from_file, broken, small_groups, tmp_path, monkeypatch
):
    settings = SETTINGS | {"remix": False, "max_epochs": 4}
    whole = drnmf(**settings).fit(*data)
    separator = drnmf(**settings, checkpoint_dir=tmp_path / "checkpoints")
    train_step, steps = loop.Trainer.train_step, []

    def interrupted(self, batch):
        steps.append(self.n_epochs)
        if not from_file and self.n_epochs == 2 and steps.count(2) == 2:
            raise KeyboardInterrupt
        if from_file and self.n_epochs == 2 and steps.count(2) == 1:
            broken.update(left=1, error=KeyboardInterrupt())
        return train_step(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.Trainer, "train_step", interrupted)
        separator.fit(*data)
    assert separator.history_["epoch"] == [0, 1, 2]
    resumed = drnmf(**settings, checkpoint_dir=tmp_path / "checkpoints").fit(*data)
    equal(resumed, whole)
    waited = resumed.history_["data_wait_seconds"]
    assert waited[:3] == separator.history_["data_wait_seconds"]
    assert (np.diff(waited) > 0).all()


def test_state_of_earlier_versions(in_memory):
    """Without the column of waiting."""
    separator = drnmf(**SETTINGS).partial_fit(*in_memory)
    del separator._training_state["history"]["data_wait_seconds"]
    separator.partial_fit(*in_memory)
    assert separator.history_["data_wait_seconds"][:2] == [0, 0]
    assert len(separator.history_["data_wait_seconds"]) == 3


# NMF


@pytest.fixture
def many(monkeypatch):
    """Frames of a few files are too many for memory, and files are longer than pieces."""
    monkeypatch.setattr(checked_frames, "MAX_STACKED_BYTES", 0)
    monkeypatch.setattr(file_frames, "POOL_FRAMES", 500)
    monkeypatch.setattr(file_frames, "PIECE_FRAMES", 90)


def frames(X, change=None):
    return file_frames.FileFrames(check_sequences(Model(), X, reset=True), change)


def sorted_rows(x):
    return x[np.lexsort(x.T)]


@pytest.mark.parametrize("suffixes", [(".wav", ".flac"), (".ogg", ".ogg")])
@pytest.mark.parametrize("batch_size", [64, 100, 10**6])
def test_batches_of_files_are_all_frames(tmp_path, suffixes, batch_size, many):
    noisy, _ = write_pairs(tmp_path, suffixes=suffixes)
    X = stft().transform(AudioFiles(noisy))
    table, rng = frames(X), np.random.RandomState(0)
    whole = np.concatenate([item.magnitude() for item in X])
    assert table.shape == whole.shape and table.dtype == whole.dtype
    assert table.nbytes == whole.nbytes
    orders = []
    for _ in range(2):
        batches = list(table.batches(batch_size, rng))
        assert all(len(batch) <= batch_size for batch in batches)
        drawn = np.concatenate(batches)
        np.testing.assert_array_equal(sorted_rows(drawn), sorted_rows(whole))
        orders.append(drawn)
    assert not np.array_equal(orders[0], orders[1])
    in_order = list(table.in_order(batch_size))
    assert {len(batch) for batch in in_order[:-1]} <= {batch_size}
    np.testing.assert_array_equal(np.concatenate(in_order), whole)
    assert table.waited > 0 and len(table.seen)


@pytest.mark.parametrize("max_frames", [None, 1, 7, 300, 1500, 10**6])
@pytest.mark.parametrize("piece", [90, 4096])
def test_drawn_frames_are_those_of_recordings_in_memory(
    data, in_memory, max_frames, piece, monkeypatch
):
    monkeypatch.setattr(file_frames, "PIECE_FRAMES", piece)

    def change(magnitude, indices):
        return magnitude * np.float32(1 + indices.start)

    known = check_sequences(Model(), in_memory[0], reset=True)
    expected = known.frames(max_frames, np.random.RandomState(0), change)
    found = frames(data[0], change).draw(max_frames, np.random.RandomState(0))
    np.testing.assert_array_equal(found, expected, strict=True)


def test_draws_of_very_many_frames(data, monkeypatch):
    monkeypatch.setattr(file_frames, "MAX_LISTED_FRAMES", 0)
    X, _ = data
    whole = np.concatenate([item.magnitude() for item in X])
    place = {row.tobytes(): i for i, row in enumerate(whole)}
    seen = np.zeros(len(whole))
    for seed in range(60):
        drawn = frames(X).draw(200, np.random.RandomState(seed))
        indices = [place[row.tobytes()] for row in drawn]
        assert len(set(indices)) == 200 and sorted(indices) == indices
        seen[indices] += 1
    assert np.ptp(np.add.reduceat(seen, range(0, len(seen), len(seen) // 4))[:4]) < 400


@pytest.mark.parametrize("beta_loss", [2, 1, 0])
@pytest.mark.parametrize("init", ["random", "exemplar", "nndsvda"])
def test_nmf_of_files_is_as_good_as_of_memory(data, in_memory, beta_loss, init, many):
    settings = {"beta_loss": beta_loss, "init": init, "batch_size": 200, "max_iter": 10}
    settings |= {"n_components": 4, "sparsity": 0.01, "random_state": 0}
    lazy = SparseNMF(**settings).fit(data[0])
    known = SparseNMF(**settings).fit(in_memory[0])
    again = SparseNMF(**settings).fit(data[0])
    np.testing.assert_array_equal(lazy.components_, again.components_)
    np.testing.assert_allclose(np.linalg.norm(lazy.components_, axis=1), 1, rtol=1e-5)
    assert lazy.n_features_in_ == known.n_features_in_
    assert lazy.n_frames_seen_ == lazy.n_iter_ * sum(map(len, data[0]))
    assert lazy.objective_curve_[-1] == pytest.approx(known.objective_curve_[-1], rel=0.1)


def test_partial_fit_of_files_gives_the_bits_of_memory(data, in_memory, many):
    settings = {"n_components": 4, "sparsity": 0.1, "batch_size": 150, "random_state": 0}
    lazy, known = SparseNMF(**settings), SparseNMF(**settings)
    for _ in range(2):
        lazy.partial_fit(data[0])
        known.partial_fit(in_memory[0])
        np.testing.assert_array_equal(lazy.components_, known.components_)
        np.testing.assert_array_equal(lazy.objective_curve_, known.objective_curve_)


def test_the_dictionaries_of_all_frames_in_files(data, in_memory, many):
    settings = {"max_frames": None, "max_iter": 20}
    lazy, known = supervised(**settings).fit(*data), supervised(**settings).fit(*in_memory)
    assert lazy.score(*data) == pytest.approx(known.score(*in_memory), abs=1.0)


def test_all_frames_at_once_are_refused(data, many):
    with pytest.raises(ValueError, match=r"`batch_size`=None needs all \d+ frames of the files"):
        SparseNMF(4, batch_size=None).fit(data[0])
    SparseNMF(4, batch_size=None, max_frames=100, max_iter=2).fit(data[0])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_error_of_a_file_while_an_nmf_learns(data, method, many):
    X, _ = data
    data[0][4].source.path.unlink()
    nmf = SparseNMF(4, max_iter=2)
    with pytest.raises(OSError, match=r"4\.wav"):
        getattr(nmf, method)(X)
    assert not hasattr(nmf, "components_")
