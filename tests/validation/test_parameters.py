import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from sknmf_unfold import STFT, Spectrograms
from sknmf_unfold.base.tensors import batches_by_length, pad, resolve_device, to_numpy, to_tensor
from sknmf_unfold.validation.magnitudes import check_magnitude
from sknmf_unfold.validation.options import check_choice
from sknmf_unfold.validation.parameters import check_number
from sknmf_unfold.validation.recordings import (
    check_list,
    check_same_length,
    check_waveform,
    check_waveforms,
)
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.tables import check_table_targets, check_waveform_table
from sknmf_unfold.validation.targets import check_targets


class Model(BaseEstimator):
    """An estimator that is nothing but its input checks."""


def sequences_of(X, **settings_):
    return check_sequences(Model(), X, reset=True, **settings_)


def with_value(shape, index, value, dtype=float):
    array = np.ones(shape, dtype)
    array[index] = value
    return array


WAVES = [np.linspace(-1, 1, n) for n in (700, 300, 500)]
ITEMS = STFT().transform(WAVES)
MAGNITUDES = [np.random.default_rng(n).random((n, 6)) for n in (4, 1, 7)]
TABLE = np.random.default_rng(0).random((10, 6))


# Numbers and choices


@pytest.mark.parametrize(
    ("value", "bounds", "error", "message"),
    [
        (0, {"low": 1, "integer": True}, ValueError, r"`n` must be a whole number >= 1; got 0\.$"),
        (1.0, {"integer": True}, TypeError, r"`n` must be a whole number; got 1.0 \(float\)\.$"),
        (True, {"integer": True}, TypeError, r"`n` must be a whole number; got True \(bool\)\.$"),
        (np.True_, {}, TypeError, r"`n` must be a finite number; got .*True.* \(bool.*\)\.$"),
        ("3", {}, TypeError, r"`n` must be a finite number; got '3' \(str\)\.$"),
        (None, {"low": 0}, TypeError, r"`n` must be a finite number >= 0; got None \(NoneType\)"),
        (1j, {}, TypeError, r"`n` must be a finite number; got 1j \(complex\)\.$"),
        (np.ones(1), {}, TypeError, r"`n` must be a finite number; got array\(\[1\.\]\) \(ndarray"),
        (np.nan, {}, ValueError, r"`n` must be a finite number; got nan\.$"),
        (np.nan, {"low": 0, "high": 1}, ValueError, r"a finite number >= 0 and <= 1; got nan\.$"),
        (-np.inf, {}, ValueError, r"`n` must be a finite number; got -inf\.$"),
        (-0.1, {"low": 0}, ValueError, r"`n` must be a finite number >= 0; got -0\.1\.$"),
        (0, {"low": 0, "open_low": True}, ValueError, r"`n` must be a finite number > 0; got 0\.$"),
        (1.1, {"high": 1}, ValueError, r"`n` must be a finite number <= 1; got 1\.1\.$"),
        (9, {"low": 1, "high": 8, "integer": True}, ValueError, r"number >= 1 and <= 8; got 9\.$"),
    ],
)
def test_number_is_refused(value, bounds, error, message):
    with pytest.raises(error, match=message):
        check_number("n", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (1, {"low": 1, "high": 1, "integer": True}),
        (np.int8(3), {"integer": True}),
        (0, {"low": 0}),
        (np.float32(1e-30), {"low": 0, "open_low": True}),
        (-5, {}),
        (0.9, {"low": 0, "high": 0.9}),
    ],
)
def test_number_is_taken(value, bounds):
    check_number("n", value, **bounds)


def test_choice():
    check_choice("inference", "mu", ["mu", "ista"])
    for value in ("fista", None, 3, ["mu"], np.ones(2)):
        with pytest.raises(ValueError, match=r"`inference` must be one of 'mu', 'ista'; got "):
            check_choice("inference", value, ["mu", "ista"])


