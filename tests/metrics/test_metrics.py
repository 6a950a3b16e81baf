"""Laws, edges and scorers of the metrics; the numbers themselves are in test_bss_eval.py."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from sknmf_unfold import STFT, metrics
from sknmf_unfold.metrics import (
    mean_over_active,
    mean_sdr,
    sdr,
    sdr_improvement,
    si_sdr,
    si_sdr_improvement,
)
from tests.oracles.bss_eval import mir_eval_sdr

N_TIMES = 3000


def white(seed=0, n_times=N_TIMES):
    return np.random.default_rng(seed).standard_normal(n_times)


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
    reference, estimate = np.cumsum(white(1)), np.cumsum(white(1)) + 5 * white(2)
    values = [sdr(reference, estimate, filter_length=n) for n in (1, 2, 8, 64, 512)]
    assert values[0] == pytest.approx(si_sdr(reference, estimate), abs=1e-9)
    assert values == sorted(values)


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


def test_mir_eval_as_backend():
    references = [white(1, 700), white(2, 900)]
    estimates = [reference + 0.3 * white(3, len(reference)) for reference in references]
    wanted = [mir_eval_sdr(r, e)[0] for r, e in zip(references, estimates, strict=True)]
    assert sdr(references, estimates, backend="mir_eval") == pytest.approx(wanted, abs=1e-12)


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
    assert value == pytest.approx(sdr(clean, clean + white(1, 800)))
    assert mean_sdr(clean, clean) == 100.0
    assert np.isnan(mean_sdr([silence], [clean]))


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


class Smoother(BaseEstimator):
    """Averages neighbouring samples: something to score."""

    def __init__(self, width=1):
        self.width = width

    def fit(self, X, Y):
        return self

    def predict(self, X):
        return [np.convolve(getattr(x, "waveform", x), np.ones(self.width), "same") for x in X]


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
    assert isinstance(value, float) and value == pytest.approx(np.mean(metric(*signals)))
    assert scorer(model, STFT().transform(X), STFT().transform(Y)) == pytest.approx(value)
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


@pytest.mark.slow
def test_scorers_travel_to_workers(recordings):
    args = Smoother(width=3), *recordings
    values = cross_val_score(*args, scoring=metrics.sdr_scorer, cv=2, n_jobs=2)
    np.testing.assert_allclose(values, cross_val_score(*args, scoring=metrics.sdr_scorer, cv=2))
