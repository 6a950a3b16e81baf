"""Recording conditions in dynamic mixing: shares, levels, order, reproducibility."""

import hashlib

import numpy as np
import pytest
import scipy.stats

from sknmf_unfold.datasets import MixtureDataset
from sknmf_unfold.signal.conditions import split_response

RATE = 16000
RNG = np.random.RandomState(0)
TARGETS = [RNG.randn(n).astype(np.float32) for n in (3000, 5000, 4000, 4500)]
NOISES = [RNG.randn(n).astype(np.float32) for n in (20000, 2500)]
ROOMS = [np.exp(-np.arange(2000) / 300) * RNG.randn(2000) for _ in range(3)]
for _room in ROOMS:
    _room[20] = 5.0
EVERYTHING = {
    "snr_db": scipy.stats.uniform(-5, 30),
    "gain_db": scipy.stats.uniform(-20, 30),
    "speed_factors": [0.9, 1, 1.1],
    "clean_fraction": 0.2,
    "n_interferences": (1, 2, 3),
    "equalizer_db": 8.0,
    "bandwidths": ((300, 3400), 4000, 6000),
    "band_fraction": 0.5,
    "rumble_db": [-20.0, -40.0],
    "hiss_db": scipy.stats.uniform(-60, 30),
    "rooms": ROOMS,
    "room_fraction": 0.5,
}
CONDITIONS = {
    "clean": {"clean_fraction": 0.5},
    "several": {"n_interferences": (1, 2)},
    "equaliser": {"equalizer_db": 6.0},
    "bands": {"bandwidths": (4000,), "band_fraction": 0.5},
    "rumble": {"rumble_db": [-20]},
    "hiss": {"hiss_db": [-20]},
    "rooms": {"rooms": ROOMS, "room_fraction": 0.5},
    "everything": EVERYTHING,
}


def level(x):
    return 10 * np.log10(np.sum(np.float64(x) ** 2))


def dataset(targets=TARGETS, noises=NOISES, **settings):
    return MixtureDataset(targets, noises, **settings)


def drawn(mixtures, epochs=20):
    return [pair for epoch in range(epochs) for pair in mixtures.mixtures(epoch)]


# All off


def sha(arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def mixed_as_before_conditions(targets, noises, seed, epoch, snrs, gains, order):
    """What mixtures were before there were conditions, written out."""
    rng = np.random.RandomState([seed, epoch])
    lengths = [len(noise) for noise in noises]
    which = rng.choice(len(noises), len(targets), p=np.array(lengths) / sum(lengths))
    snr_db, gain_db = rng.choice(snrs, len(targets)), rng.choice(gains, len(targets))
    for j in order:
        target, noise = targets[j], noises[which[j]]
        if len(noise) >= len(target):
            start = rng.randint(len(noise) - len(target) + 1)
            excerpt = noise[start : start + len(target)]
        else:
            excerpt = np.resize(np.roll(noise, -rng.randint(len(noise))), len(target))
        powers = [np.sum(np.square(x, dtype=np.float64)) for x in (target, excerpt)]
        scale = np.sqrt(powers[0] / powers[1]) * 10 ** (-snr_db[j] / 20)
        gain = target.dtype.type(10 ** (gain_db[j] / 20))
        yield gain * (target + excerpt * np.float32(scale)), gain * target


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0], [3, 2, 1, 0]])
def test_with_all_off_mixtures_are_what_they_were(order):
    snrs, gains = [-3.0, 0.0, 6.0], [-10.0, 0.0]
    mixtures = dataset(snr_db=snrs, gain_db=gains, random_state=7).mixtures(5, order)
    expected = mixed_as_before_conditions(TARGETS, NOISES, 7, 5, snrs, gains, order)
    for pair, before in zip(mixtures, expected, strict=True):
        np.testing.assert_array_equal(pair, before)


def test_settings_of_conditions_that_are_off_change_nothing():
    plain = dataset(random_state=3).draw(2)
    off = dataset(n_interferences=[1], sample_rate=8000, equalizer_db=0, random_state=3).draw(2)
    for one, other in zip(plain, off, strict=True):
        assert sha(one) == sha(other)


# Reproducibility