# Waveforms


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, r"X is an empty list; at least one of the 1-D waveforms is needed\."),
        (np.ones(9), ValueError, r"X is one 1-D array; pass a list of 1-D waveforms, .* \[X\]\."),
        ("abc", TypeError, r"X must be a list of 1-D waveforms; got str\."),
        (None, TypeError, r"X must be a list of 1-D waveforms; got NoneType\."),
        ({0: np.ones(3)}, TypeError, r"X must be a list of 1-D waveforms; got dict\."),
        ([np.ones((900, 2))], ValueError, r"X\[0\] has shape \(900, 2\): stereo or transposed\?"),
        ([np.ones((2, 900))], ValueError, r"X\[0\] has shape \(2, 900\): stereo or transposed\?"),
        ([np.ones((1, 900))], ValueError, r"\(1, 900\), an axis for one channel.* \[0\] of"),
        ([np.ones((90, 90))], ValueError, r"X\[0\] must be 1-D, .*; got shape \(90, 90\)\."),
        ([np.ones((2, 2, 2))], ValueError, r"X\[0\] must be 1-D, .*; got shape \(2, 2, 2\)\."),
        ([np.float64(3)], ValueError, r"X\[0\] must be 1-D, of shape \(n_times,\); got shape \(\)"),
        ([np.ones(3), np.ones(0)], ValueError, r"X\[1\] is empty; a waveform has at least one sam"),
        ([with_value(9, 4, np.nan)], ValueError, r"X\[0\] contains NaN at sample 4\."),
        ([np.ones(2), with_value(9, 0, np.inf)], ValueError, r"X\[1\] contains infinity at sample"),
        ([with_value(9, 8, -np.inf)], ValueError, r"X\[0\] contains infinity at sample 8\."),
        (
            [with_value(9, [2, 5], [np.inf, -np.inf])],
            ValueError,
            r"contains infinity at sample 2\.",
        ),
        ([with_value(9, [2, 5], [np.nan, np.inf])], ValueError, r"X\[0\] contains NaN at sample 2"),
        ([np.ones(3, complex)], ValueError, r"Complex data not supported: X\[0\] .* complex128\."),
        (
            [with_value(3, 1, None, object)],
            TypeError,
            r"X\[0\] must be a 1-D array of samples; got dtype obj",
        ),
        (
            [np.ones(3, "int64")],
            TypeError,
            r"X\[0\] has dtype int64; wanted floats .* int16, int32",
        ),
        ([np.ones(3, "uint16")], TypeError, r"X\[0\] has dtype uint16; wanted floats in \[-1, 1\]"),
        ([np.ones(3, bool)], TypeError, r"X\[0\] has dtype bool; wanted floats"),
        ([np.array(["a"])], TypeError, r"X\[0\] has dtype <U1; wanted floats"),
    ],
)
def test_waveforms_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        check_waveforms(X)
    # The same words from the transformer, which is where users meet them.
    if isinstance(X, (list, tuple)):
        with pytest.raises(error, match=message):
            STFT().fit(X)


def test_messages_call_the_list_by_its_name():
    with pytest.raises(ValueError, match=r"^y\[1\] contains NaN at sample 0\.$"):
        check_waveforms([np.ones(2), np.full(3, np.nan)], "y")
    with pytest.raises(ValueError, match=r"^y is an empty list"):
        check_list((), "y", "waveforms")


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), (">f4", "f4"), (">f8", "f8"), ("i2", "f4")],
)
def test_waveforms_come_back_as_native_floats(dtype, expected):
    waveform = np.zeros(5, dtype=dtype)
    result = check_waveform(waveform, "X[0]")
    assert result.dtype == np.dtype(expected)
    assert result.dtype.isnative
    assert np.shares_memory(result, waveform) == (dtype in ("f4", "f8")), "copied only if changed"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_whose_sum_overflows_are_finite(dtype):
    # The check takes a sum first; only a real infinity may fail it.
    huge = np.full(100, np.finfo(dtype).max, dtype=dtype)
    np.testing.assert_array_equal(check_waveform(huge, "X[0]"), huge)
    mixed = np.array([1, -1] * 50, dtype=dtype) * huge
    np.testing.assert_array_equal(check_waveform(mixed, "X[0]"), mixed)


def test_plain_python_lists_are_waveforms():
    waveforms = check_waveforms(([0.5, -0.5], (1.0,)))
    assert [waveform.tolist() for waveform in waveforms] == [[0.5, -0.5], [1.0]]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            np.ones((16000, 2)),
            ValueError,
            r"X has shape \(16000, 2\): stereo or transposed audio\?",
        ),
        (np.ones((3, 0)), ValueError, r"0 feature\(s\)"),
        (with_value((3, 9), (1, 2), np.nan), ValueError, r"contains NaN"),
        (np.ones((3, 9), complex), ValueError, r"Complex data not supported"),
        (np.ones((3, 3, 3)), ValueError, r"dim 3"),
    ],
)
def test_waveform_tables_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        check_waveform_table(Model(), X, reset=True)


