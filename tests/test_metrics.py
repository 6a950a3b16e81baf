import pickle
import sys

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from sknmf_unfold import metrics
from sknmf_unfold._distortion import cholesky_of_toeplitz, project
from sknmf_unfold.metrics import (
    mean_over_active,
    mean_sdr,
    sdr,
    sdr_improvement,
    si_sdr,
    si_sdr_improvement,
)
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


# ---------------------------------------------------------------------------------------- oracles


@pytest.mark.parametrize("noise_level", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("name", REFERENCES)
def test_sdr_equals_mir_eval(name, noise_level):
    reference = REFERENCES[name]
    estimate = noisy_estimate(reference, noise_level)
    wanted = mir_eval_sdr(reference, estimate)[0]
    assert sdr(reference, estimate) == pytest.approx(wanted, rel=0, abs=1e-6)
    assert sdr(reference, estimate, backend="mir_eval") == wanted


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


@pytest.mark.parametrize("floor_db", [-100, -110, -120])
def test_sdr_is_accurate_where_normal_equations_are_hard(floor_db):
    reference = faded(floor_db)
    estimate = noisy_estimate(reference, 0.3)
    assert sdr(reference, estimate) == pytest.approx(
        sdr_by_matrix(reference, estimate, 512), abs=1e-5
    )


@pytest.mark.parametrize("noise_level", [0.3, 1e-4])
@pytest.mark.parametrize("floor_db", [-160, -200, -400])
def test_sdr_of_a_reference_without_noise_floor_is_sensible_and_stable(floor_db, noise_level):
    reference = faded(floor_db)
    estimate = noisy_estimate(reference, noise_level)
    value = sdr(reference, estimate)
    exact = sdr_by_matrix(reference, estimate, 512)
    assert exact - 0.6 < value < exact + 1e-3
    assert sdr(0.123 * reference, 7 * estimate) == pytest.approx(value, abs=1e-2)


def test_si_sdr_equals_the_loop():
    reference, estimate = white(3, 400), white(4, 400)
    assert si_sdr(reference, estimate) == pytest.approx(si_sdr_by_loop(reference, estimate))


# ------------------------------------------------------------------------------------------- laws


@given(st.floats(-8, 4), st.floats(-8, 4), st.sampled_from([1, -1]))
@settings(max_examples=20, deadline=None)
def test_scale_of_either_does_not_matter(log_a, log_b, sign):
    reference, estimate = white(3, 400), white(3, 400) + 0.3 * white(4, 400)
    scaled = 10**log_a * reference, sign * 10**log_b * estimate
    assert si_sdr(*scaled) == pytest.approx(si_sdr(reference, estimate), abs=1e-9)
    assert sdr(*scaled, filter_length=8) == pytest.approx(
        sdr(reference, estimate, filter_length=8), abs=1e-9
    )


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_scales_whose_squares_leave_the_number_range(scale):
    reference, estimate = white(3), white(3) + 0.3 * white(4)
    assert sdr(scale * reference, scale * estimate) == pytest.approx(sdr(reference, estimate))
    assert si_sdr(scale * reference, scale * estimate) == pytest.approx(si_sdr(reference, estimate))


def test_a_filter_of_the_reference_is_no_distortion():
    # The filtered reference must fit into the estimate: the last 511 samples are its tail.
    reference = np.concatenate([white(0, 2000), np.zeros(511)])
    filtered = np.convolve(reference[:2000], white(5, 512))
    assert sdr(reference, filtered) > 200
    assert sdr(reference, filtered, filter_length=511) < 60
    assert si_sdr(reference, filtered) < 0


def test_one_tap_is_si_sdr_and_more_taps_never_hurt():
    reference, estimate = low_pass(4, 0.3), noisy_estimate(low_pass(4, 0.3), 0.5)
    values = [sdr(reference, estimate, filter_length=n) for n in (1, 2, 8, 64, 512)]
    assert values[0] == pytest.approx(si_sdr(reference, estimate), abs=1e-9)
    assert values == sorted(values)


def test_projection_splits_the_estimate_into_orthogonal_parts():
    reference, estimate = low_pass(4, 0.3), white(5)
    target, distortion = project(reference, estimate, 64)
    np.testing.assert_allclose((target + distortion)[:N_TIMES], estimate, atol=1e-12)
    np.testing.assert_allclose((target + distortion)[N_TIMES:], 0, atol=1e-12)
    correlation = np.correlate(distortion, reference, mode="valid")
    np.testing.assert_allclose(correlation, 0, atol=1e-9)
    assert target @ distortion == pytest.approx(0, abs=1e-9)


def test_independent_sources_give_the_snr():
    clean, noise = white(1, 160_000), white(2, 160_000)
    assert si_sdr(clean, clean + 0.1 * noise) == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("improvement", [sdr_improvement, si_sdr_improvement])
def test_the_mixture_improves_by_nothing(improvement):
    clean, mixture = white(1), white(1) + white(2)
    assert improvement(clean, mixture, mixture) == 0
    assert improvement(clean, 3 * mixture, mixture) == pytest.approx(0, abs=1e-9)
    assert improvement(clean, clean, clean) == 0
    assert improvement(clean, 0 * clean, 0 * clean) == 0


def test_improvement_is_a_difference():
    clean, estimate, mixture = white(1), white(1) + 0.2 * white(2), white(1) + white(2)
    wanted = sdr(clean, estimate) - sdr(clean, mixture)
    assert sdr_improvement(clean, estimate, mixture) == pytest.approx(wanted)
    assert isinstance(sdr_improvement(clean, estimate, mixture), float)
    np.testing.assert_allclose(sdr_improvement([clean] * 2, [estimate] * 2, [mixture] * 2), wanted)


def test_all_toeplitz_matrices_have_a_factor():
    for column in (np.ones(64), np.cos(0.1 * np.arange(64)), np.eye(64)[0]):
        factor, lower = cholesky_of_toeplitz(column)
        factor = np.tril(factor).T if lower else np.triu(factor)
        np.testing.assert_allclose(factor.T @ factor, scipy.linalg.toeplitz(column), atol=1e-9)


# ------------------------------------------------------------------------------------------ inputs


def test_lists_arrays_and_single_waveforms_agree():
    references = np.stack([white(i, 700) for i in range(3)])
    estimates = references + 0.5 * white(9, 700)
    one_by_one = [sdr(r, e) for r, e in zip(references, estimates, strict=True)]
    assert all(isinstance(value, float) for value in one_by_one)
    ragged = np.empty(3, dtype=object)
    ragged[:] = list(references)
    for signals in (references, list(references), tuple(references.tolist()), ragged):
        values = sdr(signals, list(estimates))
        assert values.shape == (3,) and values.dtype == np.float64
        np.testing.assert_array_equal(values, one_by_one)


def test_lengths_may_differ_between_pairs():
    signals = [white(0, 300), white(1, 1), white(2, 900)]
    assert sdr(signals, [s + 0.1 * white(3, len(s)) for s in signals]).shape == (3,)


def test_inputs_are_not_changed():
    reference, estimate = 1e4 * white(0, 300), 1e4 * white(1, 300)
    copies = reference.copy(), estimate.copy()
    sdr(reference, estimate)
    si_sdr(reference, estimate)
    np.testing.assert_array_equal(reference, copies[0])
    np.testing.assert_array_equal(estimate, copies[1])


@pytest.mark.parametrize("metric", [sdr, si_sdr])
def test_float32_and_pcm(metric):
    reference, estimate = white(1, 900), white(1, 900) + 0.3 * white(2, 900)
    wanted = metric(reference, estimate)
    assert metric(reference.astype("f4"), estimate.astype("f4")) == pytest.approx(wanted, abs=1e-4)
    pcm = [np.round(5000 * signal).astype("int16") for signal in (reference, estimate)]
    assert metric(*pcm) == pytest.approx(wanted, abs=1e-2)
    assert metric(pcm[0], estimate) == pytest.approx(wanted, abs=1e-2)
    # int16 would overflow in the products.
    assert metric(*pcm) == pytest.approx(metric(pcm[0] / 32768, pcm[1] / 32768), abs=1e-9)


# ------------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize("backend", ["scipy", "mir_eval"])
def test_silence(backend):
    clean, silence = white(0, 800), np.zeros(800)
    estimates = [clean, silence, clean + white(1, 800), silence]
    values = sdr([silence, clean, clean, silence], estimates, backend=backend)
    np.testing.assert_array_equal(np.isnan(values), [True, False, False, True])
    assert values[1] == -np.inf and np.isfinite(values[2])
    assert np.isnan(sdr_improvement(silence, clean, clean, backend=backend))


def test_silence_for_si_sdr():
    assert np.isnan(si_sdr(np.zeros(5), np.ones(5)))
    assert si_sdr(np.ones(5), np.zeros(5)) == -np.inf
    assert si_sdr(np.eye(5)[0], np.eye(5)[1]) == -np.inf


def test_perfect_estimates():
    clean = white(0, 800)
    assert sdr(clean, clean) > 200
    assert si_sdr(clean, clean) == np.inf
    assert si_sdr(clean, -0.37 * clean) > 200


@pytest.mark.parametrize("metric", [sdr, si_sdr])
def test_one_sample(metric):
    assert metric([0.5], [-3.0]) > 200
    assert np.isnan(metric([0.0], [1.0]))
    assert metric([0.5], [0.0]) == -np.inf


def test_means_survive_silence_and_perfection():
    assert mean_over_active([1.0, 3.0, np.nan]) == 2.0
    assert mean_over_active([np.inf, 0.0]) == 50.0
    assert mean_over_active([-np.inf, 300.0]) == 0.0
    assert np.isnan(mean_over_active([])) and np.isnan(mean_over_active([np.nan]))
    clean, silence = white(0, 800), np.zeros(800)
    value = mean_sdr([clean, silence], [clean + white(1, 800), clean])
    assert value == sdr(clean, clean + white(1, 800))
    assert mean_sdr(clean, clean) == 100.0
    assert np.isnan(mean_sdr([silence], [clean]))


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (
            [np.ones(4)] * 3 + [np.ones(16000)],
            [np.ones(4)] * 3 + [np.ones(16128)],
            r"reference\[3\] has 16000 samples but estimate\[3\] has 16128",
        ),
        (np.ones(5), np.ones(6), "reference has 5 samples but estimate has 6"),
        ([np.ones(5)] * 2, [np.ones(5)], "reference has 2 waveforms but estimate has 1"),
        (np.ones(5), [np.ones(5)], "reference and estimate must both be one waveform"),
        (np.ones(5), [1, 1, np.nan, 1, 1.0], "estimate contains NaN at sample 2"),
        (
            [np.ones(2), [1, np.inf]],
            np.ones((2, 2)),
            r"reference\[1\] contains infinity at sample 1",
        ),
        (np.ones((2000, 2)), np.ones((2000, 2)), "stereo or transposed"),
        ([np.ones((2000, 2))], [np.ones((2000, 2))], "stereo or transposed"),
        (np.ones((2, 3, 4)), np.ones((2, 3, 4)), r"reference\[0\] .* waveform is 1-D"),
        (np.ones(3) + 1j, np.ones(3), "Complex data not supported"),
        ([], [], "reference is empty"),
        (np.ones(0), np.ones(0), "reference is empty"),
        ([np.ones(0)], [np.ones(0)], r"reference\[0\] is empty"),
    ],
)
@pytest.mark.parametrize("metric", [sdr, si_sdr])
def test_errors_say_what_is_wrong(metric, reference, estimate, message):
    with pytest.raises(ValueError, match=message):
        metric(reference, estimate)