@pytest.mark.parametrize("case", CONDITIONS)
def test_an_epoch_is_always_the_same_in_every_order(case):
    settings = CONDITIONS[case]
    X, Y = dataset(**settings).draw(3)
    other = dataset(**settings)
    other.draw(0)
    for order in ([3, 1], [2, 0, 1, 3, 2]):
        for j, (x, y) in zip(order, other.mixtures(3, order), strict=True):
            np.testing.assert_array_equal(x, X[j])
            np.testing.assert_array_equal(y, Y[j])
    assert sha(X) != sha(dataset(**settings).draw(4)[0])
    assert sha(X) != sha(dataset(**settings, random_state=1).draw(3)[0])


@pytest.mark.parametrize("case", CONDITIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mixtures_have_the_dtype_and_the_length_of_their_targets(case, dtype):
    targets = [target.astype(dtype) for target in TARGETS]
    before = sha([*targets, *NOISES])
    settings = CONDITIONS[case]
    for x, y in drawn(dataset(targets, **settings), 5):
        assert x.dtype == y.dtype == dtype and x.shape == y.shape
        assert not np.shares_memory(x, y)
        assert np.isfinite(x).all() and y.any()
    assert sha([*targets, *NOISES]) == before


def test_conditions_of_pairs_are_those_of_recordings():
    X = [target + noise[: len(target)] for target, noise in zip(TARGETS[:1], NOISES, strict=False)]
    settings = {key: value for key, value in EVERYTHING.items() if key != "snr_db"}
    mixed = MixtureDataset.from_mixtures(X, TARGETS[:1], **settings)
    noises = [X[0] - TARGETS[0]]
    expected = dataset(TARGETS[:1], noises, snr_db=mixed.snr_db, **settings)
    for epoch in range(5):
        for one, other in zip(mixed.draw(epoch), expected.draw(epoch), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError, match="loudness"):
        MixtureDataset.from_mixtures(X, TARGETS[:1], loudness=3)


# Clean mixtures, and several recordings of interference


def test_a_share_of_mixtures_is_clean():
    pairs = drawn(dataset(clean_fraction=0.25, gain_db=[-6, 6]), 100)
    clean = [np.array_equal(x, y) for x, y in pairs]
    assert np.mean(clean) == pytest.approx(0.25, abs=0.06)
    assert all(np.array_equal(x, y) for x, y in drawn(dataset(clean_fraction=1), 2))
    # Hiss stays.
    for x, y in drawn(dataset(clean_fraction=1, hiss_db=[-30]), 2):
        assert level(x - y) - level(y) == pytest.approx(-30, abs=1e-3)


def test_several_recordings_differ_in_level_by_at_most_5_db():
    time = np.arange(8000) / RATE
    tones = [np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (1000, 2000, 3000)]
    # Of very different levels, all silent but for one frequency.
    noises = [gain * np.tile(tone, 5) for gain, tone in zip((1, 100, 0.01), tones, strict=True)]
    targets = [RNG.randn(8000).astype(np.float32) for _ in range(20)]
    pairs = drawn(dataset(targets, noises, n_interferences=(2, 3), snr_db=[3]), 10)
    differences, numbers = [], []
    for x, y in pairs:
        noise = np.float64(x) - y
        assert level(y) - level(noise) == pytest.approx(3, abs=1e-3)
        powers = [2 * abs(np.exp(-2j * np.pi * h * time) @ noise) ** 2 for h in (1e3, 2e3, 3e3)]
        heard = [10 * np.log10(p) for p in powers if p > 1e-3 * max(powers)]
        numbers.append(len(heard))
        if len(heard) == 2:
            differences.append(heard[0] - heard[1])
    # Two of a kind are heard as one.
    assert set(numbers) == {1, 2, 3}
    two = [d for d in differences if abs(d) <= 5.2]
    assert len(two) > 0.6 * len(differences) and max(two) > 2 and min(two) < -2


def test_silent_recordings_among_several():
    noises = [np.zeros(6000, np.float32), NOISES[0]]
    for x, y in drawn(dataset(noises=noises, n_interferences=(2,), snr_db=[0]), 10):
        assert np.isfinite(x).all()
        assert np.array_equal(x, y) or level(x - y) - level(y) == pytest.approx(0, abs=1e-3)


# Equalisers and bands


def test_targets_and_interference_are_equalised_apart_and_the_ratio_stays():
    impulse = np.eye(1, 4000, dtype=np.float32)[0]
    pairs = drawn(dataset([impulse] * 4, [impulse], equalizer_db=9.0, snr_db=[0.0]), 10)
    responses = [20 * np.log10(np.abs(np.fft.rfft(y))) for _, y in pairs]
    assert max(np.abs(r).max() for r in responses) <= 9.0 + 1e-3
    assert np.std(responses, axis=0).min() > 0.5
    for x, y in pairs:
        assert level(x - y) - level(y) == pytest.approx(0, abs=1e-3)
        # Not one filter for both.
        ratio = np.abs(np.fft.rfft(np.float64(x) - y) / np.fft.rfft(y))
        assert np.ptp(20 * np.log10(ratio)) > 0.1


def test_a_share_of_mixtures_is_limited_to_bands_with_their_targets():
    settings = {"bandwidths": [(300, 3400), 4000.0], "band_fraction": 0.5, "hiss_db": [0]}
    seen = []
    for pair in drawn(dataset(snr_db=[0], **settings), 40):
        edges = []
        for waveform in pair:
            power = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) ** 2
            hertz = np.fft.rfftfreq(len(waveform), 1 / RATE)
            mean = np.mean(power)
            above = np.mean(power[hertz > 4400]) < 1e-3 * mean
            telephone = above and np.mean(power[hertz > 3800]) < 1e-3 * mean
            if telephone:
                assert np.mean(power[hertz < 200]) < 1e-2 * mean
            edges.append("telephone" if telephone else 4000 if above else None)
        assert edges[0] == edges[1]
        seen.append(edges[0])
    assert set(seen) == {None, 4000, "telephone"}
    assert seen.count(None) / len(seen) == pytest.approx(0.5, abs=0.12)


