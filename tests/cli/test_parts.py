"""Lazy parts of lazy recordings."""

import pickle

import numpy as np
import pytest

from sknmf_unfold.cli._parts import equal_parts, part_of
from sknmf_unfold.datasets import AudioFiles, save_audio
from sknmf_unfold.validation.lazy import is_lazy

WAVEFORM = np.random.RandomState(0).uniform(-0.5, 0.5, 1001).astype("float32")


@pytest.fixture(params=[16000, 8000], ids=["ranges", "whole"])
def recording(request, tmp_path):
    """A lazy recording that is read in ranges, or resampled and read whole; and its samples."""
    save_audio(tmp_path / "a.wav", WAVEFORM)
    [recording] = AudioFiles(tmp_path / "a.wav", request.param).items()
    return recording, recording.read()


def test_parts_have_the_samples_of_the_whole(recording):
    lazy, samples = recording
    part = part_of(lazy, 100, 400)
    assert is_lazy(part) and part.shape == (300,) and len(part) == 300
    assert part.reads_ranges == lazy.reads_ranges and part.sample_rate == lazy.sample_rate
    expected = part_of(samples, 100, 400)
    np.testing.assert_array_equal(part.read(), expected)
    np.testing.assert_array_equal(np.asarray(part), expected)
    keys = [slice(None), slice(5, 17), slice(-8, None), slice(290, 900), slice(7, 3)]
    for key in [*keys, slice(None, None, -3), 4, -1, [0, 5, 2]]:
        np.testing.assert_array_equal(part[key], expected[key])
    np.testing.assert_array_equal(part_of(part, 20, 50).read(), expected[20:50])


def test_parts_pickle_and_tell_each_other_apart(recording):
    lazy, _ = recording
    parts = [lazy, *(part_of(lazy, *bounds) for bounds in ((0, 9), (0, 10), (1, 10)))]
    assert len({part.fingerprint for part in parts}) == 4
    for part in parts[1:]:
        again = pickle.loads(pickle.dumps(part))
        assert again.fingerprint == part.fingerprint
        np.testing.assert_array_equal(again.read(), part.read())
    assert len(pickle.dumps(part_of(lazy, 0, 500))) < 1000


@pytest.mark.parametrize("n_times", [1, 2, 9, 10, 11, 20, 21, 99, 101])
def test_equal_parts_are_those_of_numpy(n_times, recording):
    waveform = np.arange(n_times)
    n_parts = int(np.ceil(n_times / 10))
    parts = equal_parts(waveform, 10)
    assert len(parts) == n_parts and max(map(len, parts)) <= 10
    for part, expected in zip(parts, np.array_split(waveform, n_parts), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_equal_parts_of_a_lazy_recording_are_lazy(recording):
    lazy, samples = recording
    parts = equal_parts(lazy, 300)
    assert all(map(is_lazy, parts))
    for part, expected in zip(parts, equal_parts(samples, 300), strict=True):
        np.testing.assert_array_equal(part.read(), expected)
