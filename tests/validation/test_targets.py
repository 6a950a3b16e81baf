"""Targets: pairing with their mixtures, dtype and settings."""

import numpy as np
import pytest

from sknmf_unfold import STFT
from sknmf_unfold.validation.recordings import check_same_length
from sknmf_unfold.validation.tables import check_table_targets
from sknmf_unfold.validation.targets import check_targets
from tests.validation._data import ITEMS, MAGNITUDES, TABLE, WAVES, sequences_of, with_value


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
