import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.metrics import sdr, sdr_improvement_scorer

QUICK = {"max_epochs": 1, "random_state": 0}


def pipeline(**settings):
    settings = QUICK | {"nmf": SupervisedNMFSeparator(5, max_iter=20)} | settings
    return Pipeline([("stft", STFT()), ("sep", DRNMFSeparator(**settings))])


def test_the_lines_of_the_design(speech):
    X, Y = speech
    pipe = pipeline().fit(X, Y)
    enhanced = pipe.predict(X)
    assert [x.shape for x in enhanced] == [x.shape for x in X]
    assert pipe.score(X, Y) == pytest.approx(np.mean(sdr(Y, enhanced)))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_layers_and_components(speech, n_jobs):
    X, Y = speech
    grid = {"sep__n_layers": [1, 2], "sep__nmf__n_components": [3, 6]}
    search = GridSearchCV(pipeline(), grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(X, Y)
    assert len(search.cv_results_["mean_test_score"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_
    expected = (best["sep__n_layers"], 2 * best["sep__nmf__n_components"], 257)
    assert search.best_estimator_["sep"].components_.shape == expected
    assert [len(x) for x in search.predict(X)] == [len(x) for x in X]


def test_grid_search_over_the_stft(speech):
    X, Y = speech
    grid = {"stft__n_fft": [256, 512]}
    search = GridSearchCV(pipeline(), grid, cv=2, error_score="raise").fit(X, Y)
    assert search.best_estimator_["sep"].n_features_in_ in (129, 257)


def test_a_frozen_dictionary_survives_the_search(speech, spectrograms):
    X, Y = speech
    nmf = SupervisedNMFSeparator(5, max_iter=20, random_state=0).fit(spectrograms, Y)
    separator = DRNMFSeparator(nmf=FrozenEstimator(nmf), max_epochs=0)
    pipe = Pipeline([("stft", STFT()), ("sep", separator)])
    search = GridSearchCV(pipe, {"sep__n_layers": [1, 3]}, cv=2, error_score="raise").fit(X, Y)
    start = search.best_estimator_["sep"].initial_components_
    np.testing.assert_array_equal(start, nmf.components_)


def test_cross_val_score_in_db(speech):
    X, Y = speech
    scores = cross_val_score(pipeline(), X, Y, cv=3, error_score="raise")
    assert scores.shape == (3,) and np.isfinite(scores).all()
    gains = cross_val_score(pipeline(), X, Y, cv=3, scoring=sdr_improvement_scorer)
    folds = np.array_split(np.arange(8), 3)
    noisy = [np.mean(sdr([Y[i] for i in f], [X[i] for i in f])) for f in folds]
    np.testing.assert_allclose(gains, scores - noisy, atol=1e-6)


PREDICT_ELSEWHERE = """
import sys, joblib, numpy
pipe, X = joblib.load(sys.argv[1])
joblib.dump(pipe.predict(X), sys.argv[2])
"""


def test_a_model_predicts_in_another_process(speech, tmp_path):
    X, Y = speech
    pipe = pipeline().fit(X, Y)
    model, result = tmp_path / "model.joblib", tmp_path / "result.joblib"
    joblib.dump((pipe, X), model)
    subprocess.run([sys.executable, "-c", PREDICT_ELSEWHERE, model, result], check=True)
    for here, there in zip(pipe.predict(X), joblib.load(result), strict=True):
        np.testing.assert_allclose(here, there, atol=1e-6)


@pytest.mark.parametrize("separator", ["nmf", "drnmf"])
def test_held_out_speakers_sound_better(separator):
    X, Y = make_noisy_speech(16, duration=2.0, n_speakers=8, random_state=0)
    X_test, Y_test = make_noisy_speech(6, duration=2.0, n_speakers=6, random_state=1)
    nmf = SupervisedNMFSeparator(20, max_iter=50, random_state=0)
    last = (
        nmf
        if separator == "nmf"
        else DRNMFSeparator(nmf=nmf, n_components=20, max_epochs=10, random_state=0)
    )
    pipe = Pipeline([("stft", STFT()), ("sep", last)]).fit(X, Y)
    assert pipe.score(X_test, Y_test) > np.mean(sdr(Y_test, X_test)) + 3