def test_waveform_tables_are_taken():
    pcm = np.array([[0, -(2**15)], [2**14, 0]], dtype="int16")
    table = check_waveform_table(Model(), pcm, reset=True)
    assert table.dtype == np.float32
    np.testing.assert_array_equal(table, [[0, -1], [0.5, 0]])
    # What scikit-learn's checks of dtypes pass.
    small = check_waveform_table(Model(), np.array([[0, 2], [-2, 1]]), reset=True)
    np.testing.assert_array_equal(small, [[0.0, 2.0], [-2.0, 1.0]])
    narrow = check_waveform_table(Model(), np.ones((511, 8)), reset=True)
    assert narrow.shape == (511, 8)


# Magnitudes


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, r"X is an empty list; .* Spectrogram items or magnitude arrays is needed"),
        ([np.ones(9)], ValueError, r"X\[0\] is 1-D, of shape \(9,\).* did you forget STFT\(\)\?"),
        ((np.ones((3, 6)), np.ones(9)), ValueError, r"X\[1\] is 1-D, .* did you forget STFT\(\)\?"),
        ([np.ones((0, 6))], ValueError, r"X\[0\] must be a non-empty 2-D array .* \(0, 6\)\."),
        ([np.ones((2, 3, 4))], ValueError, r"X\[0\] must be a non-empty 2-D .* \(2, 3, 4\)\."),
        ([np.ones((3, 6)), np.ones((3, 5))], ValueError, r"X\[1\] has 5 bins but 6 are wanted\.$"),
        (
            [np.ones((3, 6)), np.ones((6, 4))],
            ValueError,
            r"X\[1\] has 4 bins but 6 are wanted\. Is it \(bins, frames\)\? Frames come first\.$",
        ),
        (
            [with_value((3, 6), (1, 2), np.nan)],
            ValueError,
            r"X\[0\] contains NaN at frame 1, bin 2",
        ),
        (
            [np.ones((3, 6)), with_value((3, 6), (2, 0), np.inf)],
            ValueError,
            r"X\[1\] contains infinity at frame 2, bin 0\.",
        ),
        (
            [with_value((3, 6), (1, 4), -0.25)],
            ValueError,
            r"Negative values in data: X\[0\] has -0\.25 at frame 1, bin 4; magnitudes are >= 0\.",
        ),
        ([np.ones((3, 6), complex)], ValueError, r"Complex data not supported: X\[0\] has dtype c"),
        ([np.ones((3, 6), object)], TypeError, r"X\[0\] has dtype object; wanted floats"),
        (np.ones(6), ValueError, r"Expected 2D array, got 1D array"),
        (
            -TABLE,
            ValueError,
            r"Negative values in data passed to Model: X has a minimum of -0\.\d+;",
        ),
        (with_value((3, 6), (1, 2), np.nan), ValueError, r"Input X contains NaN"),
        ([[1.0, -2.0], [3.0, 4.0]], ValueError, r"Negative values in data passed to Model"),
        (
            [*ITEMS, np.ones((3, 257))],
            TypeError,
            r"X\[3\] is a ndarray but X\[0\] is a Spectrogram;",
        ),
    ],
)
def test_magnitudes_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        sequences_of(X)


def test_magnitude_of_integers_is_not_pcm():
    for dtype in ("uint8", "int16", "int64", "bool"):
        magnitude = check_magnitude(np.ones((2, 3), dtype=dtype), "X[0]")
        assert magnitude.dtype == np.float64
        np.testing.assert_array_equal(magnitude, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sample_rate": 8000},
            r"'sample_rate': 8000.*, but X\[0\].* one sample rate and one STFT",
        ),
        ({"hop_length": 64}, r"X\[1\] was made with .*'hop_length': 64"),
        ({"n_fft": 256}, r"X\[1\] was made with .*'n_fft': 256"),
        ({"window": "hann"}, r"X\[1\] was made with .*'window': 'hann'"),
    ],
)
def test_spectrograms_of_different_settings_are_refused(changes, message):
    other = STFT(**changes).transform(WAVES)
    with pytest.raises(ValueError, match=message):
        sequences_of([ITEMS[0], other[1]])