def test_errors_name_the_mixture():
    with pytest.raises(ValueError, match=r"but mixture\[0\] has 4"):
        si_sdr_improvement([np.ones(5)], [np.ones(5)], [np.ones(4)])


@pytest.mark.parametrize("wrong", [None, 3.0, np.array(["a", "b"]), np.array([True, False])])
def test_what_is_no_waveform_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="reference"):
        sdr(wrong, np.ones(2))


def test_parameters_are_checked():
    with pytest.raises(ValueError, match=r"`filter_length` must be .* >= 1; got 0"):
        sdr(np.ones(5), np.ones(5), filter_length=0)
    with pytest.raises(TypeError, match="`filter_length`"):
        sdr(np.ones(5), np.ones(5), filter_length=2.5)
    with pytest.raises(ValueError, match="`backend` must be one of 'scipy', 'mir_eval'"):
        sdr(np.ones(5), np.ones(5), backend="museval")
    with pytest.raises(ValueError, match="`filter_length` must be 512 for backend='mir_eval'"):
        sdr(np.ones(5), np.ones(5), filter_length=64, backend="mir_eval")


def test_missing_mir_eval_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mir_eval", None)
    with pytest.raises(ImportError, match=r'pip install "sknmf_unfold\[eval\]"'):
        sdr(np.zeros(5), np.ones(5), backend="mir_eval")


