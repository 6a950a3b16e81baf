"""Waveforms, in lists and in the rows of a table."""

import numpy as np
import pytest

from sknmf_unfold import STFT
from sknmf_unfold.validation.recordings import check_list, check_waveform, check_waveforms
from sknmf_unfold.validation.tables import check_waveform_table
from tests.validation._data import Model, with_value


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
