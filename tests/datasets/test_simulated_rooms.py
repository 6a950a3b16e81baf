"""Simulated rooms: lengths, direct sound, decay, and the same rooms every time."""

import sys

import numpy as np
import pytest

from sknmf_unfold.datasets import MixtureDataset, simulate_rooms
from sknmf_unfold.datasets.simulated_rooms import _draw_places, _draw_room, _with_tail


@pytest.fixture(scope="module")
def rooms():
    pytest.importorskip("pyroomacoustics")
    return simulate_rooms(30, random_state=0)


def test_rooms_are_short_and_begin_with_the_direct_sound(rooms):
    assert len(rooms) == 30
    for room in rooms:
        assert room.dtype == np.float32 and room.ndim == 1
        assert np.abs(room).max() == 1
        assert 0.05 * 16000 < len(room) <= 0.8 * 16000
        # Before it there is the filter of a fractional delay only.
        first = np.argmax(np.abs(room) > 0.4)
        assert 37 <= first <= 41
        assert np.sum(room[: first - 10] ** 2) < 0.02 * np.sum(room[: first + 5] ** 2)


def test_rooms_have_no_bass_that_walls_would_not_reflect(rooms):
    """In phase at 0 Hz, thousands of image sources would raise it by tens of dB."""
    powers = np.mean([np.abs(np.fft.rfft(room, 16000)) ** 2 for room in rooms], axis=0)
    assert powers[:10].mean() < powers[1000:5000].mean()
    assert powers[60:500].mean() < 10 * powers[1000:5000].mean()
    assert len({len(room) for room in rooms}) > 20


def test_the_cutoff_frequency_can_be_chosen():
    pytest.importorskip("pyroomacoustics")
    rooms = {cutoff: simulate_rooms(10, random_state=0, highpass=cutoff) for cutoff in (40, 200)}
    powers = {
        cutoff: np.mean([np.abs(np.fft.rfft(room, 16000)) ** 2 for room in rooms[cutoff]], axis=0)
        for cutoff in rooms
    }
    # A filter of second order falls by 12 dB an octave.
    ratio = 10 * np.log10(powers[200] / powers[40])
    assert ratio[100] < -9 and abs(ratio[1000:5000].mean()) < 1


def test_without_a_cutoff_pyroomacoustics_removes_the_offset():
    pytest.importorskip("pyroomacoustics")
    for room in simulate_rooms(10, random_state=0, highpass=None):
        assert np.abs(room).max() == 1
        # Zero-phase: it begins before the direct sound, which thousands of images in phase do not.
        assert room[:20].mean() < 0
        assert abs(room.sum()) < 0.1 * np.abs(room).sum()


def test_rooms_decay_by_60_db_and_smoothly(rooms):
    """The energy that remains falls in a straight line, also where the tail begins."""
    for room in rooms:
        remaining = np.cumsum(room[::-1].astype(float) ** 2)[::-1]
        decay = 10 * np.log10(remaining / remaining[0])
        assert decay[-1] < -45
        energy = [
            np.mean(room[start : start + 800] ** 2) for start in range(0, len(room) - 800, 400)
        ]
        assert np.diff(10 * np.log10(energy)).max() < 6


def test_the_same_seed_gives_the_same_rooms(rooms):
    acoustics = pytest.importorskip("pyroomacoustics")
    threads = acoustics.constants.get("num_threads")
    again = simulate_rooms(3, random_state=np.random.RandomState(0))
    for room, expected in zip(again, rooms, strict=False):
        np.testing.assert_array_equal(room, expected)
    assert acoustics.constants.get("num_threads") == threads
    assert not np.array_equal(simulate_rooms(1, random_state=1)[0], rooms[0])


@pytest.mark.parametrize("sample_rate", [4000, 48000])
def test_other_rates(sample_rate):
    pytest.importorskip("pyroomacoustics")
    for room in simulate_rooms(3, sample_rate, random_state=2):
        assert len(room) <= 0.8 * sample_rate
        assert 37 <= np.argmax(np.abs(room) > 0.4) <= 41


def test_rooms_serve_dynamic_mixing(rooms):
    targets = [np.random.RandomState(0).randn(4000).astype(np.float32)]
    dataset = MixtureDataset(targets, targets, rooms=rooms, room_fraction=1.0)
    X, Y = dataset.draw()
    assert X[0].shape == Y[0].shape == (4000,)
    assert np.argmax(np.correlate(Y[0], targets[0][100:-100], "valid")) == 100


def test_rooms_are_of_this_world():
    rng = np.random.RandomState(0)
    for _ in range(300):
        size, t60 = _draw_room(rng)
        assert 2.4 <= size[2] <= 5 and 2.8 <= size[1] <= 12 and size[1] <= size[0] <= 1.6 * size[1]
        assert 0.15 <= t60 <= 0.8
        source, microphone = _draw_places(size, rng)
        assert 0.3 <= np.linalg.norm(source - microphone) <= 4
        for place in (source, microphone):
            assert (place >= 0.5).all() and (place <= size - 0.5).all()


def test_the_tail_decays_at_the_reverberation_time():
    rate, t60, stop = 16000, 0.4, 1600
    images = np.random.RandomState(1).randn(4000) * 10 ** (-3 * np.arange(4000) / rate / t60)
    response = _with_tail(images, stop, t60, rate, np.random.RandomState(0))
    np.testing.assert_array_equal(response[: stop - 160], images[: stop - 160])
    for start in (1440, 1600, 3000, 6000, 9000):
        part = slice(start, start + 800)
        expected = np.mean(10 ** (-6 * np.arange(start, start + 800) / rate / t60))
        assert 10 * np.log10(np.mean(response[part] ** 2) / expected) == pytest.approx(0, abs=1.5)


def test_without_pyroomacoustics_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(ImportError, match=r'pip install "sknmf_unfold\[bench\]"'):
        simulate_rooms(1)


@pytest.mark.parametrize(
    ("match", "settings"),
    [
        ("`n_rooms` must be a whole number >= 1", {"n_rooms": 0}),
        ("`n_rooms` must be a whole number", {"n_rooms": 2.5}),
        ("`sample_rate` must be a whole number", {"n_rooms": 1, "sample_rate": 100}),
        ("`random_state` must be", {"n_rooms": 1, "random_state": "x"}),
        ("`highpass` must be None or a number of Hz", {"n_rooms": 1, "highpass": 9000}),
        ("`highpass` must be None or a number of Hz", {"n_rooms": 1, "highpass": 0}),
    ],
)
def test_wrong_values_are_named(match, settings):
    with pytest.raises((ValueError, TypeError), match=match):
        simulate_rooms(**settings)
