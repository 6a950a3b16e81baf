"""The SDR of one pair against mir_eval and against its definition, easy and hard cases."""

import numpy as np
import pytest
import scipy.linalg
import scipy.signal

from sknmf_unfold.metrics import sdr, si_sdr
from sknmf_unfold.metrics._bss_eval import cholesky_of_toeplitz, project
from tests.oracles.bss_eval import mir_eval_sdr, sdr_by_matrix, si_sdr_by_loop

N_TIMES = 3000
FILTER = [1.0, 0.5, -0.2]


def white(seed=0, n_times=N_TIMES):
    return np.random.default_rng(seed).standard_normal(n_times)


def low_pass(order, cutoff):
    return scipy.signal.sosfilt(scipy.signal.butter(order, cutoff, output="sos"), white())


def harmonics(n_partials=9):
    t = np.arange(N_TIMES) / 16000
    return sum(np.sin(2 * np.pi * 200 * k * t + k) / k for k in range(1, n_partials + 1))


def burst(start, stop):
    return np.where((np.arange(N_TIMES) >= start) & (np.arange(N_TIMES) < stop), white(), 0.0)


def faded(floor_db):
    """Band-limited with a smooth fade, over a noise floor: the hard case for normal equations."""
    tone = np.hanning(N_TIMES) * harmonics()
    return tone / np.abs(tone).max() + 10 ** (floor_db / 20) * white(7)


REFERENCES = {
    "white": white(),
    "low-passed": low_pass(8, 0.25),
    "very low-passed": low_pass(12, 0.0125),
    "16-bit low-passed": np.round(3000 * low_pass(12, 0.06)),
    "harmonic": harmonics(),
    "one sine": harmonics(1),
    "constant": np.ones(N_TIMES),
    "short burst": burst(2000, 2030),
    "burst at the end": burst(N_TIMES - 5, N_TIMES),
    "two bursts": burst(10, 60) + burst(2500, 2600),
    "decay": np.exp(-np.arange(N_TIMES) / 20),
    "faded to -60 dB": faded(-60),
    "faded to -80 dB": faded(-80),
    "faded to 16-bit silence": faded(-96),
    "shorter than the filter": white(n_times=100),
    "two samples": white(n_times=2),
}


def noisy_estimate(reference, noise_level, seed=1):
    """A filtered and noisy copy, of the length of the reference."""
    filtered = np.convolve(reference, FILTER)[: len(reference)]
    scale = noise_level * np.abs(reference).max()
    return filtered + scale * white(seed, len(reference))


@pytest.mark.parametrize("noise_level", [1.0, 1e-4])
@pytest.mark.parametrize("name", REFERENCES)
def test_sdr_equals_mir_eval(name, noise_level):
    reference = REFERENCES[name]
    estimate = noisy_estimate(reference, noise_level)
    wanted = mir_eval_sdr(reference, estimate)[0]
    assert sdr(reference, estimate) == pytest.approx(wanted, rel=0, abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_sdr_equals_mir_eval_at_random(seed):
    rng = np.random.default_rng(seed)
    n_times = int(rng.integers(20, 6000))
    sources = rng.standard_normal((2, n_times)) * 10 ** rng.uniform(-8, 4, size=(2, 1))
    estimates = sources + 10 ** rng.uniform(-2, 1) * sources.std() * rng.standard_normal(
        (2, n_times)
    )
    np.testing.assert_allclose(
        sdr(sources, estimates), mir_eval_sdr(sources, estimates), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("filter_length", [1, 2, 7, 32])
@pytest.mark.parametrize("n_times", [5, 200])
def test_sdr_equals_the_explicit_matrix(n_times, filter_length):
    reference = np.cumsum(white(2, n_times))
    estimate = noisy_estimate(reference, 0.3)
    wanted = sdr_by_matrix(reference, estimate, filter_length)
    assert sdr(reference, estimate, filter_length=filter_length) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    "floor_db", [*(pytest.param(db, marks=pytest.mark.slow) for db in (-100, -110)), -120]
)
def test_sdr_is_accurate_where_normal_equations_are_hard(floor_db):
    reference = faded(floor_db)
    estimate = noisy_estimate(reference, 0.3)
    assert sdr(reference, estimate) == pytest.approx(
        sdr_by_matrix(reference, estimate, 512), abs=1e-5
    )


@pytest.mark.parametrize("noise_level", [0.3, pytest.param(1e-4, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "floor_db", [-200, *(pytest.param(db, marks=pytest.mark.slow) for db in (-160, -400))]
)
def test_sdr_of_a_reference_without_noise_floor_is_sensible_and_stable(floor_db, noise_level):
    reference = faded(floor_db)
    estimate = noisy_estimate(reference, noise_level)
    value = sdr(reference, estimate)
    # A little low, for a few of the 512 dimensions are left out; mir_eval is low by up to 49 dB.
    exact = sdr_by_matrix(reference, estimate, 512)
    assert exact - 1 < value < exact + 1e-3
    assert sdr(0.123 * reference, 7 * estimate) == pytest.approx(value, abs=1e-2)


def test_si_sdr_equals_the_loop():
    reference, estimate = white(3, 400), white(4, 400)
    assert si_sdr(reference, estimate) == pytest.approx(si_sdr_by_loop(reference, estimate))


def test_projection_splits_the_estimate_into_orthogonal_parts():
    reference, estimate = low_pass(4, 0.3), white(5)
    target, distortion = project(reference, estimate, 64)
    np.testing.assert_allclose((target + distortion)[:N_TIMES], estimate, atol=1e-12)
    np.testing.assert_allclose((target + distortion)[N_TIMES:], 0, atol=1e-12)
    correlation = np.correlate(distortion, reference, mode="valid")
    np.testing.assert_allclose(correlation, 0, atol=1e-9)
    assert target @ distortion == pytest.approx(0, abs=1e-9)


def test_all_toeplitz_matrices_have_a_factor():
    for column in (np.ones(64), np.cos(0.1 * np.arange(64)), np.eye(64)[0]):
        factor, lower = cholesky_of_toeplitz(column)
        factor = np.tril(factor).T if lower else np.triu(factor)
        np.testing.assert_allclose(factor.T @ factor, scipy.linalg.toeplitz(column), atol=1e-9)
