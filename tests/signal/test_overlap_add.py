"""Overlap-add: STFT and inverse block by block equal those of the whole, at every edge."""

import itertools

import numpy as np
import pytest

from sknmf_unfold import Spectrogram
from sknmf_unfold.signal.overlap_add import OverlapAdd
from sknmf_unfold.signal.stft import istft, n_frames_of, stft
from tests.signal.test_stft import IDS, PAIRS, noise

BLOCKS = (1, 2, 3, 7, 100)


def lengths_at_edges(n_fft, hop, block):
    """Lengths with a frame less than, as many as, or one more than some whole blocks have."""
    edges = [n_blocks * block * hop - (n_fft - hop) for n_blocks in (1, 2, 5)]
    around = [edge + shift for edge in edges for shift in (-hop, -1, 0, 1, hop)]
    return sorted({n for n in around if 1 <= n <= 6000} | {1, n_fft})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n_fft", "hop", "window"), PAIRS, ids=IDS)
def test_blocks_give_the_same_numbers(n_fft, hop, window, dtype):
    for block in BLOCKS:
        for n_times in lengths_at_edges(n_fft, hop, block):
            waveform = noise(n_times, dtype)
            whole = stft(waveform, n_fft, hop, window)
            starts = range(0, n_frames_of(n_times, n_fft, hop), block)
            parts = [stft(waveform, n_fft, hop, window, i, i + block) for i in starts]
            np.testing.assert_array_equal(np.concatenate(parts), whole)
            inverse = OverlapAdd(n_times, n_fft, hop, window)
            for part in parts:
                inverse.append(part)
            assert inverse.waveform.dtype == dtype
            expected = istft(whole, n_times, n_fft, hop, window)
            np.testing.assert_array_equal(inverse.waveform, expected)


def test_blocks_of_different_sizes_and_empty_ones():
    waveform = noise(1000)
    frames = stft(waveform, 33, 7)
    inverse = OverlapAdd(1000, 33, 7)
    edges = [0, 0, 1, 2, 40, 40, 43, len(frames)]
    for start, stop in itertools.pairwise(edges):
        inverse.append(frames[start:stop])
    np.testing.assert_array_equal(inverse.waveform, istft(frames, 1000, 33, 7))


def test_what_is_written_is_final_up_to_the_overlap():
    n_fft, hop, n_frames = 64, 16, 12
    waveform = noise(400)
    inverse = OverlapAdd(400, n_fft, hop)
    inverse.append(stft(waveform, n_fft, hop, stop=n_frames))
    final = n_frames * hop - (n_fft - hop)
    np.testing.assert_allclose(inverse.waveform[:final], waveform[:final], atol=1e-13)
    assert not inverse.waveform[final:].any()


@pytest.mark.parametrize(("start", "stop"), [(0, None), (3, None), (3, 5), (5, 5), (5, 3), (9, 99)])
def test_parts_of_frames_are_slices(start, stop):
    item = Spectrogram(noise(700), 64, 64, "boxcar", 16000)
    mask = np.random.default_rng(1).uniform(size=item.shape)
    for each in (item, item.masked(mask)):
        part = each.stft(start, stop)
        np.testing.assert_array_equal(part, each.stft()[start:stop])
        assert part.dtype == np.complex128 and part.shape[1] == 33
    empty = stft(noise(700, "float32"), 64, 64, "boxcar", 11)
    assert empty.shape == (0, 33) and empty.dtype == np.complex64


@pytest.mark.parametrize("block", [1, 5, 11, 12])
def test_an_item_goes_back_to_audio_block_by_block(monkeypatch, block):
    item = Spectrogram(noise(1000, "float32"), 512, 128, "sqrt_hann", 16000)
    item = item.masked(np.random.default_rng(1).uniform(size=item.shape).astype("float32"))
    expected = istft(item.stft(), 1000)
    sizes = []
    append = OverlapAdd.append
    monkeypatch.setattr(OverlapAdd, "append", lambda s, f: (sizes.append(len(f)), append(s, f)))
    monkeypatch.setattr("sknmf_unfold.signal.spectrograms.BLOCK_FRAMES", block)
    np.testing.assert_array_equal(item.inverse(), expected)
    assert sum(sizes) == 11 and max(sizes) == min(block, 11)
