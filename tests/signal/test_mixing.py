"""Mixing at a signal-to-noise ratio."""

import numpy as np
import pytest

from sknmf_unfold.datasets import mix_at_snr


@pytest.mark.parametrize("snr_db", [-6, 0, 9.5])
@pytest.mark.parametrize("level", [1e-8, 1.0, 1e4])
def test_mix_at_snr_measures_as_asked(snr_db, level):
    rng = np.random.default_rng(0)
    target, noise = level * rng.standard_normal(4000), rng.standard_normal(5000)
    copies = target.copy(), noise.copy()
    mixture = mix_at_snr(target, noise, snr_db)
    rest = mixture - target
    measured = 20 * np.log10(np.linalg.norm(target) / np.linalg.norm(rest))
    assert measured == pytest.approx(snr_db, abs=1e-6)
    # What was added is the beginning of the interference, and nothing else.
    np.testing.assert_allclose(rest / rest[0], noise[:4000] / noise[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(target, copies[0])
    np.testing.assert_array_equal(noise, copies[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mix_at_snr_keeps_the_dtype_and_returns_what_it_added(dtype):
    rng = np.random.default_rng(0)
    target, noise = rng.standard_normal((2, 4000)).astype(dtype)
    mixture, scaled = mix_at_snr(target, noise, 7.5, return_interference=True)
    assert mixture.dtype == scaled.dtype == dtype
    np.testing.assert_array_equal(mixture, target + scaled)
    powers = [sum(float(value) ** 2 for value in waveform) for waveform in (target, scaled)]
    assert 10 * np.log10(powers[0] / powers[1]) == pytest.approx(7.5, abs=1e-4)
    assert mix_at_snr(target, noise.astype("float64"), 0).dtype == "float64"


def test_mix_at_snr_of_silence():
    silence, noise = np.zeros(100), np.ones(100)
    np.testing.assert_array_equal(mix_at_snr(noise, silence, 0), noise)
    mixture, scaled = mix_at_snr(silence, noise, 0, return_interference=True)
    np.testing.assert_array_equal(mixture, noise)
    # Changing the result in place must not change the interference.
    assert not np.shares_memory(scaled, noise) and not np.shares_memory(mixture, noise)


def test_mix_at_snr_says_so_when_it_overflows():
    with pytest.raises(ValueError, match="overflows float32 at `snr_db`=0"):
        mix_at_snr(np.ones(3, "float32"), np.full(3, 1e-42, "float32"), 0)
    with pytest.raises(ValueError, match="overflows float64"):
        mix_at_snr(np.full(3, 1e200), np.ones(3), 0)
    with pytest.raises(ValueError, match="`snr_db` must be a finite number >= -300 and <= 300"):
        mix_at_snr(np.ones(3), np.ones(3), -1e6)


def test_mix_at_snr_refuses_short_interference():
    with pytest.raises(ValueError, match="`interference` has 99 samples but `target` has 100"):
        mix_at_snr(np.ones(100), np.ones(99), 0)