def test_spectrograms_made_by_hand_are_checked_too():
    with pytest.raises(ValueError, match=r"X\[1\] contains NaN at sample 3\."):
        sequences_of([ITEMS[0], ITEMS[0].of(with_value(9, 3, np.nan))])


def test_number_of_bins_is_that_of_fit():
    model = Model()
    check_sequences(model, MAGNITUDES, reset=True)
    assert model.n_features_in_ == 6
    check_sequences(model, TABLE, reset=False)
    for X in ([np.ones((3, 7))], np.ones((3, 7)), STFT(12, 4, "hann").transform(WAVES)):
        with pytest.raises(ValueError, match=r"X has 7 features.*Model is expecting 6 features"):
            check_sequences(model, X, reset=False)
    with pytest.raises(ValueError, match=r"^data\[0\] has 7 features"):
        check_sequences(model, [np.ones((3, 7))], reset=False, name="data[0]")
    assert model.n_features_in_ == 6


# Targets


def test_waveform_targets_get_the_settings_of_the_mixtures():
    mixtures = STFT(64, 16, "hann", 8000).transform(WAVES)
    sequences = sequences_of(mixtures)
    Y = [0.5 * wave for wave in WAVES]
    for targets in (Y, STFT().transform(Y)):
        checked = check_targets(targets, sequences)
        assert checked.kind == "spectrograms"
        assert checked.settings == sequences.settings
        for item, mixture in zip(checked, sequences, strict=True):
            np.testing.assert_allclose(item, 0.5 * mixture, rtol=1e-12)


@pytest.mark.parametrize("kind", ["spectrograms", "magnitudes", "table"])
def test_targets_take_the_dtype_of_the_mixtures(kind):
    X, Y = {
        "spectrograms": (STFT().transform([w.astype("f4") for w in WAVES]), WAVES),
        "magnitudes": ([m.astype("f4") for m in MAGNITUDES], MAGNITUDES),
        "table": (TABLE.astype("f4"), TABLE),
    }[kind]
    sequences = sequences_of(X)
    targets = check_targets(Y, sequences)
    assert sequences.kind == targets.kind == kind
    assert sequences.dtype == targets.dtype == np.float32
    assert {item.dtype for item in targets} == {np.dtype("float32")}


@pytest.mark.parametrize(
    ("X", "Y", "error", "message"),
    [
        (ITEMS, None, ValueError, r"requires y to be passed, but the target y is None"),
        (TABLE, None, ValueError, r"requires y to be passed, but the target y is None"),
        (ITEMS, WAVES[:2], ValueError, r"X has 3 items but y has 2; they must pair up\."),
        (
            ITEMS,
            [WAVES[0], WAVES[1][:-1], WAVES[2]],
            ValueError,
            r"X\[1\] has 300 samples but y\[1\] has 299; mixtures and targets must be equally long",
        ),
        (ITEMS, np.ones((3, 300)), ValueError, r"X\[0\] has 700 samples but y\[0\] has 300"),
        (ITEMS, [], ValueError, r"y is an empty list"),
        (
            ITEMS,
            [*WAVES[:2], np.ones((500, 2))],
            ValueError,
            r"y\[2\] has shape \(500, 2\): stereo",
        ),
        (
            ITEMS,
            [WAVES[0], with_value(300, 7, np.nan), WAVES[2]],
            ValueError,
            r"y\[1\] contains NaN",
        ),
        (MAGNITUDES, MAGNITUDES[:2], ValueError, r"X has 3 items but y has 2; they must pair up\."),
        (MAGNITUDES, [m[1:] for m in MAGNITUDES], ValueError, r"y\[1\] must be a non-empty 2-D"),
        (
            MAGNITUDES,
            [MAGNITUDES[0], MAGNITUDES[1], MAGNITUDES[2][1:]],
            ValueError,
            r"X\[2\] has 7 frames but y\[2\] has 6; mixtures and targets",
        ),
        (MAGNITUDES, [m[:, 1:] for m in MAGNITUDES], ValueError, r"y\[0\] has 5 bins but 6 are"),
        (MAGNITUDES, [-m for m in MAGNITUDES], ValueError, r"Negative values in data: y\[0\] has"),
        (MAGNITUDES, WAVES, ValueError, r"y\[0\] is 1-D, of shape \(700,\), .*forget STFT"),
        (MAGNITUDES, TABLE, TypeError, r"y must be a list of magnitude arrays; got ndarray\."),
        (TABLE, TABLE[:9], ValueError, r"X has 10 samples but y has 9; they must pair up\."),
        (
            TABLE,
            TABLE[:, :5],
            ValueError,
            r"y of shape \(10, 5\) does not broadcast to .*\(10, 6\)",
        ),
        (TABLE, TABLE - 1, ValueError, r"Negative values in data: y has a minimum of -0\."),
        (TABLE, np.full(10, np.nan), ValueError, r"Input y contains NaN"),
    ],
)
def test_targets_are_refused(X, Y, error, message):
    sequences = sequences_of(X)
    with pytest.raises(error, match=message):
        check_targets(Y, sequences)


