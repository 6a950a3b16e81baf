"""Resampling: frequency response, lengths, alignment, chunks and channels."""

import numpy as np
import pytest
import soundfile

from sknmf_unfold.datasets import load_audio
from sknmf_unfold.datasets._resampling import Resampler, resample, resampled_length

RNG = np.random.default_rng(0)
RATES = [(44100, 16000), (48000, 16000), (8000, 16000), (16000, 44100), (44101, 16000)]
RATES += [(16000, 16000), (16000, 8000), (96000, 11025)]


def tone(freq, rate, n_times=None):
    n_times = 2 * rate if n_times is None else n_times
    return np.sin(2 * np.pi * freq * np.arange(n_times) / rate)


def level_db(waveform):
    """RMS in dB re that of a full-scale tone, without the ends."""
    inner = waveform[len(waveform) // 4 : -len(waveform) // 4]
    return 10 * np.log10(2 * np.mean(inner.astype(np.float64) ** 2) + 1e-30)


def in_chunks(resampler, waveform, sizes):
    parts, start = [], 0
    while start < len(waveform):
        size = sizes[len(parts) % len(sizes)]
        parts.append(resampler.process(waveform[start : start + size]))
        start += size
    return np.concatenate([*parts, resampler.process(waveform[:0], last=True)])


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tones_above_the_new_band_are_gone_and_those_within_stay(rate, dtype):
    for freq in (8050, 8200, 9000, 12000, 20000):
        assert level_db(resample(tone(freq, rate).astype(dtype), rate, 16000)) < -80
    for freq in (50, 1000, 4000, 7000, 7300):
        assert abs(level_db(resample(tone(freq, rate).astype(dtype), rate, 16000))) < 0.1
    # The transition band begins at 0.913 of the new Nyquist frequency.
    assert abs(level_db(resample(tone(7500, rate).astype(dtype), rate, 16000))) < 0.5


@pytest.mark.parametrize("rate", [44100, 48000])
def test_files_are_resampled_that_way(rate, tmp_path):
    for freq, low, high in [(8200, -300, -80), (7300, -0.1, 0.1)]:
        soundfile.write(tmp_path / "a.wav", 0.5 * tone(freq, rate), rate, "FLOAT")
        [waveform] = load_audio(tmp_path / "a.wav")
        assert waveform.dtype == np.float32 and len(waveform) == 32000
        assert low < level_db(2 * waveform) < high


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_are_where_they_were(rate, new_rate, dtype):
    freq = 0.3 * min(rate, new_rate)
    resampled = resample(tone(freq, rate).astype(dtype), rate, new_rate)
    assert resampled.dtype == dtype
    expected = tone(freq, new_rate)
    assert len(resampled) == len(expected)
    np.testing.assert_allclose(resampled[500:-500], expected[500:-500], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("rate", "new_rate"), [(48000, 16000), (16000, 48000), (44100, 16000)])
def test_there_is_no_delay(rate, new_rate):
    noise = np.zeros(rate)
    # Band-limited, so that its correlation is a smooth peak.
    spectrum = np.fft.rfft(RNG.standard_normal(rate))
    spectrum[3000:] = 0
    noise = np.fft.irfft(spectrum, rate)
    expected = np.fft.irfft(spectrum, new_rate) * new_rate / rate
    resampled = in_chunks(Resampler(rate, new_rate), noise, [1000])
    correlation = np.correlate(resampled, expected[200:-200], mode="valid")
    assert correlation.argmax() == 200
    ahead, peak, behind = correlation[199:202]
    # A parabola through the peak: less than a thousandth of a sample.
    assert abs(0.5 * (ahead - behind) / (ahead - 2 * peak + behind)) < 1e-3


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
@pytest.mark.parametrize("sizes", [[1000], [1, 7, 4000], [10**6]], ids=str)
@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_chunks_together_are_the_whole(rate, new_rate, sizes, n_channels):
    shape = (20_001,) if n_channels == 1 else (20_001, n_channels)
    waveform = RNG.standard_normal(shape).astype(np.float32)
    whole = resample(waveform, rate, new_rate)
    resampler = Resampler(rate, new_rate, n_channels)
    for _ in range(2):
        np.testing.assert_array_equal(in_chunks(resampler, waveform, sizes), whole)
    for channel in range(n_channels if n_channels > 1 else 0):
        alone = resample(waveform[:, channel], rate, new_rate)
        np.testing.assert_allclose(whole[:, channel], alone, rtol=0, atol=1e-6)


def test_one_sample_at_a_time():
    waveform = RNG.standard_normal(2000).astype(np.float32)
    actual = in_chunks(Resampler(44100, 16000), waveform, [1])
    np.testing.assert_array_equal(actual, resample(waveform, 44100, 16000))


def test_long_recordings_in_blocks_are_those_in_one_piece():
    import soxr

    waveform = RNG.standard_normal((200_000, 2))
    expected = soxr.resample(waveform, 44100, 16000, "HQ")
    np.testing.assert_allclose(resample(waveform, 44100, 16000), expected, rtol=0, atol=1e-9)


# Halves are rounded up, also where the ratio has no exact float: 240 samples are 220.5.
@pytest.mark.parametrize(("rate", "new_rate"), [*RATES, (48000, 44100), (160, 147), (7, 3)])
def test_lengths(rate, new_rate):
    for n_times in [*range(30), 239, 240, 241, 720, 12345]:
        expected = int(np.floor(n_times * new_rate / rate + 0.5 + 1e-9))
        assert resampled_length(n_times, rate, new_rate) == expected
        waveform = np.ones(n_times, np.float32)
        assert resample(waveform, rate, new_rate).shape == (expected,)
        resampler = Resampler(rate, new_rate)
        assert in_chunks(resampler, waveform, [100]).shape == (expected,)
        both = np.ones((n_times, 2))
        assert resample(both, rate, new_rate).shape == (expected, 2)


def test_empty_chunks_change_nothing():
    waveform = RNG.standard_normal((3000, 2))
    resampler, parts = Resampler(48000, 16000, 2), []
    for i in range(0, 3000, 500):
        parts += [resampler.process([]), resampler.process(waveform[i : i + 500])]
    parts += [resampler.process(np.empty((0, 2))), resampler.process([], last=True)]
    assert all(part.shape[1:] == (2,) for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), resample(waveform, 48000, 16000))
    assert resampler.process([], last=True).shape == (0, 2)
    assert Resampler(48000, 16000).process([], last=True).shape == (0,)
    column = Resampler(48000, 16000)
    parts = column.process(waveform[:, :1]), column.process([], last=True)
    assert [part.ndim for part in parts] == [2, 2]


