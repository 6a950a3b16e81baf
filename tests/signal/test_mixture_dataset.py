"""Dynamic mixing: ratios, excerpts, speeds, and one check of each recording."""

import tracemalloc

import numpy as np
import pytest
import scipy.stats

from sknmf_unfold.datasets import MixtureDataset, make_noisy_speech
from sknmf_unfold.validation.recordings import check_waveform
from tests._calls import count_calls

RNG = np.random.default_rng(0)
TARGETS = [RNG.standard_normal(n).astype(np.float32) for n in (300, 500, 400, 450)]
# A ramp tells where a stretch of it begins.
NOISES = [np.arange(1, 2001, dtype=np.float32), -np.arange(1, 251, dtype=np.float32)]


def snr(x, y):
    x, y = np.float64(x), np.float64(y)
    return 10 * np.log10(np.sum(y**2) / np.sum((x - y) ** 2))


def draws(dataset, n=30):
    return [dataset.draw(epoch) for epoch in range(n)]


def test_every_target_is_there_once_in_order():
    for X, Y in draws(MixtureDataset(TARGETS, NOISES), 3):
        for x, y, target in zip(X, Y, TARGETS, strict=True):
            np.testing.assert_array_equal(y, target)
            assert x.shape == y.shape and x.dtype == y.dtype == np.float32


def test_short_epochs_have_all_targets_in_turn():
    targets = [np.full(5, i + 1.0) for i in range(7)]
    for n_mixtures in (3, 7, 10):
        dataset = MixtureDataset(targets, [np.ones(5)], n_mixtures=n_mixtures, random_state=1)
        assert len(dataset) == n_mixtures
        drawn = [int(y[0]) for epoch in range(7) for y in dataset.draw(epoch)[1]]
        for start in range(0, len(drawn), 7):
            assert sorted(drawn[start : start + 7]) == list(range(1, 8))
        assert drawn[:7] != drawn[7:14]
        third = [x for x, _ in dataset.mixtures(2, [2, 0])]
        np.testing.assert_array_equal(third[0], dataset.draw(2)[0][2])


def test_the_ratios_are_those_asked_for():
    dataset = MixtureDataset(TARGETS, NOISES, snr_db=[-5, 10])
    values = [snr(*pair) for X, Y in draws(dataset) for pair in zip(X, Y, strict=True)]
    rounded = np.round(values, 2)
    assert set(rounded) == {-5.0, 10.0}
    assert 0.3 < np.mean(rounded == 10) < 0.7


def test_ratios_and_gains_from_distributions():
    uniform = scipy.stats.uniform(-6, 15)
    dataset = MixtureDataset(TARGETS, NOISES, snr_db=uniform, gain_db=scipy.stats.norm(0, 3))
    pairs = [pair for X, Y in draws(dataset, 100) for pair in zip(X, Y, strict=True)]
    values = [snr(*pair) for pair in pairs]
    assert scipy.stats.kstest(values, uniform.cdf).pvalue > 1e-3
    gains = [
        20 * np.log10(np.linalg.norm(y) / np.linalg.norm(TARGETS[i % 4]))
        for i, (_, y) in enumerate(pairs)
    ]
    assert scipy.stats.kstest(gains, scipy.stats.norm(0, 3).cdf).pvalue > 1e-3


def test_stretches_are_contiguous_and_everywhere():
    dataset = MixtureDataset([np.zeros(100, np.float32)] * 400, NOISES[:1])
    X, _ = dataset.draw()
    assert all((np.diff(x) == 1).all() for x in X)
    starts = np.array([x[0] for x in X])
    assert starts.min() < 50 and starts.max() > 1850 and np.unique(starts).size > 300


def test_a_short_recording_goes_round():
    dataset = MixtureDataset([np.zeros(600, np.float32)] * 50, NOISES[1:])
    for x in dataset.draw()[0]:
        steps = np.diff(x)
        assert set(steps) == {-1.0, 249.0}
        assert 2 <= np.sum(steps == 249) <= 3


def test_longer_recordings_are_drawn_more_often():
    X, _ = MixtureDataset([np.zeros(10, np.float32)] * 2000, NOISES).draw()
    assert np.mean([x[0] > 0 for x in X]) == pytest.approx(2000 / 2250, abs=0.03)