# Rumble and hiss


@pytest.mark.parametrize("name", ["rumble_db", "hiss_db"])
def test_noises_have_their_levels_and_are_in_the_mixture_only(name):
    levels = scipy.stats.uniform(-40, 40)
    pairs = drawn(dataset(clean_fraction=1.0, gain_db=[-20, 20], **{name: levels}), 50)
    found = [level(np.float64(x) - y) - level(y) for x, y in pairs]
    assert scipy.stats.kstest(found, levels.cdf).pvalue > 1e-3
    for (_, y), target in zip(pairs[:4], TARGETS, strict=True):
        assert np.corrcoef(y, target)[0, 1] > 0.9999


def test_noises_need_a_target_that_is_not_silent():
    silent = [np.zeros(1000, np.float32)]
    for x, y in drawn(dataset(silent, silent, rumble_db=[0], hiss_db=[0]), 3):
        assert not x.any() and not y.any()


# Rooms


def test_rooms_split_into_early_target_and_late_reverberation():
    pairs = drawn(dataset(rooms=ROOMS, room_fraction=1.0, clean_fraction=1.0), 10)
    seen = set()
    for i, (x, y) in enumerate(pairs):
        target = np.float64(TARGETS[i % 4])
        errors = []
        for taps in ROOMS:
            stop = 20 + 800 + 1
            scaled = taps / np.linalg.norm(taps[:stop])
            early = np.convolve(target, scaled[:stop])[20 : 20 + len(target)]
            whole = np.convolve(target, scaled)[20 : 20 + len(target)]
            errors.append(max(np.abs(y - early).max(), np.abs(x - whole).max()))
        assert min(errors) < 1e-4
        seen.add(int(np.argmin(errors)))
        # No delay.
        lags = np.correlate(y, TARGETS[i % 4][200:-200], "valid")
        assert np.argmax(lags) == 200
    assert seen == {0, 1, 2}


def test_the_ratio_in_rooms_is_that_of_the_early_target_to_the_interference():
    """Rooms of the interference come after the target's in the mixture's random numbers."""
    settings = {"rooms": ROOMS[:1], "room_fraction": 1.0}
    noisy = dataset(snr_db=[-4], **settings)
    clean = dataset(clean_fraction=1.0, **settings)
    for (x, y), (x_clean, y_clean) in zip(drawn(noisy, 5), drawn(clean, 5), strict=True):
        np.testing.assert_array_equal(y, y_clean)
        noise = np.float64(x) - x_clean
        assert level(y) - level(noise) == pytest.approx(-4, abs=1e-2)


def test_interference_in_rooms_is_reverberant_and_not_in_the_room_of_the_target():
    impulse = np.eye(1, 4000, dtype=np.float32)[0]
    settings = {"rooms": ROOMS, "room_fraction": 1.0, "snr_db": [0.0]}
    rooms = [split_response(room, RATE)[0].sum(axis=0)[20:] for room in ROOMS]
    apart = 0
    for x, y in drawn(dataset([impulse] * 4, [impulse], **settings), 10):
        early = [np.abs(y[:801] - room[:801]).max() for room in rooms]
        late = np.zeros(4000)
        late[801:1980] = rooms[np.argmin(early)][801:]
        noise = np.float64(x) - y - late
        best = [
            max(np.correlate(noise, room, "full")) / np.linalg.norm(noise) / np.linalg.norm(room)
            for room in rooms
        ]
        # An excerpt of an impulse that was rolled; its tail may be cut.
        apart += np.argmax(best) != np.argmin(early)
    assert 10 < apart < 38


