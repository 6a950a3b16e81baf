"""Lazy waveforms as other packages may write them, by subclassing `LazyWaveform`."""

import numpy as np
import pytest

from sknmf_unfold import STFT
from sknmf_unfold.validation.lazy import LazyWaveform, check_rates, is_lazy, samples_of
from sknmf_unfold.validation.recordings import (
    as_list,
    check_list,
    check_waveform,
    check_waveforms,
    rows_of,
)


class Counted(LazyWaveform):
    """A waveform in memory that counts how often it is read."""

    def __init__(self, waveform, dtype="float32"):
        self.waveform, self.dtype, self.n_reads = waveform, np.dtype(dtype), 0

    def __len__(self):
        return len(self.waveform)

    def read(self):
        self.n_reads += 1
        return self.waveform.astype(self.dtype)

    fingerprint = "counted"


def ramp(n=1000):
    return np.linspace(-0.5, 0.5, n)


def test_it_looks_like_an_array():
    lazy = Counted(ramp())
    assert (lazy.shape, lazy.ndim, lazy.nbytes, np.ndim(lazy)) == ((1000,), 1, 4000, 1)
    assert is_lazy(lazy) and not is_lazy(ramp()) and lazy.n_reads == 0
    np.testing.assert_array_equal(np.asarray(lazy), ramp().astype("float32"), strict=True)
    np.testing.assert_array_equal(lazy[3:9:2], ramp().astype("float32")[3:9:2])
    assert list(lazy) == list(ramp().astype("float32")) and lazy.n_reads == 3


def test_conversion_happens_when_it_is_read():
    lazy = Counted(ramp())
    assert lazy.astype(np.float32) is lazy
    wide = lazy.astype(np.float64, copy=False)
    assert (wide.dtype, wide.shape, wide.nbytes) == (np.float64, (1000,), 8000)
    assert wide.fingerprint != lazy.fingerprint and not wide.reads_ranges
    assert wide.astype(np.float64) is wide and lazy.n_reads == 0
    expected = ramp().astype("float32").astype(float)
    np.testing.assert_array_equal(wide.read(), expected, strict=True)
    np.testing.assert_array_equal(wide[5:8], expected[5:8], strict=True)


def test_samples():
    array, lazy = ramp(), Counted(ramp())
    assert samples_of(array) is array
    np.testing.assert_array_equal(samples_of(lazy), ramp().astype("float32"), strict=True)


def test_lists_are_checked_without_reading():
    lazy = Counted(ramp())
    array = np.empty(2, dtype=object)
    array[0], array[1] = lazy, ramp(5)
    for X in ([lazy, ramp(5)], array):
        items = check_waveforms(as_list(X))
        assert items[0] is lazy and items[1].shape == (5,)
        assert check_list(rows_of(X, "X"), "X", "waveforms") is None
    assert lazy.n_reads == 0
    assert check_waveform(lazy, "x").dtype == np.float32 and lazy.n_reads == 1
    with pytest.raises(ValueError, match=r"X\[1\] is empty; a waveform has at least one sample"):
        check_waveforms([lazy, Counted(ramp(0))])


def test_rates():
    lazy = Counted(ramp())
    check_rates([lazy, ramp()], 8000, "X", "STFT")
    lazy.sample_rate = 16000
    check_rates([ramp(), lazy], 16000, "X", "STFT")
    with pytest.raises(ValueError, match=r"X\[1\] is read at 16000 Hz, but STFT has"):
        check_rates([ramp(), lazy], 8000, "X", "STFT")


def test_frames_read_it_each_time_and_loaded_ones_once():
    lazy = Counted(ramp(), "float64")
    [item], [known] = STFT(highpass=20).transform([lazy]), STFT(highpass=20).transform([ramp()])
    assert lazy.n_reads == 0 and item.dtype == np.float64
    np.testing.assert_array_equal(item.stft(3, 6), known.stft(3, 6))
    assert lazy.n_reads == 1
    loaded = item.load()
    np.testing.assert_array_equal(loaded.magnitude(), known.magnitude())
    np.testing.assert_array_equal(loaded.inverse(), known.inverse())
    assert lazy.n_reads == 2
    np.testing.assert_array_equal(item.inverse(), known.inverse())
    assert lazy.n_reads == 3