def test_table_targets_broadcast():
    columns = np.arange(10.0)
    for Y in (columns, columns[:, np.newaxis], columns.tolist()):
        targets = check_table_targets(Y, TABLE)
        np.testing.assert_array_equal(targets, np.repeat(columns[:, np.newaxis], 6, axis=1))
    np.testing.assert_array_equal(check_table_targets(TABLE, TABLE), TABLE)
    assert check_targets(columns, sequences_of(TABLE)).items.shape == (10, 1, 6)


def test_same_length():
    check_same_length(WAVES, [2 * wave for wave in WAVES])
    with pytest.raises(ValueError, match=r"X\[0\] has 700 samples but y\[0\] has 300;"):
        check_same_length(WAVES, WAVES[1:] + WAVES[:1])
    with pytest.raises(ValueError, match=r"y is one 1-D array; pass a list of targets"):
        check_same_length(WAVES, WAVES[0])


# Sequences


@pytest.mark.parametrize(
    ("X", "kind", "n_frames"),
    [
        (ITEMS, "spectrograms", [len(item) for item in ITEMS]),
        (tuple(ITEMS), "spectrograms", [len(item) for item in ITEMS]),
        (MAGNITUDES, "magnitudes", [4, 1, 7]),
        (tuple(MAGNITUDES), "magnitudes", [4, 1, 7]),
        ([m.tolist() for m in MAGNITUDES], "magnitudes", [4, 1, 7]),
        (TABLE, "table", [1] * 10),
        (TABLE.tolist(), "table", [1] * 10),
        ([tuple(row) for row in TABLE], "table", [1] * 10),
    ],
)
def test_what_kind_of_input_it_is(X, kind, n_frames):
    sequences = sequences_of(X)
    assert sequences.kind == kind
    assert len(sequences) == len(n_frames)
    assert sequences.n_frames.tolist() == n_frames
    assert sequences.n_freqs == (257 if kind == "spectrograms" else 6)
    assert (sequences.settings is None) == (kind != "spectrograms")
    frames = sequences.frames()
    np.testing.assert_array_equal(frames, np.vstack(list(sequences)))
    if kind == "magnitudes":
        np.testing.assert_array_equal(frames, np.vstack(MAGNITUDES))
    elif kind == "table":
        np.testing.assert_array_equal(frames, TABLE)
    # What another estimator gets is the same again.
    again = sequences_of(sequences.as_input())
    assert again.kind == kind
    np.testing.assert_array_equal(again.frames(), frames)


def test_mixed_precision_is_computed_in_double():
    mixed = [MAGNITUDES[0].astype("f4"), MAGNITUDES[1]]
    assert sequences_of(mixed).dtype == np.float64
    assert {item.dtype for item in sequences_of(mixed)} == {np.dtype("float64")}
    assert sequences_of([m.astype("f4") for m in MAGNITUDES]).dtype == np.float32


