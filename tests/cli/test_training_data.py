"""Recordings that `fit` trains on, mixes and holds out."""

import numpy as np
import pytest
import soundfile

from sknmf_unfold.cli import _training_data
from sknmf_unfold.cli._folders import Recording, find_recordings, hold_out
from sknmf_unfold.cli._pairs import pairs_in_folders
from sknmf_unfold.cli._training_data import Split, read_clean_and_noise, read_pairs
from tests._refusals import refuses

RATE = 1000
SPLIT = Split(0.1, 0, RATE)
PLAIN = {"gain_db": [0], "speed_factors": [1]}


def write(folder, names, seconds=2.0, seed=0):
    """Write noise, another in each file; return the waveforms by name."""
    rng = np.random.RandomState(seed)
    waveforms = {}
    for name in names:
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        waveforms[name] = 0.1 * rng.randn(int(seconds * RATE)).astype("float32")
        soundfile.write(path, waveforms[name], RATE, "FLOAT")
    return waveforms


def names_of(waveforms, written):
    """Name the file that each waveform is from."""
    found = [
        next((name for name, whole in written.items() if np.array_equal(whole, each)), None)
        for each in waveforms
    ]
    assert None not in found
    return found


def test_no_file_held_out_is_in_training(tmp_path):
    voices = write(tmp_path / "clean", [f"s{i}/{j}" for i in range(6) for j in range(3)])
    noises = write(tmp_path / "noise", [f"{i}" for i in range(12)], seed=1)
    data = read_clean_and_noise([tmp_path / "clean"], [tmp_path / "noise"], [], PLAIN, SPLIT)
    trained, held_out = (
        names_of(part, voices) for part in (data.mixtures.targets, data.validation.y)
    )
    assert sorted(trained + held_out) == sorted(voices)
    # Speakers too, and a tenth of the files or more.
    assert {name[:2] for name in trained}.isdisjoint(name[:2] for name in held_out)
    assert len(held_out) == 3
    of_noise = names_of(data.mixtures.interference, noises)
    assert len(of_noise) == 10
    # Every stretch of noise in validation is from a file that training does not have.
    rest = [whole for name, whole in noises.items() if name not in of_noise]
    for x, y in zip(*data.validation, strict=True):
        noise = x - y
        # As long as the noise itself, which is then scaled only.
        assert any(np.corrcoef(noise, each)[0, 1] > 0.999 for each in rest)


def test_a_single_noise_is_divided_in_time(tmp_path):
    write(tmp_path / "clean", "abcd", seconds=0.5)
    noise = write(tmp_path / "noise", ["long"], seconds=60)["long"]
    data = read_clean_and_noise([tmp_path / "clean"], [tmp_path / "noise"], [], PLAIN, SPLIT)
    np.testing.assert_array_equal(data.mixtures.interference[0], noise[:54_000])
    for x, y in zip(*data.validation, strict=True):
        excerpt = x - y
        fit = np.correlate(noise.astype("float64"), excerpt.astype("float64"), "valid")
        assert np.abs(fit).argmax() >= 54_000


def test_long_recordings_are_cut_and_silence_is_left_out(tmp_path):
    write(tmp_path / "clean", ["short"], seconds=3)
    long = write(tmp_path / "clean", ["long"], seconds=25, seed=2)["long"]
    soundfile.write(tmp_path / "clean" / "quiet.wav", np.zeros(5000), RATE, "FLOAT")
    write(tmp_path / "noise", "ab")
    recordings = [
        waveform
        for path in sorted((tmp_path / "clean").iterdir())
        for waveform in [soundfile.read(path, dtype="float32")[0]]
    ]
    pieces = _training_data._pieces(recordings, RATE)
    assert max(map(len, pieces)) <= 10_000 and all(piece.any() for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces[:3]), long)
    assert len(pieces) == 4
    refuses("are silent; pass others", lambda: _training_data._pieces([np.zeros(9)], RATE))


def test_conditions_by_default(tmp_path):
    write(tmp_path / "clean", [f"{i}" for i in range(60)], seconds=0.3)
    write(tmp_path / "noise", "abcd", seconds=9)
    data = read_clean_and_noise([tmp_path / "clean"], [tmp_path / "noise"], [], {}, SPLIT)
    X, y = data.mixtures.draw(1)
    snrs = [10 * np.log10(np.sum(t**2) / np.sum((x - t) ** 2)) for x, t in zip(X, y, strict=True)]
    assert -6.1 < min(snrs) < -3 and 17 < max(snrs) < 20.1
    levels = [np.std(target) for target in y]
    assert max(levels) > 20 * min(levels)
    assert len({len(target) for target in y}) > 5


