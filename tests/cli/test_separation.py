"""Separation at any rate, with any number of channels, block by block."""

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT
from sknmf_unfold.cli._separation import RecordingSeparator
from sknmf_unfold.cli._shared_masks import ChannelSeparator
from sknmf_unfold.datasets._resampling import resample
from sknmf_unfold.signal.stft import istft, stft
from tests._factories import drnmf

RATE, N_FFT, HOP = 16000, 64, 16
SETTINGS = {"n_fft": N_FFT, "hop_length": HOP}
RATES = [8000, 11025, 16000, 22050, 44100, 48000]


@pytest.fixture(scope="module")
def pipe(speech):
    X, Y = speech
    return Pipeline([("stft", STFT(**SETTINGS)), ("sep", drnmf())]).fit(X[:4], Y[:4])


def noise(n_times, n_channels=2, seed=0):
    return 0.1 * np.random.RandomState(seed).randn(n_times, n_channels).astype(np.float32)


def run(channels, samples, rate, sizes=(4096,)):
    """Separate in blocks of these sizes, over and over; return inputs and outputs."""
    separator, pairs, start, i = RecordingSeparator(channels, rate), [], 0, 0
    while start < len(samples):
        stop = start + sizes[i % len(sizes)]
        pairs.append(separator.process(samples[start:stop]))
        start, i = stop, i + 1
    pairs.append(separator.flush())
    return [np.concatenate(parts) for parts in zip(*pairs, strict=True)]


def with_masks(pipe, monkeypatch, n_channels, mask_of):
    """A separator with another function from magnitudes to masks."""

    class Masks:
        def __call__(self, magnitude):
            return np.broadcast_to(mask_of, magnitude.shape).astype(magnitude.dtype)

        def reset(self):
            pass

    monkeypatch.setattr(type(pipe["sep"]), "running_masks", lambda *_: Masks())
    return ChannelSeparator(pipe, n_channels)


def by_hand(pipe, samples, rate):
    """The same from whole arrays: one mask, of the root mean square over the channels."""
    seen = resample(samples, rate, RATE)
    spectra = np.stack([stft(x, **SETTINGS) for x in seen.T])
    magnitude = np.sqrt(np.mean(np.abs(spectra) ** 2, axis=0))
    mask = pipe["sep"].predict_mask([magnitude])[0]
    target = np.stack([istft(frames * mask, len(seen), **SETTINGS) for frames in spectra], axis=1)
    if rate == RATE:
        return target
    frequencies = np.fft.rfftfreq(N_FFT, 1 / RATE)
    highest = min(rate, RATE) / 2
    band = (frequencies >= 0.75 * highest) & (frequencies <= highest)
    # Frame t covers the N_FFT samples before (t + 1) * HOP.
    centres = (np.arange(len(mask)) + 1) * HOP - N_FFT / 2
    times = np.arange(len(samples)) * RATE / rate
    gain = np.interp(times, centres, mask[:, band].mean(axis=1))[:, np.newaxis]
    back = [fitted(resample(x, RATE, rate), len(samples)) for x in (seen, target)]
    return back[1] + gain * (samples - back[0])


def fitted(waveform, n_times):
    """A waveform without its last samples, or with zeros after them."""
    return np.pad(waveform, ((0, 1), (0, 0)))[:n_times]


@pytest.mark.parametrize("n_channels", [1, 2, 5])
@pytest.mark.parametrize("rate", RATES)
def test_blocks_give_what_whole_arrays_give(pipe, rate, n_channels):
    samples = noise(9001, n_channels)
    expected = by_hand(pipe, samples, rate)
    channels = ChannelSeparator(pipe, n_channels)
    for sizes in ([9001], [4096], [1, 50, 3000]):
        inputs, outputs = run(channels, samples, rate, sizes)
        np.testing.assert_array_equal(inputs, samples)
        assert outputs.shape == samples.shape and outputs.dtype == np.float32
        # The end of the recording, which zeros follow, is cut where it is resampled as a whole.
        inner = slice(None) if rate == RATE else slice(0, -300)
        np.testing.assert_allclose(outputs[inner], expected[inner], atol=2e-5)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_times", [1, 2, 3, 7, 999, 5000, 5001])
def test_a_mask_of_one_leaves_every_sample_and_a_half_halves_it(pipe, monkeypatch, rate, n_times):
    samples = noise(n_times)
    for mask in (1.0, 0.5):
        inputs, outputs = run(with_masks(pipe, monkeypatch, 2, mask), samples, rate)
        np.testing.assert_array_equal(inputs, samples)
        np.testing.assert_allclose(outputs, mask * samples, atol=2e-6)


def test_no_attenuation_is_a_mask_of_one(pipe):
    samples = noise(5000)
    outputs = run(ChannelSeparator(pipe, 2, max_attenuation=0), samples, 44100)[1]
    np.testing.assert_allclose(outputs, samples, atol=2e-6)


@pytest.mark.parametrize(("rate", "tones"), [(48000, [1000, 12000]), (11025, [1000, 5300])])
def test_the_upper_band_follows_the_highest_quarter_of_the_lower(pipe, monkeypatch, rate, tones):
    times = np.arange(2 * rate) / rate
    low, high = (0.1 * np.sin(2 * np.pi * f * times)[:, np.newaxis] for f in tones)
    samples = (low + high).astype(np.float32)
    share = np.fft.rfftfreq(N_FFT, 1 / RATE) / (min(rate, RATE) / 2)
    inner = slice(rate // 2, -rate // 2)
    for mask, expected in (((share < 0.75), low), ((share >= 0.75), high)):
        outputs = run(with_masks(pipe, monkeypatch, 1, mask), samples, rate)[1]
        assert np.abs(outputs - expected)[inner].max() < 0.002


@pytest.mark.parametrize("rate", [16000, 44100])
def test_antiphase_survives(pipe, rate):
    samples = noise(6000, 1)
    alone = run(ChannelSeparator(pipe, 1), samples, rate)[1]
    both = run(ChannelSeparator(pipe, 2), np.hstack([samples, -samples]), rate)[1]
    assert np.abs(alone).max() > 0.01
    np.testing.assert_allclose(both, np.hstack([alone, -alone]), atol=1e-6)


def test_channels_keep_their_ratio(pipe):
    samples = noise(6000, 1) * np.float32([1.0, 0.25, 0.0])
    outputs = run(ChannelSeparator(pipe, 3), samples, 44100)[1]
    np.testing.assert_allclose(outputs, outputs[:, :1] * [1, 0.25, 0], atol=1e-6)


def test_mono_is_what_predict_gives(pipe, speech):
    x = speech[0][5]
    outputs = run(ChannelSeparator(pipe, 1), x[:, np.newaxis], RATE)[1]
    np.testing.assert_allclose(outputs[:, 0], pipe.predict([x])[0], atol=1e-5)


def test_a_separator_starts_anew_after_a_recording_that_broke_off(pipe):
    channels, samples = ChannelSeparator(pipe, 2), noise(6000)
    expected = run(channels, samples, 44100)[1]
    RecordingSeparator(channels, 22050).process(noise(3000, seed=1))
    np.testing.assert_array_equal(run(channels, samples, 44100)[1], expected)


def test_silence_stays_silent(pipe):
    assert not run(ChannelSeparator(pipe, 2), np.zeros((5000, 2), np.float32), 44100)[1].any()


def test_loud_channels_do_not_overflow(pipe):
    samples = noise(3000)
    outputs = run(ChannelSeparator(pipe, 2), np.float32(1e30) * samples, 44100)[1]
    assert np.isfinite(outputs).all() and np.abs(outputs).max() > 1e27
