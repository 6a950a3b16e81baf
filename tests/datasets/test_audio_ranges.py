"""Lengths that are known from headers, and parts of files that are read alone."""

import itertools

import numpy as np
import pytest

from sknmf_unfold import STFT
from sknmf_unfold.datasets import AudioFiles, load_audio
from sknmf_unfold.datasets._resampling import Resampler, resample
from tests.datasets._files import counted_reads, noise, write

RATES = (1000, 7999, 8000, 11025, 16000, 22050, 44100, 48000, 96000)
LENGTHS = (1, 2, 3, 5, 100, 441, 1023, 4097)


def test_lengths_are_those_of_the_resampled_files(tmp_path):
    path = tmp_path / "a.wav"
    for rate, n_times in itertools.product(RATES, LENGTHS):
        write(path, noise(n_times), rate)
        for new_rate in (8000, 16000, 44100, 12345):
            [item] = AudioFiles(path, new_rate).items()
            assert len(item) == len(load_audio(path, new_rate)[0]), (rate, new_rate, n_times)
            assert len(item.read()) == len(item)


def test_soxr_gives_as_many_samples_as_the_header_promises():
    """The samples that are counted are made by soxr, and not what happened to be in memory."""
    rng = np.random.default_rng(0)
    pairs = [(44100, 16000), (48000, 44100), (8000, 16000), (11025, 16000), (16000, 22050)]
    for rate, new_rate in pairs:
        for n_times in [*rng.integers(1, 3000, size=25), 65535, 65536, 65537, 131073]:
            waveform = noise(n_times)
            resampler = Resampler(rate, new_rate)
            chunks = [resampler.process(waveform), resampler.process([], last=True)]
            wanted = int(np.floor(n_times * new_rate / rate + 0.5))
            assert sum(map(len, chunks)) == len(resample(waveform, rate, new_rate)) == wanted


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.wav", {}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "ULAW"}),
        ("a.flac", {}),
        ("a.flac", {"subtype": "PCM_24"}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.caf", {}),
        ("a.w64", {}),
        ("a.rf64", {}),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 11])
def test_ranges_have_the_bits_of_the_whole(name, settings, channels, tmp_path, monkeypatch):
    if channels > 8 and name.endswith(".flac"):
        channels = 8
    n_times = 30_000
    path = write(tmp_path / name, noise(n_times, 1, channels), **settings)
    [whole], [item] = load_audio(path), AudioFiles(path).items()
    assert item.reads_ranges
    for start, stop in [(0, 1), (0, 700), (1, 2), (4095, 4097), (12_345, 20_000), (29_999, None)]:
        with counted_reads(monkeypatch) as reads:
            part = item[start:stop]
        np.testing.assert_array_equal(part, whole[start:stop])
        assert reads.n_decoded == len(whole[start:stop])
    np.testing.assert_array_equal(item[-100:], whole[-100:])
    np.testing.assert_array_equal(item[100:50], whole[100:50])
    np.testing.assert_array_equal(item[10:1000:7], whole[10:1000:7])
    np.testing.assert_array_equal(item[[3, 1]], whole[[3, 1]])
    assert item[17] == whole[17]


def test_ranges_longer_than_a_block_of_the_decoder(tmp_path):
    n_times = 2**20 + 5000
    path = write(tmp_path / "a.wav", noise(n_times))
    [whole], [item] = load_audio(path), AudioFiles(path).items()
    np.testing.assert_array_equal(item[1000:], whole[1000:])


@pytest.mark.parametrize(
    ("name", "rate"), [("a.mp3", 16000), ("a.ogg", 16000), ("a.wav", 8000), ("a.flac", 44100)]
)
def test_ranges_of_other_files_are_cut_from_the_whole(name, rate, tmp_path):
    path = write(tmp_path / name, noise(20_000, 1, 2), rate)
    [whole], [item] = load_audio(path), AudioFiles(path).items()
    assert not item.reads_ranges
    for part in (slice(0, 5), slice(1000, 3000), slice(6000, None)):
        np.testing.assert_array_equal(item[part], whole[part])


@pytest.mark.parametrize("highpass", [None, 50])
def test_spectrograms_read_what_their_frames_need(highpass, tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", noise(200_000))
    stft = STFT(highpass=highpass)
    [lazy], [item] = stft.transform(AudioFiles(path)), stft.transform(load_audio(path))
    n_frames = len(item)
    assert (lazy.shape, lazy.dtype, lazy.n_times, len(lazy)) == (
        (n_frames, 257),
        np.float32,
        200_000,
        n_frames,
    )
    for start, stop in [(0, 10), (5, 6), (300, 420), (n_frames - 3, None), (0, None), (9, 9)]:
        with counted_reads(monkeypatch) as reads:
            frames = lazy.stft(start, stop)
        np.testing.assert_array_equal(frames, item.stft(start, stop))
        needed = len(frames) * 128 + 512
        # A high-pass filter begins a chunk and a warm-up earlier.
        assert reads.n_decoded <= needed + (0 if highpass is None else 2**13 + 2986)
        assert reads.n_opened == (len(frames) > 0)


def test_transform_reads_headers_only(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"{i}.wav", noise(3000 + i, i)) for i in range(4)]
    paths += [write(tmp_path / "f.flac", noise(3000), 44100), write(tmp_path / "g.mp3", noise(999))]
    with counted_reads(monkeypatch) as reads:
        items = STFT(highpass=10).fit(AudioFiles(paths)).transform(AudioFiles(paths))
        assert sum(item.n_times for item in items) > 0 and repr(items[0]) and items[0].settings
        assert sum(len(part) for part in (items[1:3], items[np.array([0, 5])])) == 4
    assert reads.n_decoded == 0
    # Once in fit, and once in transform, whose argument is new.
    assert reads.n_opened == 12
