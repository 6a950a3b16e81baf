"""Spectrograms: indexing, masks, settings and pickles."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import _safe_indexing

from sknmf_unfold import STFT, Spectrogram, Spectrograms

LENGTHS = (700, 1, 333, 512, 1200, 128, 900)


def noise(n_times, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(n_times).astype(dtype)


def make(lengths=LENGTHS, dtype="float64", **settings_):
    waveforms = [noise(n, dtype, seed) for seed, n in enumerate(lengths)]
    return STFT(**settings_).transform(waveforms)


def lengths_of(spectrograms):
    return [item.n_times for item in spectrograms]


KEYS = {
    "slice": slice(1, 5, 2),
    "negative slice": slice(None, None, -1),
    "empty slice": slice(3, 3),
    "int array": np.array([4, 0, 0, -1]),
    "int32 array": np.array([4, 0], dtype=np.int32),
    "list": [2, 5],
    "empty list": [],
    "empty array": np.array([], dtype=int),
    "range": range(2, 4),
    "bool array": np.arange(7) % 2 == 0,
    "bool list": [True, False, False, True, True, False, False],
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_indexing_with_many_is_that_of_numpy(key):
    spectrograms = make()
    for form in (key, (key, ...)):
        part = spectrograms[form]
        assert type(part) is Spectrograms
        assert lengths_of(part) == np.array(LENGTHS)[key].tolist()
        assert part.shape == (len(part),)
    assert all(any(item is original for original in spectrograms) for item in part)


@pytest.mark.parametrize("key", [0, -1, 3, np.int64(2), np.uint8(1), np.array(4), (5, ...)])
def test_indexing_with_one_gives_the_item(key):
    spectrograms = make()
    position = key[0] if isinstance(key, tuple) else int(key)
    assert spectrograms[key] is list(spectrograms)[position]


@pytest.mark.parametrize("key", [7, -8, [0, 7], np.array([-8]), np.ones(6, dtype=bool)])
def test_indexing_out_of_range(key):
    with pytest.raises(IndexError):
        make()[key]


@pytest.mark.parametrize("key", [1.5, "1", None])
def test_indexing_with_what_is_no_index(key):
    with pytest.raises(TypeError, match="indices must be integers or slices"):
        make()[key]


@settings(deadline=None, derandomize=True)
@given(
    n_times=st.integers(1, 400),
    n_fft=st.integers(2, 64),
    hop=st.floats(0, 0.5),
    level=st.sampled_from([0.0, 1e-8, 1.0, 1e4]),
)
def test_shape_is_known_without_computing(n_times, n_fft, hop, level):
    hop_length = max(1, int(hop * n_fft))
    item = Spectrogram(level * noise(n_times), n_fft, hop_length, "hamming", 8000)
    assert item.shape == item.magnitude().shape == item.stft().shape == np.asarray(item).shape
    assert len(item) == item.shape[0]
    assert len(item.inverse()) == item.n_times == n_times


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_items_know_their_dtype(dtype):
    item = make(dtype=dtype)[0]
    assert item.dtype == item.magnitude().dtype == item.inverse().dtype == dtype
    assert np.asarray(item).dtype == dtype
    assert np.asarray(item, dtype="float32").dtype == "float32"
    np.testing.assert_array_equal(np.asarray(item), np.abs(item.stft()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mask_of_ones_is_identity_and_of_zeros_is_silence(dtype):
    for item in make(dtype=dtype):
        ones, zeros = (fill(item.shape, dtype=dtype) for fill in (np.ones, np.zeros))
        np.testing.assert_array_equal(item.masked(ones).inverse(), item.inverse())
        np.testing.assert_array_equal(item.masked(ones).magnitude(), item.magnitude())
        silence = item.masked(zeros).inverse()
        assert silence.dtype == dtype
        np.testing.assert_array_equal(silence, np.zeros(item.n_times))


def test_masks_multiply_and_leave_the_item_alone():
    item = make()[0]
    before = item.magnitude()
    rng = np.random.default_rng(0)
    first, second = rng.uniform(size=item.shape), rng.uniform(size=item.shape)
    twice = item.masked(first).masked(second)
    np.testing.assert_allclose(twice.magnitude(), before * first * second, rtol=1e-14)
    assert item.mask is None
    np.testing.assert_array_equal(item.magnitude(), before)
    assert twice.waveform is item.waveform
    assert twice.settings == item.settings


def test_masked_parts_sum_to_the_waveform():
    item = make()[4]
    mask = np.random.default_rng(0).uniform(size=item.shape)
    total = item.masked(mask).inverse() + item.masked(1 - mask).inverse()
    np.testing.assert_allclose(total, item.waveform, rtol=0, atol=1e-14)


def test_settings_are_plain_and_tell_spectrograms_apart():
    settings_ = {"n_fft": 64, "hop_length": 16, "window": "hann", "sample_rate": 8000}
    settings_["highpass"] = None
    item = make(**settings_)[0]
    assert item.settings == settings_
    numbers = STFT(np.int64(64), np.int32(16), "hann", np.int16(8000)).transform([noise(9)])[0]
    assert numbers.settings == settings_
    assert {type(value) for value in numbers.settings.values()} == {int, str, type(None)}
    samples = np.linspace(0.1, 1, 64)
    arrays = [Spectrogram(noise(9), 64, 16, window, 8000) for window in (samples, samples.copy())]
    assert arrays[0].settings == arrays[1].settings
    assert arrays[0].settings["window"] == tuple(samples.tolist())
    changed = Spectrogram(noise(9), 64, 16, samples + 1e-9, 8000)
    assert arrays[0].settings != changed.settings


def test_another_waveform_gets_the_same_settings_and_no_mask():
    item = make(n_fft=64, hop_length=16, window="hann", sample_rate=8000)[0]
    other = item.masked(np.zeros(item.shape)).of(noise(50, "float32"))
    assert other.settings == item.settings
    assert other.mask is None
    assert other.shape == ((49 + 48) // 16 + 1, 33)
    assert other.dtype == np.float32


def test_repr_tells_what_it_is():
    item = STFT().transform([np.ones(1000)])[0]
    assert repr(item) == "Spectrogram(1000 samples at 16000 Hz, 11 frames x 257 bins)"


def test_pickles_cost_what_the_waveforms_cost():
    spectrograms = make((16000, 8000, 12000), dtype="float32")
    n_bytes = sum(item.waveform.nbytes for item in spectrograms)
    before = len(pickle.dumps(spectrograms))
    assert before < n_bytes + 1000
    for item in spectrograms:
        item.masked(np.ones(item.shape)).inverse()
        item.magnitude()
    pickled = pickle.dumps(spectrograms)
    assert len(pickled) == before, "computing frames must not make the items grow"
    loaded = pickle.loads(pickled)
    assert type(loaded) is Spectrograms
    for item, original in zip(loaded, spectrograms, strict=True):
        assert item.settings == original.settings
        np.testing.assert_array_equal(item.magnitude(), original.magnitude())


def test_a_masked_item_survives_pickling():
    item = make()[0]
    masked = item.masked(np.random.default_rng(0).uniform(size=item.shape))
    loaded = pickle.loads(pickle.dumps(masked))
    np.testing.assert_array_equal(loaded.inverse(), masked.inverse())


def test_scikit_learn_splits_them():
    spectrograms = make()
    targets = [2 * item.waveform for item in spectrograms]
    for train, test in KFold(3).split(spectrograms, targets):
        part = _safe_indexing(spectrograms, test)
        assert type(part) is Spectrograms
        assert lengths_of(part) == [LENGTHS[i] for i in test]
        assert len(train) + len(part) == len(LENGTHS)
    parts = train_test_split(spectrograms, targets, test_size=3, random_state=0)
    assert [len(part) for part in parts] == [4, 3, 4, 3]
    X_train, X_test, y_train, y_test = parts
    assert type(X_train) is type(X_test) is Spectrograms
    assert sorted(lengths_of(X_train) + lengths_of(X_test)) == sorted(LENGTHS)
    for item, y in zip([*X_train, *X_test], [*y_train, *y_test], strict=True):
        np.testing.assert_array_equal(2 * item.waveform, y)


def test_as_an_array():
    equal = make((300, 300, 300))
    array = np.asarray(equal)
    assert array.shape == (3, equal[0].shape[0] * 257)
    np.testing.assert_array_equal(array[1], equal[1].magnitude().ravel())
    ragged = np.asarray(make())
    assert ragged.shape == (7,)
    assert ragged.dtype == object
    assert lengths_of(ragged) == list(LENGTHS)