# ----------------------------------------------------------------------------------------- scorers


class Smoother(BaseEstimator):
    """Averages neighbouring samples: something to score."""

    def __init__(self, width=1):
        self.width = width

    def fit(self, X, Y):
        return self

    def predict(self, X):
        return [np.convolve(getattr(x, "waveform", x), np.ones(self.width), "same") for x in X]


class Item:
    """A spectrogram as far as a scorer knows it."""

    def __init__(self, waveform):
        self.waveform = waveform


@pytest.fixture(scope="module")
def recordings():
    Y = [np.cumsum(white(seed, 500 + 10 * seed)) for seed in range(6)]
    X = [y + 3 * white(10 + seed, len(y)) for seed, y in enumerate(Y)]
    return X, Y


SCORERS = ["sdr_scorer", "si_sdr_scorer", "sdr_improvement_scorer", "si_sdr_improvement_scorer"]


@pytest.mark.parametrize("name", SCORERS)
def test_scorers_average_their_metric(name, recordings):
    X, Y = recordings
    scorer, metric = getattr(metrics, name), getattr(metrics, name.removesuffix("_scorer"))
    model = Smoother(width=3)
    signals = [Y, model.predict(X)] + [X] * ("improvement" in name)
    value = scorer(model, X, Y)
    assert isinstance(value, float) and value == np.mean(metric(*signals))
    assert scorer(model, [Item(x) for x in X], Y) == value
    assert repr(scorer) == repr(pickle.loads(pickle.dumps(scorer))) == name


def test_scorers_in_model_selection(recordings):
    scoring = {name: getattr(metrics, name) for name in SCORERS}
    scores = cross_validate(Smoother(width=3), *recordings, scoring=scoring, cv=3)
    assert all(np.isfinite(scores[f"test_{name}"]).all() for name in SCORERS)
    assert np.all(scores["test_si_sdr_improvement_scorer"] > 0)
    search = GridSearchCV(
        Smoother(), {"width": [1, 3, 99]}, scoring=metrics.si_sdr_improvement_scorer, cv=2
    ).fit(*recordings)
    assert search.best_params_ == {"width": 3}
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(0, abs=1e-9)


def test_scorers_travel_to_workers(recordings):
    args = Smoother(width=3), *recordings
    values = cross_val_score(*args, scoring=metrics.sdr_scorer, cv=2, n_jobs=2)
    np.testing.assert_allclose(values, cross_val_score(*args, scoring=metrics.sdr_scorer, cv=2))
