"""High-pass before the STFT: its filter, ranges of frames, items and streams of frames."""

import copy
import pickle

import numpy as np
import pytest
import scipy.signal

from sknmf_unfold import STFT
from sknmf_unfold.signal.highpass import HighPassed, RunningHighPass, warm_up_length
from sknmf_unfold.signal.running_stft import RunningSTFT
from sknmf_unfold.signal.stft import stft

RATE = 16000
# A recording as they are: an offset, rumble and sound.
RECORDING = 0.01 + 0.1 * np.sin(2 * np.pi * 20 * np.arange(60_000) / RATE)
RECORDING += 0.05 * np.random.default_rng(0).standard_normal(60_000)
TOLERANCES = {"float32": 3e-7, "float64": 1e-12}


def filtered(waveform, cutoff=50.0, rate=RATE):
    """The whole waveform through scipy's filter."""
    sections = scipy.signal.butter(2, cutoff, "highpass", fs=rate, output="sos")
    return scipy.signal.sosfilt(sections, waveform.astype(np.float64))


def tone(freq, seconds=2.0):
    return np.sin(2 * np.pi * freq * np.arange(int(seconds * RATE)) / RATE)


def level_db(waveform):
    """RMS in dB of the second half, where the onset has died away."""
    return 10 * np.log10(np.mean(waveform[len(waveform) // 2 :] ** 2) + 1e-30)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("n_times", [1, 2, 511, 8191, 8192, 8193, 60_000])
def test_the_inverse_is_the_filtered_waveform(dtype, n_times):
    waveform = RECORDING[:n_times].astype(dtype)
    [item] = STFT(highpass=50).transform([waveform])
    inverse = item.inverse()
    assert inverse.dtype == item.dtype == dtype and len(inverse) == n_times
    np.testing.assert_allclose(inverse, filtered(waveform), rtol=0, atol=TOLERANCES[dtype])
    assert item.waveform is waveform
    np.testing.assert_array_equal(waveform, RECORDING[:n_times].astype(dtype))


@pytest.mark.parametrize("freq", [5, 20, 50, 100, 200, 300, 1000, 4000, 7900])
def test_tones_have_the_level_of_a_butterworth_filter(freq):
    [item] = STFT(highpass=50).transform([tone(freq)])
    gain = level_db(item.inverse()) - level_db(tone(freq))
    # The bilinear transform of 1 / (1 + (cutoff / freq) ** (2 * order)), order 2.
    ratio = np.tan(np.pi * 50 / RATE) / np.tan(np.pi * freq / RATE)
    assert gain == pytest.approx(-10 * np.log10(1 + ratio**4), abs=0.01)
    if freq >= 200:
        assert abs(gain) < 0.1
    if freq <= 20:
        assert gain < -15


def test_an_offset_is_gone():
    [item] = STFT(highpass=50).transform([np.full(RATE, 0.01)])
    assert level_db(item.inverse()) < -200
    np.testing.assert_allclose(item.magnitude()[100:], 0, atol=1e-10)


@pytest.mark.parametrize("cutoff", [0.5, 20, 50, 1000, 4000, 7900])
def test_ranges_have_the_bits_of_the_whole(cutoff):
    [item] = STFT(64, 16, highpass=cutoff).transform([RECORDING])
    whole, n_frames = item.stft(), len(item)
    expected = stft(filtered(RECORDING, cutoff), 64, 16)
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-9)
    for start, stop in [(0, 1), (0, None), (5, 5), (500, 520), (511, 3000), (n_frames - 1, None)]:
        np.testing.assert_array_equal(item.stft(start, stop), whole[start:stop])
    blocks = [item.stft(i, i + 100) for i in range(0, n_frames, 100)]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


@pytest.mark.parametrize("cutoff", [0.5, 20, 50, 1000, 4000, 7900])
def test_a_warm_up_forgets_everything_before_it(cutoff):
    n_times = warm_up_length(cutoff, RATE)
    loud = np.zeros(n_times + 500)
    loud[:500] = np.random.default_rng(0).choice([-1.0, 1.0], 500)
    assert np.abs(filtered(loud, cutoff)[-1]) < 1e-16
    # Half of it would not do.
    assert np.abs(filtered(loud, cutoff)[500 + n_times // 4 : 500 + n_times // 2]).max() > 1e-10


def test_a_range_filters_few_samples_only(monkeypatch):
    lengths, whole = [], scipy.signal.lfilter

    def counted(numerator, denominator, samples):
        lengths.append(len(samples))
        return whole(numerator, denominator, samples)

    monkeypatch.setattr(scipy.signal, "lfilter", counted)
    [item] = STFT(highpass=50).transform([np.zeros(10**7, np.float32)])
    assert item.stft(70_000, 70_010).shape == (10, 257)
    assert 0 < sum(lengths) < 30_000


def test_slices_are_those_of_the_filtered_waveform():
    samples, expected = HighPassed(RECORDING, 50, RATE), filtered(RECORDING)
    assert len(samples) == len(RECORDING) and samples.dtype == np.float64
    for times in (slice(0, 0), slice(9, 5), slice(None), slice(100, 10**6), slice(8191, 8193)):
        np.testing.assert_allclose(samples[times], expected[times], rtol=0, atol=1e-13)


@pytest.mark.parametrize("sizes", [[1], [100], [7, 1, 3000], [10**6]])
def test_chunks_of_streams_are_the_whole(sizes):
    running = RunningHighPass(50, RATE, 2)
    x = np.stack([RECORDING[:3000], RECORDING[3000:6000]]).astype(np.float32)
    for _ in range(2):
        parts, start = [], 0
        while start < x.shape[1]:
            parts.append(running(x[:, start : start + sizes[len(parts) % len(sizes)]]))
            start += parts[-1].shape[1]
        actual = np.concatenate(parts, axis=1)
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, [filtered(row) for row in x], rtol=0, atol=1e-7)
        running.reset()


def test_padding_after_the_end_is_not_filtered():
    x = RECORDING[np.newaxis, :1000]
    running = RunningSTFT(64, 16, "sqrt_hann", 1, 100, x.dtype, RATE, 50.0)
    running.append(x)
    n_frames = running.append(np.zeros((1, 48)), is_padding=True)
    [item] = STFT(64, 16, highpass=50).transform(x)
    frames = running.frames(n_frames)[0]
    np.testing.assert_allclose(frames, item.stft(0, n_frames), rtol=0, atol=1e-12)
    assert len(item) - 3 <= n_frames


def test_copies_of_a_stream_go_on_independently():
    x = RECORDING[np.newaxis]
    running = RunningSTFT(64, 16, "sqrt_hann", 1, 100, x.dtype, RATE, 50.0)
    running.frames(running.append(x[:, :800]))
    copies = [copy.deepcopy(running), pickle.loads(pickle.dumps(running))]
    expected = running.frames(running.append(x[:, 800:1600]))
    for each in copies:
        np.testing.assert_array_equal(each.frames(each.append(x[:, 800:1600])), expected)
    running.reset()
    again = running.frames(running.append(x[:, :800]))
    fresh = RunningSTFT(64, 16, "sqrt_hann", 1, 100, x.dtype, RATE, 50.0)
    np.testing.assert_array_equal(again, fresh.frames(fresh.append(x[:, :800])))


def test_items_keep_the_setting():
    [item] = STFT(highpass=50, sample_rate=8000).transform([RECORDING])
    masked = item.masked(np.full(item.shape, 0.5))
    expected = 0.5 * filtered(RECORDING, rate=8000)
    np.testing.assert_allclose(masked.inverse(), expected, rtol=0, atol=1e-12)
    for other in (masked, masked.masked(masked.mask), item.of(RECORDING[:9]), copy.copy(item)):
        assert other.settings == item.settings
        assert other.settings["highpass"] == 50.0
    loaded = pickle.loads(pickle.dumps(masked))
    np.testing.assert_array_equal(loaded.inverse(), masked.inverse())
    assert len(pickle.dumps(item)) < RECORDING.nbytes + 1000
    plain = STFT(sample_rate=8000).transform([RECORDING])[0]
    assert plain.settings["highpass"] is None and plain.settings != item.settings


def test_without_a_filter_all_bits_stay():
    [item] = STFT(highpass=None).transform([RECORDING])
    np.testing.assert_array_equal(item.stft(), stft(RECORDING))


@pytest.mark.parametrize("value", [0, -50, 8000, 8000.0, 1e9, np.nan, np.inf, 1e-300, 7999.9999])
def test_cutoffs_that_cannot_be(value):
    with pytest.raises(ValueError, match="`highpass` must be"):
        STFT(highpass=value).fit([RECORDING])


@pytest.mark.parametrize("value", ["50", True, [50], 50j])
def test_what_is_no_cutoff(value):
    with pytest.raises(TypeError, match="`highpass` must be"):
        STFT(highpass=value).fit([RECORDING])


@pytest.mark.parametrize("rate", [8000, 16000, 48000, 10_000_000])
@pytest.mark.parametrize("share", [1e-6, 1e-3, 0.25, 0.4, 0.499999])
def test_filters_at_the_bounds_are_finite(rate, share):
    [item] = STFT(64, 16, sample_rate=rate, highpass=rate * share).transform([np.ones(300)])
    inverse = item.inverse()
    assert np.isfinite(inverse).all() and np.abs(inverse).max() < 2


@pytest.mark.parametrize("value", [50, 50.5, np.float32(50), np.int16(50)])
def test_settings_have_python_numbers(value):
    [item] = STFT(highpass=value).transform([RECORDING[:10]])
    assert type(item.settings["highpass"]) is float
    assert item.settings["highpass"] == value