def test_the_first_samples_decide_on_the_dtype():
    resampler = Resampler(44100, 16000)
    assert resampler.process(np.ones(5000, np.int16)).dtype == np.float32
    assert resampler.process(np.ones(5000)).dtype == np.float32
    assert resampler.process([], last=True).dtype == np.float32
    assert resampler.process(np.ones(5000)).dtype == np.float64
    resampler.reset()
    assert resampler.process(np.ones(5000, np.float32), last=True).dtype == np.float32


def test_input_is_left_alone_and_silence_stays():
    waveform = np.asfortranarray(RNG.standard_normal((5000, 2)))
    before = waveform.copy()
    waveform.flags.writeable = False
    resample(waveform[::2], 44100, 16000)
    np.testing.assert_array_equal(waveform, before)
    assert not resample(np.zeros(5000), 44100, 16000).any()


def test_ratios_of_large_numbers():
    for rate, new_rate in [(9_999_991, 9_999_973), (10**7, 1), (1000, 10**7), (65537, 16000)]:
        assert len(resample(np.ones(300), rate, new_rate)) == round(300 * new_rate / rate)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Resampler(0, 16000), ValueError, "`rate` must be a whole number >= 1; got 0"),
        (lambda: Resampler(44100.0, 16000), TypeError, "`rate` must be a whole number"),
        (lambda: Resampler(16000, 10**8), ValueError, "`new_rate` must be a whole number <= 10000"),
        (lambda: Resampler(1, 20000), ValueError, "`new_rate` must be a whole number <= 10000"),
        (lambda: Resampler(1, 2, 0), ValueError, "`n_channels` must be a whole number >= 1"),
        (lambda: resample(np.ones(3), 16000, 0), ValueError, "`new_rate` must be"),
        (lambda: resample(np.ones((3, 2, 2)), 1, 2), ValueError, r"`waveform` must be of shape"),
        (lambda: resample([0.0, np.nan], 1, 2), ValueError, "`waveform` contains NaN at sample 1"),
        (lambda: resample([1, 2], 1, 2), TypeError, "`waveform` has dtype int64"),
        (
            lambda: Resampler(1, 2, 2).process(np.ones(4)),
            ValueError,
            r"`samples` must be of shape \(n_times, n_channels=2\); got shape \(4,\)",
        ),
        (
            lambda: Resampler(1, 2).process(np.ones((4, 2))),
            ValueError,
            r"`samples` must be of shape \(n_times, n_channels=1\); got shape \(4, 2\)",
        ),
        (
            lambda: Resampler(1, 2, 2).process([[0.0, np.inf]]),
            ValueError,
            "`samples` contains infinity at sample 0, channel 1",
        ),
    ],
)
def test_what_cannot_be_resampled(call, error, message):
    with pytest.raises(error, match=message):
        call()