@pytest.mark.parametrize("X", [ITEMS, MAGNITUDES, TABLE], ids=["spectrograms", "list", "table"])
def test_subset_and_restore(X):
    sequences = sequences_of(X)
    subset = sequences.subset(np.array([2, 0]))
    assert subset.kind == sequences.kind
    for item, i in zip(subset, (2, 0), strict=True):
        np.testing.assert_array_equal(item, sequences[i])
    restored = sequences.restore(2 * item for item in sequences)
    if sequences.kind == "table":
        np.testing.assert_array_equal(restored, 2 * TABLE)
    else:
        assert isinstance(restored, list)
        np.testing.assert_array_equal(np.vstack(restored), 2 * sequences.frames())


@pytest.mark.parametrize("X", [MAGNITUDES, TABLE], ids=["list", "table"])
@pytest.mark.parametrize("max_frames", [1, 5, 9])
def test_a_random_part_of_the_frames_is_without_replacement_and_in_order(X, max_frames):
    sequences = sequences_of(X)
    everything = sequences.frames()
    positions = {tuple(frame): i for i, frame in enumerate(everything)}
    drawn = []
    for seed in range(200):
        frames = sequences.frames(max_frames, np.random.RandomState(seed))
        where = [positions[tuple(frame)] for frame in frames]
        assert len(where) == max_frames
        assert where == sorted(set(where))
        drawn.extend(where)
    # Every frame has its chance, whatever recording it is in.
    assert set(drawn) == set(range(len(everything)))
    for enough in (None, len(everything), 1000):
        whole = sequences.frames(enough, np.random.RandomState(0))
        np.testing.assert_array_equal(whole, everything)


def test_spectrograms_stay_what_they_are():
    assert isinstance(ITEMS, Spectrograms)
    assert sequences_of(ITEMS).items[0] is ITEMS[0]


# Arrays and tensors


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 200))
def test_batches_hold_each_sequence_once_and_no_more_frames_than_asked(n_frames, max_frames):
    batches = batches_by_length(n_frames, max_frames)
    assert sorted(i for batch in batches for i in batch) == list(range(len(n_frames)))
    lengths = [[n_frames[i] for i in batch] for batch in batches]
    for length in lengths:
        assert length
        assert len(length) == 1 or len(length) * max(length) <= max_frames
    for shorter, longer in itertools.pairwise(lengths):
        # Sorted, and none of the next batch would have fitted.
        assert max(shorter) <= min(longer)
        assert (len(shorter) + 1) * min(longer) > max_frames


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pad(dtype):
    arrays = [array.astype(dtype) for array in MAGNITUDES]
    batch, n_frames = pad(arrays)
    assert batch.shape == (3, 7, 6)
    assert batch.dtype == dtype
    assert n_frames.tolist() == [4, 1, 7]
    for row, array in zip(batch, arrays, strict=True):
        np.testing.assert_array_equal(row[: len(array)], array)
        np.testing.assert_array_equal(row[len(array) :], 0)


def test_tensors_and_back():
    device = torch.device("cpu")
    for view in (TABLE, TABLE.T, TABLE[::-1], TABLE.astype("f4"), np.arange(3)):
        array = view.copy(order="K")
        tensor = to_tensor(array, device)
        back = to_numpy(tensor)
        assert back.dtype == view.dtype
        assert back.flags.owndata and back.flags.writeable
        # No memory is shared with the tensor.
        tensor += 1
        np.testing.assert_array_equal(back, view)
    np.testing.assert_array_equal(to_tensor(TABLE.copy()[::-1], device), TABLE[::-1])
    np.testing.assert_array_equal(to_numpy(torch.ones(2, requires_grad=True)), 1)


def test_what_must_not_be_written_to_is_copied():
    read_only = TABLE.copy()
    read_only.flags.writeable = False
    to_tensor(read_only, torch.device("cpu")).zero_()
    np.testing.assert_array_equal(read_only, TABLE)


def test_devices(monkeypatch):
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(
        ValueError, match=r"`device` is 'cuda:1' but torch finds no GPU of that kind; use 'auto'"
    ):
        resolve_device("cuda:1")
    assert resolve_device("cuda", fall_back=True) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    for device in ("cuda:2", "meta"):
        with pytest.raises(
            ValueError, match=r"torch finds no GPU of that kind; use 'auto' or 'cpu'"
        ):
            resolve_device(device)
    for device in ("gpu", 1.5, None, "cpu:"):
        with pytest.raises(ValueError, match=r"`device` must be 'auto', 'cpu', .*; got "):
            resolve_device(device)
