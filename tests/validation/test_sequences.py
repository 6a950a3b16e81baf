"""Magnitudes and spectrograms as checked sequences."""

import numpy as np
import pytest

from sknmf_unfold import STFT, Spectrograms
from sknmf_unfold.validation.magnitudes import check_magnitude
from sknmf_unfold.validation.sequences import check_sequences
from tests.validation._data import ITEMS, MAGNITUDES, TABLE, WAVES, Model, sequences_of, with_value


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