def test_rooms(tmp_path):
    write(tmp_path / "clean", "abcd")
    write(tmp_path / "noise", "ab")
    room = np.zeros(300)
    room[[0, 20, 200]] = 1, 0.5, 0.3
    (tmp_path / "rooms").mkdir()
    soundfile.write(tmp_path / "rooms" / "hall.wav", room, RATE, "FLOAT")
    conditions = {**PLAIN, "clean_fraction": 1.0, "room_fraction": 1.0}
    places = [[tmp_path / name] for name in ("clean", "noise", "rooms")]
    data = read_clean_and_noise(*places, conditions, SPLIT)
    x, y = (part[0].astype("float64") for part in data.training)
    # The mixture is the target and its echo after 200 ms; the target has the early one only.
    early = np.zeros(300)
    early[[0, 20]] = room[[0, 20]]
    dry = np.linalg.lstsq(_convolution(early, len(y)), y, rcond=None)[0]
    np.testing.assert_allclose(_convolution(room, len(y)) @ dry, x, atol=1e-4)


def _convolution(taps, n_times):
    matrix = np.zeros((n_times, n_times))
    for delay in np.flatnonzero(taps):
        matrix += taps[delay] * np.eye(n_times, k=-delay)
    return matrix


def test_examples_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(_training_data, "MAX_START_SECONDS", 5)
    monkeypatch.setattr(_training_data, "MAX_VALIDATION_SECONDS", 3)
    write(tmp_path / "clean", [f"{i:02}" for i in range(40)])
    write(tmp_path / "noise", "abcd")
    data = read_clean_and_noise([tmp_path / "clean"], [tmp_path / "noise"], [], PLAIN, SPLIT)
    assert len(data.training.X) == 3 and len(data.validation.X) == 2
    assert len(data.mixtures) == 36


def test_pairs_are_divided_by_speakers(tmp_path):
    names = [f"s{i}/{j}" for i in range(5) for j in range(2)]
    clean = write(tmp_path / "clean", names)
    noisy = write(tmp_path / "noisy", names, seed=1)
    data = read_pairs(pairs_in_folders([tmp_path / "noisy"], [tmp_path / "clean"]), SPLIT)
    assert data.mixtures is None
    for part, n_files in ((data.training, 8), (data.validation, 2)):
        assert names_of(part.X, noisy) == names_of(part.y, clean) and len(part.X) == n_files
    assert len({name[:2] for name in names_of(data.validation.y, clean)}) == 1


# Division


@pytest.mark.parametrize(
    "sizes", [[1], [10], [3, 3, 4], [95, 5], [1] * 30, [2, 50, 2], [4, 1, 7, 9]]
)
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.9])
def test_parts_that_are_held_out(sizes, fraction):
    folders = [("root", f"s{i}") for i, size in enumerate(sizes) for _ in range(size)]
    recordings = [Recording(None, folder) for folder in folders]
    if len(recordings) < 2:
        return
    for seed in range(5):
        held_out = hold_out(recordings, fraction, np.random.RandomState(seed))
        n = len(recordings)
        assert min(fraction * n, n - 1) <= held_out.sum() <= max(fraction * n + 1, n / 3)
        if sizes == [3, 3, 4]:
            assert held_out.sum() in ((3,) if fraction < 0.3 else (9,))


def test_the_deepest_folders_are_tried_last(tmp_path):
    """A speaker has several chapters, as in LibriSpeech: no speaker is in both parts."""
    folders = [("root", "train", f"speaker{i}", f"{j}") for i in range(8) for j in range(4)]
    recordings = [Recording(None, folder) for folder in folders]
    held_out = hold_out(recordings, 0.1, np.random.RandomState(0))
    parts = [
        {f[2] for f, is_in in zip(folders, mask, strict=True) if is_in}
        for mask in (held_out, ~held_out)
    ]
    assert parts[0].isdisjoint(parts[1]) and held_out.sum() == 4


def test_search_is_deep_and_finds_each_file_once(tmp_path):
    names = ["a", "x/a", "x/y/b", "x/.hidden/c", "z/b"]
    write(tmp_path, names)
    (tmp_path / "x" / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = find_recordings([tmp_path, tmp_path / "x", tmp_path / "a.wav"])
    assert [each.name for each in found] == ["a", "x/a", "x/y/b", "z/b"]
    assert [each.folders[1:] for each in found] == [(), ("x",), ("x", "y"), ("z",)]
    refuses("none does not exist", lambda: find_recordings([tmp_path / "none"]), FileNotFoundError)
