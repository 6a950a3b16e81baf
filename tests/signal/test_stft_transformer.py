"""The transformer `STFT`: its input, its parameters and its results."""

import numpy as np
import pytest

from sknmf_unfold import STFT
from sknmf_unfold.signal.stft import istft, stft
from sknmf_unfold.validation.recordings import check_waveform
from tests._calls import count_calls
from tests.signal.test_stft import LEVELS, ROUNDING, SAMPLES, noise, relative_error


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_inputs_are_left_alone(level, dtype):
    waveform = (level * noise(1000)).astype(dtype)
    frames = stft(waveform)
    before = waveform.copy(), frames.copy(), SAMPLES.copy()
    for array in (waveform, frames, SAMPLES):
        array.flags.writeable = False
    transformer = STFT(16, 4, SAMPLES)
    transformer.inverse_transform(transformer.fit([waveform]).transform([waveform]))
    istft(frames, 1000)
    for array, copy in zip((waveform, frames, SAMPLES), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("dtype", "pcm", "expected"),
    [
        ("int8", [-128, 0, 127], [-1, 0, 127 / 128]),
        ("uint8", [0, 128, 255], [-1, 0, 127 / 128]),
        ("int16", [-(2**15), 0, 2**14, 2**15 - 1], [-1, 0, 0.5, 1 - 2**-15]),
        ("int32", [-(2**31), 0, 2**30, 3], [-1, 0, 0.5, 3 * 2**-31]),
    ],
)
def test_pcm_is_scaled_to_one(dtype, pcm, expected):
    waveform = np.array(pcm, dtype=dtype)
    expected = np.array(expected, dtype="float32")
    transformer = STFT(4, 2).fit([waveform])
    # A list of waveforms, and a table whose rows are waveforms of one length.
    for X in ([waveform], np.stack([waveform, waveform])):
        scaled = transformer.fit(X).transform(X)[0].waveform
        assert scaled.dtype == np.float32
        np.testing.assert_array_equal(scaled, expected)
    np.testing.assert_array_equal(waveform, np.array(pcm, dtype=dtype))


def test_byte_order_and_half_precision_are_taken():
    waveform = noise(100)
    for dtype, expected in ((">f8", "float64"), (">f4", "float32"), ("f2", "float32")):
        item = STFT().transform([waveform.astype(dtype)])[0]
        assert item.waveform.dtype == expected
        np.testing.assert_array_equal(item.waveform, waveform.astype(dtype).astype(expected))


def test_transformer_gives_the_functions_results():
    waveforms = [noise(700), noise(1, "float32"), noise(333, seed=1)]
    for settings_ in ({}, {"n_fft": 64, "hop_length": 24, "window": "hann", "sample_rate": 8000}):
        transformer = STFT(**settings_).fit(waveforms)
        assert transformer.n_freqs_ == transformer.n_fft // 2 + 1
        spectrograms = transformer.transform(waveforms)
        analysis = transformer.n_fft, transformer.hop_length, transformer.window
        for item, waveform in zip(spectrograms, waveforms, strict=True):
            assert item.sample_rate == transformer.sample_rate
            assert item.dtype == waveform.dtype
            np.testing.assert_array_equal(item.stft(), stft(waveform, *analysis))
        inverse = transformer.inverse_transform(spectrograms)
        assert [len(x) for x in inverse] == [700, 1, 333]
        for estimate, waveform in zip(inverse, waveforms, strict=True):
            assert estimate.dtype == waveform.dtype
            assert relative_error(estimate, waveform) < ROUNDING[waveform.dtype.name]


@pytest.mark.parametrize(
    ("settings_", "suggested"),
    [
        ({"hop_length": 512}, 128),
        ({"n_fft": 512, "hop_length": 500, "window": "hann"}, 128),
        ({"n_fft": 2, "hop_length": 2}, 1),
        ({"n_fft": 64, "hop_length": 40, "window": ("kaiser", 14.0)}, 16),
    ],
)
def test_refuses_what_cannot_be_inverted_and_says_the_way_out(settings_, suggested):
    transformer = STFT(**settings_)
    message = (
        rf"`hop_length` and `window` must cover every sample to be invertible; got "
        rf"hop_length={transformer.hop_length}, n_fft={transformer.n_fft}, window=.*"
        rf"Try hop_length={suggested}\.$"
    )
    waveform = noise(200)
    with pytest.raises(ValueError, match=message):
        transformer.fit([waveform])
    with pytest.raises(ValueError, match=message):
        transformer.transform([waveform])
    way_out = transformer.set_params(hop_length=suggested).transform([waveform])
    assert relative_error(way_out[0].inverse(), waveform) < 10 * ROUNDING["float64"]


@pytest.mark.parametrize(
    ("settings_", "error", "message"),
    [
        ({"n_fft": 1}, ValueError, r"`n_fft` must be a whole number >= 2; got 1\."),
        ({"n_fft": 512.0}, TypeError, r"`n_fft` must be a whole number >= 2; got 512.0 \(float\)"),
        ({"hop_length": 0}, ValueError, r"`hop_length` must be .* >= 1 and <= 512; got 0\."),
        ({"hop_length": 513}, ValueError, r"`hop_length` must be .* >= 1 and <= 512; got 513\."),
        ({"sample_rate": 0}, ValueError, r"`sample_rate` must be a whole number >= 1; got 0\."),
        ({"sample_rate": "16k"}, TypeError, r"`sample_rate` must be .*; got '16k' \(str\)"),
        (
            {"window": "hanning window"},
            ValueError,
            r"`window` must be 'sqrt_hann', .* got 'hanning",
        ),
        ({"window": ("kaiser", [1])}, ValueError, r"`window` must be 'sqrt_hann', a window known"),
        ({"window": np.ones(511)}, ValueError, r"n_fft=512 finite samples; got an .* \(511,\)"),
        ({"window": np.full(512, np.nan)}, ValueError, r"`window` must have n_fft=512 finite"),
        ({"window": np.zeros(512)}, ValueError, r"must cover every sample"),
    ],
)
def test_bad_parameters(settings_, error, message):
    with pytest.raises(error, match=message):
        STFT(**settings_).fit([noise(100)])


def test_fit_transform_is_fit_and_transform_with_one_check(monkeypatch):
    waveforms = [noise(700), noise(333, seed=1)]
    for window in ("sqrt_hann", np.hanning(64)):
        transformer = STFT(64, 16, window)
        expected = transformer.fit(waveforms).transform(waveforms)
        with monkeypatch.context() as patch:
            calls = count_calls(patch, check_waveform)
            other = STFT(64, 16, window)
            spectrograms = other.fit_transform(waveforms)
            assert len(calls) == len(waveforms)
        assert other.n_freqs_ == transformer.n_freqs_
        assert type(spectrograms) is type(expected)
        for item, same in zip(spectrograms, expected, strict=True):
            assert item.settings == same.settings
            np.testing.assert_array_equal(item.stft(), same.stft())


def test_inverse_wants_spectrograms():
    frames = stft(noise(100))
    with pytest.raises(TypeError, match=r"X\[0\] must be a Spectrogram.*got ndarray.*signal.istft"):
        STFT().inverse_transform([frames])
    with pytest.raises(TypeError, match=r"X must be a list of Spectrogram items; got ndarray"):
        STFT().inverse_transform(frames)