def test_a_share_of_mixtures_is_in_rooms():
    pairs = drawn(dataset(rooms=ROOMS, room_fraction=0.3, clean_fraction=1.0), 100)
    dry = [np.array_equal(x, y) for x, y in pairs]
    assert np.mean(dry) == pytest.approx(0.7, abs=0.07)
    for i, (_, y) in enumerate(pairs):
        assert not dry[i] or np.array_equal(y, TARGETS[i % 4])


# Wrong values


@pytest.mark.parametrize(
    ("match", "settings"),
    [
        ("`clean_fraction` must be a finite number .* <= 1", {"clean_fraction": 1.5}),
        ("`room_fraction` must be a finite number", {"room_fraction": "half"}),
        ("`band_fraction` must be a finite number", {"band_fraction": np.nan}),
        ("`n_interferences` must be a list", {"n_interferences": 2}),
        ("`n_interferences` must be a list", {"n_interferences": []}),
        (r"`n_interferences\[0\]` must be a whole number >= 1", {"n_interferences": (0, 1)}),
        (r"`n_interferences\[1\]` must be a whole number", {"n_interferences": (1, 1.5)}),
        ("`equalizer_db` must be a finite number >= 0", {"equalizer_db": -3}),
        ("`bandwidths` must be a list of cut-off", {"bandwidths": 4000, "band_fraction": 1}),
        (r"`bandwidths\[0\]` must be .* <= 7840", {"bandwidths": [8000], "band_fraction": 1}),
        (r"`bandwidths\[0\]` must be .* or a pair", {"bandwidths": [(1,)], "band_fraction": 1}),
        (
            r"`bandwidths\[1\]` must be a pair \(low, high\) in Hz, an octave",
            {"bandwidths": [4000, (3400, 300)], "band_fraction": 1},
        ),
        ("`bandwidths` has 0 items but `band_fraction` is 0.5", {"band_fraction": 0.5}),
        ("`bandwidths` has 1 items but `band_fraction` is 0", {"bandwidths": [4000]}),
        ("`rooms` has 0 items but `room_fraction` is 1", {"room_fraction": 1}),
        ("`rooms` has 3 items but `room_fraction` is 0", {"rooms": ROOMS}),
        (r"rooms\[0\] is silent", {"rooms": [np.zeros(9)], "room_fraction": 1}),
        (r"rooms\[1\] contains NaN", {"rooms": [np.ones(9), [1, np.nan]], "room_fraction": 1}),
        (r"rooms\[0\] is a path, .*load_audio", {"rooms": ["hall.wav"], "room_fraction": 1}),
        ("rooms must be a list", {"rooms": "hall.wav", "room_fraction": 1}),
        ("`rumble_db` must be a list of numbers", {"rumble_db": -20}),
        (r"`hiss_db\[0\]` must be a finite number", {"hiss_db": [-200]}),
        ("`sample_rate` must be a whole number >= 1000", {"sample_rate": 500}),
    ],
)
def test_wrong_values_are_named(match, settings):
    with pytest.raises((ValueError, TypeError), match=match):
        dataset(**settings)


@pytest.mark.parametrize("name", ["rumble_db", "hiss_db"])
def test_levels_of_a_distribution_are_checked_when_drawn(name):
    with pytest.raises(ValueError, match=f"`{name}` gave 500; wanted"):
        dataset(**{name: scipy.stats.uniform(500, 0)}).draw()


def test_an_overflow_is_named():
    loud = [np.full(300, 1e30, np.float32)]
    settings = {"rumble_db": [100], "gain_db": [100], "equalizer_db": 60}
    with pytest.raises(ValueError, match="The mixture overflows float32"):
        dataset(loud, loud, **settings).draw()


@pytest.mark.parametrize("case", CONDITIONS)
def test_recordings_of_one_sample(case):
    one = [np.ones(1, np.float32)]
    for x, y in drawn(dataset(one, one, **CONDITIONS[case]), 5):
        # Slower, it has two.
        assert x.shape == y.shape and len(x) <= 2 and np.isfinite([x, y]).all()