def test_epochs_differ_and_repeat():
    dataset = MixtureDataset(TARGETS, NOISES, random_state=5)
    first, second = dataset.draw(0)[0], dataset.draw(1)[0]
    assert all(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    again = MixtureDataset(TARGETS, NOISES, random_state=5).draw(1)[0]
    assert all(np.array_equal(a, b) for a, b in zip(again, second, strict=True))
    other = MixtureDataset(TARGETS, NOISES, random_state=6).draw(1)[0]
    assert not np.array_equal(other[0], second[0])


def test_from_mixtures_takes_interference_and_ratios():
    X, Y = make_noisy_speech(5, duration=0.5, snr_db=(-6, 9), random_state=0)
    dataset = MixtureDataset.from_mixtures(X, Y)
    expected = [snr(*pair) for pair in zip(X, Y, strict=True)]
    np.testing.assert_allclose(dataset.snr_db, expected, atol=1e-2)
    for noise, x, y in zip(dataset.interference, X, Y, strict=True):
        np.testing.assert_array_equal(noise, x - y)
    mixtures, _ = dataset.draw()
    drawn = [snr(*pair) for pair in zip(mixtures, Y, strict=True)]
    assert all(np.abs(np.array(expected) - value).min() < 1e-2 for value in drawn)


def test_interference_of_mixtures_is_drawn_like_any_other_and_kept_nowhere():
    X, Y = make_noisy_speech(8, duration=1.0, random_state=0)
    tracemalloc.start()
    dataset = MixtureDataset.from_mixtures(X, Y, random_state=3)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < X[0].nbytes / 2
    noises = [x - y for x, y in zip(X, Y, strict=True)]
    plain = MixtureDataset(Y, noises, snr_db=dataset.snr_db, random_state=3)
    for drawn, expected in zip(dataset.draw(2), plain.draw(2), strict=True):
        np.testing.assert_array_equal(drawn, expected)


def test_speeds_change_pitch_and_length_of_targets_and_of_interference():
    time = np.arange(16000) / 16000
    tones = [np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (400, 1000)]
    dataset = MixtureDataset(tones[:1] * 20, tones[1:], snr_db=[0.0], speed_factors=[0.8, 1, 1.25])
    seen = []
    for x, y in zip(*dataset.draw(), strict=True):
        assert len(x) == len(y) and x.dtype == y.dtype == np.float32
        assert snr(x, y) == pytest.approx(0, abs=1e-3)
        pitches = []
        for part in (y, x - y):
            spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
            pitches.append(16000 * spectrum.argmax() / len(part))
        speed = 16000 / len(y)
        assert pitches[0] == pytest.approx(400 * speed, abs=2)
        seen.append((round(speed, 2), round(pitches[1] / 1000, 2)))
        # No clicks: nothing but the tone, but for where resampling ends.
        assert np.abs(y[200:-200]).max() < 1.02
    speed_factors = {0.8, 1.0, 1.25}
    assert {s for s, _ in seen} == {s for _, s in seen} == speed_factors
    assert any(one != other for one, other in seen)


def test_mixtures_one_by_one_are_those_that_are_drawn_together():
    dataset = MixtureDataset(TARGETS, NOISES, speed_factors=[0.8, 1, 1.25], random_state=3)
    X, Y = dataset.draw(epoch=2)
    assert len(X) == len(Y) == len(TARGETS)
    for one, pair in zip(dataset.mixtures(2), zip(X, Y, strict=True), strict=True):
        np.testing.assert_array_equal(one[0], pair[0])
        np.testing.assert_array_equal(one[1], pair[1])
    order = list(range(len(TARGETS)))[::-1][:2]
    for j, (x, y) in zip(order, dataset.mixtures(2, order), strict=True):
        np.testing.assert_array_equal(y, Y[j])
        assert len(x) == len(y)


def test_speeds_of_a_distribution():
    dataset = MixtureDataset(TARGETS * 50, NOISES, speed_factors=scipy.stats.uniform(0.9, 0.2))
    ratios = [len(y) / len(t) for y, t in zip(dataset.draw()[1], TARGETS * 50, strict=True)]
    assert 1 / 1.12 < min(ratios) < 0.95 < 1.05 < max(ratios) < 1.12
    assert len(set(np.round(ratios, 3))) > 50
    with pytest.raises(ValueError, match="`speed_factors` gave 3; wanted numbers from"):
        MixtureDataset(TARGETS, NOISES, speed_factors=scipy.stats.uniform(3, 0)).draw()


def test_one_speed_draws_what_was_drawn_without():
    plain, same = (
        MixtureDataset(TARGETS, NOISES),
        MixtureDataset(TARGETS, NOISES, speed_factors=[1.0]),
    )
    for x, other in zip(plain.draw(3)[0], same.draw(3)[0], strict=True):
        np.testing.assert_array_equal(x, other)


def test_silence_is_mixed_as_it_is():
    silent = [np.zeros(300, np.float32)]
    dataset = MixtureDataset.from_mixtures(silent, silent)
    assert dataset.snr_db == [0.0]
    assert not np.any(dataset.draw()[0][0])


@pytest.mark.parametrize(
    ("match", "settings"),
    [
        ("`snr_db` must be a list of numbers", {"snr_db": 3}),
        ("`snr_db` is empty", {"snr_db": []}),
        (r"`snr_db\[1\]` must be a finite number", {"snr_db": [0, np.nan]}),
        ("`gain_db` must be a list", {"gain_db": "loud"}),
        (r"`speed_factors\[1\]` must be a finite number .*0.5", {"speed_factors": [1, 0.1]}),
        ("`speed_factors` must be a list", {"speed_factors": 1.1}),
        ("`random_state` must be a whole number", {"random_state": None}),
    ],
)
def test_bad_parameters_are_named(match, settings):
    with pytest.raises((ValueError, TypeError), match=match):
        MixtureDataset(TARGETS, NOISES, **settings)


def test_recordings_are_checked_once_and_mixtures_never(monkeypatch):
    X, Y = make_noisy_speech(3, duration=0.2, random_state=0)
    settings = {"speed_factors": [0.9, 1.1], "gain_db": [-6, 6]}
    calls = count_calls(monkeypatch, check_waveform)
    dataset = MixtureDataset(TARGETS, NOISES, **settings)
    assert len(calls) == len(TARGETS) + len(NOISES)
    remixed = MixtureDataset.from_mixtures(X, Y, **settings)
    assert len(calls) == len(TARGETS) + len(NOISES) + len(X) + len(Y)
    calls.clear()
    trusted = MixtureDataset.from_checked(X, Y, **settings)
    for epoch in range(3):
        dataset.draw(epoch)
        np.testing.assert_equal(trusted.draw(epoch), remixed.draw(epoch))
    assert not calls


@pytest.mark.parametrize("name", ["snr_db", "gain_db", "speed_factors"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -500])
def test_a_distribution_is_checked_when_it_is_drawn_from(name, value):
    class Constant:
        def rvs(self, size, random_state):
            return np.full(size, value)

    dataset = MixtureDataset(TARGETS, NOISES, **{name: Constant()})
    with pytest.raises(ValueError, match=f"`{name}` gave {value:g}; wanted numbers from"):
        dataset.draw()


def test_interference_that_overflows_the_dtype_of_the_target():
    dataset = MixtureDataset(TARGETS, [np.full(900, 1e300)])
    with pytest.raises(ValueError, match="The mixture overflows float32"):
        dataset.draw()


def test_bad_data_are_named():
    with pytest.raises(ValueError, match=r"targets\[0\]"):
        MixtureDataset([np.zeros((2, 9))], NOISES)
    with pytest.raises((ValueError, TypeError), match="interference"):
        MixtureDataset(TARGETS, [])
    with pytest.raises(ValueError, match=r"X\[1\] has 4 samples but y\[1\] has 3"):
        MixtureDataset.from_mixtures([np.ones(5), np.ones(4)], [np.ones(5), np.ones(3)])
    with pytest.raises((ValueError, TypeError), match="`epoch`"):
        MixtureDataset(TARGETS, NOISES).draw(-1)
