"""Files in place of waveforms, in estimators, splits, searches and mixtures: the same numbers."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from sknmf_unfold import STFT, Spectrograms
from sknmf_unfold.datasets import AudioFiles, MixtureDataset, load_audio
from sknmf_unfold.metrics import sdr
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator
from sknmf_unfold.training.fingerprints import fingerprint
from sknmf_unfold.validation.lazy import is_lazy
from sknmf_unfold.validation.sequences import Sequences, check_sequences
from sknmf_unfold.validation.targets import check_targets
from tests._factories import drnmf, nmf, stft, supervised
from tests.datasets._files import counted_reads, noise, write, write_pairs
from tests.validation._data import Model

# Training by magnitudes of the recordings as they are, and remixed with other levels.
FACTORIES = {
    "supervised": supervised,
    "drnmf": drnmf,
    "drnmf remixed": lambda: drnmf(remix=True, gain_db=(-3, 0)),
    "lstm": lambda: LSTMSeparator(n_units=4, max_epochs=1, random_state=0),
    "deep": lambda: DeepNMFSeparator(
        n_components=3, n_layers=2, max_epochs=1, random_state=0, nmf=supervised()
    ),
}


@pytest.fixture(params=[(".wav", ".flac"), (".flac", ".mp3")])
def data(request, tmp_path):
    """The same recordings as files, and in memory; of the first formats parts are read alone."""
    noisy, clean = write_pairs(tmp_path, suffixes=request.param)
    return (AudioFiles(noisy), AudioFiles(clean)), (load_audio(noisy), load_audio(clean))


def pipeline(separator):
    return Pipeline([("stft", stft()), ("sep", separator)])


def equal(first, second):
    pairs = list(zip(first, second, strict=True))
    assert pairs
    for a, b in pairs:
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("name", FACTORIES)
def test_separators_give_the_same_bits(name, data):
    (files, targets), (waveforms, clean) = data
    lazy, known = (pipeline(FACTORIES[name]()) for _ in range(2))
    lazy.fit(files, targets)
    known.fit(waveforms, clean)
    equal(lazy.predict(files), known.predict(waveforms))
    equal(lazy.transform(files), known.transform(waveforms))
    equal(
        lazy[-1].predict_mask(lazy[0].transform(files)),
        known[-1].predict_mask(known[0].transform(waveforms)),
    )
    assert lazy.score(files, targets) == known.score(waveforms, clean)
    # Any mixture of both.
    assert lazy.score(waveforms, targets) == lazy.score(files, clean) == known.score(files, clean)
    assert lazy.score([*files.items()[:3], *waveforms[3:]], clean) == known.score(waveforms, clean)


def test_validation_data_in_files(data):
    (files, targets), (waveforms, clean) = data
    lazy, known = (pipeline(drnmf(max_epochs=2)) for _ in range(2))
    lazy.fit(files[:4], targets[:4], sep__validation_data=(files[4:], targets[4:]))
    known.fit(waveforms[:4], clean[:4], sep__validation_data=(waveforms[4:], clean[4:]))
    assert lazy[-1].history_["validation_loss"] == known[-1].history_["validation_loss"]
    equal(lazy.predict(files), known.predict(waveforms))
    with pytest.raises(ValueError, match=r"validation_data\[0\]\[0\] is read at 8000 Hz"):
        lazy.fit(files, targets, sep__validation_data=(AudioFiles(files.paths, 8000), clean))


def test_sparse_nmf_gives_the_same_bits(data):
    (files, _), (waveforms, _) = data
    lazy, known = (make_pipeline(stft(), nmf()) for _ in range(2))
    equal(lazy.fit_transform(files), known.fit_transform(waveforms))
    np.testing.assert_array_equal(lazy[-1].components_, known[-1].components_)
    equal(lazy.transform(files), known.transform(waveforms))


def test_targets_of_another_dtype(data):
    (_, targets), (waveforms, clean) = data
    X = stft().transform([x.astype(float) for x in waveforms])
    separator, other = supervised().fit(X, targets), supervised().fit(X, clean)
    assert separator.components_.dtype == np.float64
    np.testing.assert_array_equal(separator.components_, other.components_)
    assert separator.score(X, targets) == other.score(X, clean)


def test_splits_and_searches(data):
    (files, targets), (waveforms, clean) = data
    split = {"test_size": 2, "random_state": 0}
    parts, known = (
        train_test_split(files, targets, **split),
        train_test_split(waveforms, clean, **split),
    )
    assert all(isinstance(part, AudioFiles) for part in parts)
    for part, expected in zip(parts, known, strict=True):
        equal(part, expected)
    pipe = pipeline(supervised())
    settings = {"cv": GroupKFold(2), "groups": [0, 0, 1, 1, 2, 2]}
    scores = cross_val_score(pipe, files, targets, **settings, error_score="raise")
    np.testing.assert_array_equal(scores, cross_val_score(pipe, waveforms, clean, **settings))
    grid = {"stft__n_fft": [32, 64], "sep__n_components": [2, 3]}
    searches = [GridSearchCV(clone(pipe), grid, cv=2, error_score="raise") for _ in range(2)]
    searches[0].fit(files, targets)
    searches[1].fit(waveforms, clean)
    names = "mean_test_score", "std_test_score"
    for name in names:
        np.testing.assert_array_equal(*(search.cv_results_[name] for search in searches))
    equal(searches[0].predict(files), searches[1].predict(waveforms))


@pytest.mark.slow
def test_workers_get_paths(data):
    (files, targets), (waveforms, clean) = data
    pipe = pipeline(supervised())
    scores = cross_val_score(pipe, files, targets, cv=2, n_jobs=2, error_score="raise")
    np.testing.assert_array_equal(scores, cross_val_score(pipe, waveforms, clean, cv=2))


def test_spectrograms_of_files_are_small(data, tmp_path, monkeypatch):
    (files, _), (waveforms, _) = data
    X, known = STFT().transform(files), STFT().transform(waveforms)
    with counted_reads(monkeypatch) as reads:
        assert X.shape == (6,) and X[2:4].shape == X[np.array([4, 1])].shape == (2,)
        assert all(is_lazy(item.source) for item in X)
        dumped = pickle.dumps(X)
        joblib.dump(X, tmp_path / "X.joblib")
        copies = [pickle.loads(dumped), copy.copy(X), copy.deepcopy(X), X[:]]
        copies.append(joblib.load(tmp_path / "X.joblib"))
        masked = [item.masked(np.full(item.shape, 0.5)) for item in X]
    assert reads.n_decoded == reads.n_opened == 0
    assert len(dumped) < 6 * 500
    for each in copies:
        assert isinstance(each, Spectrograms)
        equal([item.magnitude() for item in each], [item.magnitude() for item in known])
        equal([item.waveform for item in each], waveforms)
    equal([item.inverse() for item in X], [item.inverse() for item in known])
    equal([x.magnitude() for x in masked], [0.5 * item.magnitude() for item in known])
    equal(STFT().inverse_transform(X), STFT().inverse_transform(known))


def test_spectrograms_in_memory(data):
    (files, _), (waveforms, _) = data
    item = STFT(highpass=50).transform(files)[0].masked(np.full((35, 257), 0.5))
    loaded = item.load()
    assert loaded.load() is loaded and not is_lazy(loaded.source)
    equal([loaded.source, loaded.mask], [waveforms[0], item.mask])
    np.testing.assert_array_equal(loaded.stft(), item.stft(), strict=True)
    item.waveform = waveforms[1]
    assert item.n_times == len(waveforms[1])


def test_spectrograms_pickled_by_earlier_versions():
    [item] = STFT().transform([noise(1000)])
    state = {("waveform" if k == "source" else k): v for k, v in vars(item).items()}
    old = type(item).__new__(type(item))
    old.__setstate__(state)
    np.testing.assert_array_equal(old.magnitude(), item.magnitude())
    assert "waveform" in state


def test_checked_sequences_stay_lazy(data, monkeypatch):
    (files, targets), (waveforms, _) = data
    X, known = stft().transform(files), stft().transform(waveforms)
    with counted_reads(monkeypatch) as reads:
        sequences = check_sequences(Model(), X, reset=True)
        checked = check_targets(targets, sequences)
        assert sequences.is_lazy and checked.is_lazy and sequences.subset([1, 3]).is_lazy
        assert sequences.n_frames.sum() > 0 and sequences.dtype == np.float32
        contents = [fingerprint(each.content) for each in (sequences, checked)]
    assert reads.n_decoded == 0
    in_memory = check_sequences(Model(), known, reset=True)
    assert not in_memory.is_lazy and not Sequences([np.ones((2, 3))], "magnitudes").is_lazy
    equal(sequences, in_memory)
    np.testing.assert_array_equal(sequences.frames(), in_memory.frames())
    rngs = [np.random.RandomState(0) for _ in range(2)]
    equal(sequences.frames(50, rngs[0]), in_memory.frames(50, rngs[1]))
    for start in range(0, 400, 50):
        equal([sequences.block(1, start, start + 50)], [in_memory.block(1, start, start + 50)])
    again = check_targets(AudioFiles(targets.paths), sequences)
    assert fingerprint(again.content) == contents[1] != contents[0]
    write(targets.paths[0], noise(4000, 7))
    changed = check_targets(AudioFiles(targets.paths), sequences)
    assert fingerprint(changed.content) != contents[1]


def test_blocks_read_a_short_file_once(data, monkeypatch):
    (files, _), _ = data
    sequences = check_sequences(Model(), stft().transform(files), reset=True)
    with counted_reads(monkeypatch) as reads:
        for start in range(0, len(sequences.items[0]), 10):
            sequences.block(0, start, start + 10)
    assert reads.n_opened == 1 and sequences._loaded == {}


def test_lengths_are_compared_by_headers(data, monkeypatch):
    (files, targets), _ = data
    with counted_reads(monkeypatch) as reads:
        with pytest.raises(ValueError, match=r"X\[0\] has 4000 samples but y\[0\] has 5000;"):
            supervised().fit(stft().transform(files), targets[[1, 0, 2, 3, 4, 5]])
        with pytest.raises(ValueError, match=r"X has 6 items but y has 5; they must pair up"):
            supervised().fit(stft().transform(files), targets[1:])
        with pytest.raises(ValueError, match=r"X\[0\] is 1-D, .* did you forget STFT\(\)\?"):
            supervised().fit(files, targets)
    assert reads.n_decoded == 0


def test_useless_targets_are_named(tmp_path):
    noisy, clean = write_pairs(tmp_path, suffixes=(".wav", ".wav"))
    write(clean[1], np.zeros(5000))
    X, y = AudioFiles(noisy), AudioFiles([*clean[:3], noisy[3], *clean[4:]])
    with pytest.warns(UserWarning) as record:
        pipeline(supervised()).fit(X, y)
    messages = [str(each.message) for each in record]
    assert any(m.startswith("y[1] (1 of 6 targets): silent") for m in messages)
    assert any(m.startswith("y[3] (1 of 6 targets): equal to the mixture") for m in messages)


def test_a_fault_that_is_found_late_names_its_file(data):
    (files, targets), _ = data
    X, y = stft().transform(files), targets
    separator = supervised().fit(X, y)
    files.paths[2].unlink()
    name = rf"noisy/2\{files.paths[2].suffix} does not exist"
    for use in (
        separator.predict,
        lambda X: separator.score(X, y),
        lambda X: supervised().fit(X, y),
    ):
        with pytest.raises(FileNotFoundError, match=name):
            use(X)


# Mixtures


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"speed_factors": (0.9, 1.1), "n_interferences": (1, 2), "hiss_db": (-40,)},
        {"n_mixtures": 4, "equalizer_db": 3.0},
    ],
)
def test_mixtures_of_files_have_the_same_bits(conditions, data):
    (files, targets), (waveforms, clean) = data
    lazy = MixtureDataset(targets, files, random_state=3, **conditions)
    known = MixtureDataset(clean, waveforms, random_state=3, **conditions)
    for epoch in (0, 2):
        for first, second in zip(lazy.draw(epoch), known.draw(epoch), strict=True):
            equal(first, second)
    pickled = pickle.loads(pickle.dumps(lazy))
    equal(pickled.draw(1)[0], known.draw(1)[0])
    assert len(pickle.dumps(lazy)) < 10_000
    assert fingerprint(pickled) == fingerprint(lazy)


def test_remixing_of_pairs_in_files(data, monkeypatch):
    (files, targets), (waveforms, clean) = data
    with counted_reads(monkeypatch) as reads:
        lazy = MixtureDataset.from_mixtures(files, targets, gain_db=(-6, 0))
    # A header and one read of each.
    assert reads.n_opened == 2 * 12
    known = MixtureDataset.from_mixtures(waveforms, clean, gain_db=(-6, 0))
    assert lazy.snr_db == known.snr_db
    for first, second in zip(lazy.draw(1), known.draw(1), strict=True):
        equal(first, second)


def test_excerpts_of_long_interference_are_read_alone(tmp_path, monkeypatch):
    target, long = (
        noise(1000, 1).astype("float32"),
        write(tmp_path / "long.flac", noise(500_000, 2)),
    )
    lazy = MixtureDataset([target], AudioFiles(long))
    known = MixtureDataset([target], load_audio(long))
    with counted_reads(monkeypatch) as reads:
        mixtures = [lazy.draw(epoch)[0] for epoch in range(5)]
    assert reads.n_decoded == 5 * 1000
    for epoch, each in enumerate(mixtures):
        equal(each, known.draw(epoch)[0])


def test_mixtures_of_files_at_another_rate(data):
    (files, _), _ = data
    low = AudioFiles(files.paths, 8000)
    for arguments in ((low, files), (files, low)):
        with pytest.raises(ValueError, match=r"\[0\] is read at 8000 Hz, but MixtureDataset"):
            MixtureDataset(*arguments)
    MixtureDataset(low, low, sample_rate=8000)
    with pytest.raises(ValueError, match=r"X\[0\] is read at 8000 Hz, but MixtureDataset"):
        MixtureDataset.from_mixtures(low, low)


def test_rooms_in_files(tmp_path):
    room = np.zeros(400)
    room[[0, 30, 200]] = 0.5, 0.2, 0.1
    path = write(tmp_path / "room.wav", room)
    settings = {"room_fraction": 1.0, "random_state": 0}
    lazy = MixtureDataset([noise(900)], [noise(900, 1)], rooms=AudioFiles(path), **settings)
    known = MixtureDataset([noise(900)], [noise(900, 1)], rooms=load_audio(path), **settings)
    equal(lazy.draw()[0], known.draw()[0])


def test_training_on_mixtures_of_files(data):
    (files, targets), (waveforms, clean) = data
    pipes = [pipeline(drnmf(max_epochs=2)) for _ in range(2)]
    for pipe, y, X in ((pipes[0], targets, files), (pipes[1], clean, waveforms)):
        dataset = MixtureDataset(y, X, random_state=1)
        pipe.fit(X, y, sep__training_mixtures=dataset)
    equal(pipes[0].predict(files), pipes[1].predict(waveforms))


def test_metrics_take_files(data):
    (files, targets), (waveforms, clean) = data
    np.testing.assert_array_equal(sdr(targets, files), sdr(clean, waveforms))
    np.testing.assert_array_equal(sdr(targets, waveforms), sdr(clean, waveforms))
    targets.paths[1].unlink()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        sdr(targets, files)
