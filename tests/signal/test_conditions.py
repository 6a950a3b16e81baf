"""Recording conditions one by one, against freqz, FFTs and slow convolutions."""

import numpy as np
import pytest
from scipy.signal import sosfreqz

from sknmf_unfold.signal.conditions import (
    apply_sections,
    design_band_limit,
    hiss,
    random_equalizer,
    reverberate,
    rumble,
    split_response,
)

RATE = 16000


def density(noise, rate):
    """Power at each frequency, averaged over segments of a second."""
    segments = noise[: len(noise) // rate * rate].reshape(-1, rate)
    return np.mean(np.abs(np.fft.rfft(segments * np.hanning(rate))) ** 2, axis=0)


# Equalisers


@pytest.mark.parametrize("rate", [1000, 8000, 16000, 48000])
@pytest.mark.parametrize("max_gain_db", [0.5, 10.0])
def test_gains_of_equalizers_are_bounded_and_differ(rate, max_gain_db):
    rng = np.random.RandomState(0)
    gains = []
    for _ in range(200):
        sos = random_equalizer(max_gain_db, rate, rng)
        assert np.abs(np.roots(sos[0, 3:])).max() < 1
        with np.errstate(divide="ignore"):
            gains.append(20 * np.log10(np.abs(sosfreqz(sos, 2000)[1])))
    gains = np.array(gains)
    assert np.abs(gains).max() <= max_gain_db * (1 + 1e-9)
    # Both signs at both ends, and near the bound somewhere.
    assert gains.max() > 0.7 * max_gain_db and gains.min() < -0.7 * max_gain_db
    assert (np.std(gains, axis=0) > 0.1 * max_gain_db).all()


def test_equalizers_are_two_shelves_and_a_peak():
    """Each gain is reached where its filter says: at 0 Hz, at the centre, at the Nyquist rate."""
    rng = np.random.RandomState(1)
    for _ in range(50):
        low, peak, high = random_equalizer(12.0, RATE, rng)

        def gain_at(section, angle):
            z = np.exp(-1j * angle * np.arange(3))
            return abs(section[:3] @ z / (section[3:] @ z))

        assert gain_at(low, np.pi) == pytest.approx(1)
        assert gain_at(high, 0) == pytest.approx(1)
        assert gain_at(peak, 0) == pytest.approx(1) == pytest.approx(gain_at(peak, np.pi))
        angles = np.linspace(0, np.pi, 4001)
        curves = [[gain_at(s, a) for a in angles[::40]] for s in (low, high)]
        for curve in curves:
            assert (np.diff(curve) >= -1e-9).all() or (np.diff(curve) <= 1e-9).all()


def test_no_gain_is_the_identity():
    x = np.random.RandomState(0).randn(100)
    sos = random_equalizer(1e-12, RATE, np.random.RandomState(0))
    np.testing.assert_allclose(apply_sections(x, sos), x, atol=1e-9)


def test_sections_are_the_recursion_of_their_coefficients():
    rng = np.random.RandomState(0)
    x, sos = rng.randn(2, 50).astype(np.float32), random_equalizer(6.0, RATE, rng)
    expected = x.astype(np.float64)
    for b0, b1, b2, _, a1, a2 in sos:
        result = np.zeros_like(expected)
        for t in range(50):
            result[:, t] = b0 * expected[:, t]
            for lag, b, a in ((1, b1, a1), (2, b2, a2)):
                if t >= lag:
                    result[:, t] += b * expected[:, t - lag] - a * result[:, t - lag]
        expected = result
    filtered = apply_sections(x, sos)
    assert filtered.dtype == np.float32
    np.testing.assert_allclose(filtered, expected, atol=1e-6)


# Bands


@pytest.mark.parametrize("band", [(None, 3400), (None, 7840), (300, 3400), (50, 100), (10, 7000)])
def test_bands_keep_what_is_inside_and_little_else(band):
    low, high = band[0] or 0, band[1]
    power = np.abs(np.fft.rfft(apply_sections(impulse(2**18), design_band_limit(band, RATE)))) ** 2
    hertz = np.fft.rfftfreq(2**18, 1 / RATE)
    inside = 10 * np.log10(power[(hertz > 1.01 * low) & (hertz < 0.99 * high)])
    assert -0.11 < inside.min() and inside.max() < 0.01
    outside = power[(hertz < 0.75 * low) | (hertz > min(1.25 * high, 0.499 * RATE))]
    assert outside.max() < 1e-5


def impulse(n_times):
    return np.eye(1, n_times)[0]


# Noises


@pytest.mark.parametrize("rate", [1000, 16000, 44100])
def test_rumble_is_low_and_falls_with_frequency(rate):
    noise = rumble(60 * rate, rate, np.random.RandomState(0))
    assert noise.shape == (60 * rate,) and noise.dtype == np.float32
    power = density(noise, rate)
    assert power[:100].sum() > 0.97 * power.sum()
    assert power[:5].sum() < 0.01 * power.sum()
    # 1/f: equal powers in octaves.
    octaves = [power[low : 2 * low].sum() for low in (10, 20, 30)]
    assert max(octaves) < 1.6 * min(octaves)
    # Nothing periodic: one period of the inverse FFT is at least as long as the noise.
    assert abs(np.corrcoef(noise[: 30 * rate], noise[30 * rate :])[0, 1]) < 0.3


@pytest.mark.parametrize("n_times", [1, 2, 100, 16001])
def test_noises_of_any_length(n_times):
    rng = np.random.RandomState(0)
    for noise in (rumble(n_times, RATE, rng), hiss(n_times, rng)):
        assert noise.shape == (n_times,) and np.isfinite(noise).all() and noise.any()


def test_hiss_is_white_or_gently_coloured():
    rng, tilts = np.random.RandomState(0), []
    for _ in range(20):
        power = density(hiss(40 * RATE, rng), RATE)
        smooth = power[1:].reshape(20, -1).mean(axis=1)
        tilts.append(10 * np.log10(smooth[-1] / smooth[0]))
        steps = np.diff(10 * np.log10(smooth))
        assert np.abs(steps).max() < 2
    assert max(np.abs(tilts)) < 10 and min(tilts) < -3 and max(tilts) > 3


# Rooms


def response(n_taps=2000, direct=37):
    rng = np.random.RandomState(0)
    taps = 0.2 * rng.randn(n_taps) * np.exp(-np.arange(n_taps) / 500)
    taps[:direct] *= 0.01
    taps[direct] = -1.5
    return taps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rooms_are_slow_convolutions(dtype):
    taps, x = response().astype(dtype), np.random.RandomState(1).randn(900).astype(dtype)
    parts, direct = split_response(taps, RATE)
    assert direct == 37
    early, late = reverberate(x, parts, direct)
    assert early.dtype == late.dtype == dtype and early.shape == late.shape == x.shape
    stop = 37 + 800 + 1
    scale = np.sqrt(sum(float(tap) ** 2 for tap in taps[:stop]))
    expected_early, expected_late = np.zeros(900), np.zeros(900)
    for t in range(900):
        for k, tap in enumerate(taps):
            if 0 <= t + 37 - k < 900:
                part = expected_early if k < stop else expected_late
                part[t] += tap / scale * x[t + 37 - k]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(early, expected_early, atol=tolerance)
    np.testing.assert_allclose(late, expected_late, atol=tolerance)
    whole = np.convolve(x.astype(float), taps.astype(float) / scale)[37 : 37 + 900]
    np.testing.assert_allclose(early + late, whole, atol=2 * tolerance)


def test_the_level_of_white_noise_stays():
    x = np.random.RandomState(1).randn(400_000).astype(np.float32)
    early = reverberate(x, *split_response(response().astype(np.float32), RATE))[0]
    assert np.std(early) == pytest.approx(np.std(x), rel=0.02)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_scale_of_a_response_means_nothing(scale):
    x = np.random.RandomState(1).randn(500).astype(np.float32)
    expected, result = (
        reverberate(x, *split_response((factor * response()).astype(np.float32), RATE))
        for factor in (1.0, scale)
    )
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("n_taps", [1, 38, 500])
def test_short_responses_have_no_late_part(n_taps):
    parts, direct = split_response(response(n_taps, min(37, n_taps - 1)), RATE)
    assert parts.shape == (1, n_taps)
    assert reverberate(np.ones(3), parts, direct).shape == (1, 3)


def test_a_single_tap_changes_nothing():
    x = np.random.RandomState(1).randn(500).astype(np.float32)
    for delay in (0, 700):
        parts, direct = split_response(3 * np.eye(1, delay + 1, delay)[0], RATE)
        np.testing.assert_allclose(reverberate(x, parts, direct)[0], x, atol=1e-6)
