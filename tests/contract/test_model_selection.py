"""Searches and splits over lists of recordings of different lengths, in X and in Y."""

import warnings

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sknmf_unfold import STFT, DRNMFSeparator, Spectrograms, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.metrics import sdr, si_sdr_scorer

NMF = SupervisedNMFSeparator(3, max_iter=5, n_iter=5, random_state=0)
DRNMF = DRNMFSeparator(n_components=3, nmf=NMF, max_epochs=1, random_state=0)


@pytest.fixture(scope="module")
def recordings():
    """Waveforms of six lengths, their targets, and who speaks."""
    X, Y, speakers = make_noisy_speech(
        6, duration=(0.2, 0.4), n_speakers=3, random_state=0, return_speakers=True
    )
    assert len({len(x) for x in X}) == 6 and len(set(speakers)) == 3
    return X, Y, speakers


@pytest.fixture(scope="module", params=["waveforms", "magnitudes"])
def task(request, recordings):
    """A separator and lists of what it takes: waveforms in a pipeline, magnitudes without one."""
    X, Y, _ = recordings
    if request.param == "waveforms":
        return Pipeline([("stft", STFT()), ("sep", DRNMF)]), "sep__", X, Y
    X, Y = ([np.asarray(item) for item in STFT().transform(signals)] for signals in (X, Y))
    return DRNMF, "", X, Y


SEARCHES = {
    "grid": (GridSearchCV, {}, {"n_layers": [1, 2]}),
    "randomized": (RandomizedSearchCV, {"n_iter": 2, "random_state": 0}, {"n_layers": [1, 2, 3]}),
    "halving": (
        HalvingGridSearchCV,
        {"factor": 2, "min_resources": 4, "random_state": 0},
        {"n_layers": [1, 2]},
    ),
    "halving epochs": (
        HalvingGridSearchCV,
        {"factor": 2, "resource": "max_epochs", "max_resources": 2, "random_state": 0},
        {"n_layers": [1, 2]},
    ),
}


@pytest.mark.parametrize("search", SEARCHES)
def test_searches(task, search):
    estimator, prefix, X, Y = task
    searcher, settings, space = SEARCHES[search]
    if "resource" in settings:
        settings = settings | {"resource": prefix + settings["resource"]}
    space = {prefix + name: values for name, values in space.items()}
    found = searcher(estimator, space, cv=2, error_score="raise", **settings).fit(X, Y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert [x.shape for x in found.predict(X)] == [x.shape for x in X]
    best = found.best_estimator_.get_params()[prefix + "n_layers"]
    assert best == found.best_params_[prefix + "n_layers"]
    assert np.isfinite(found.score(X, Y))


def test_cross_validate_is_fit_and_score_on_each_part(task):
    estimator, _, X, Y = task
    result = cross_validate(
        estimator, X, Y, cv=3, return_train_score=True, return_indices=True, error_score="raise"
    )
    for fold in range(3):
        train, test = (result["indices"][part][fold] for part in ("train", "test"))
        model = estimator.fit([X[i] for i in train], [Y[i] for i in train])
        expected = model.score([X[i] for i in test], [Y[i] for i in test])
        assert result["test_score"][fold] == pytest.approx(expected)
    assert np.isfinite(result["train_score"]).all()


def test_several_metrics_at_once(recordings):
    X, Y, _ = recordings
    pipe = Pipeline([("stft", STFT()), ("sep", NMF)])
    scoring = {"si_sdr": si_sdr_scorer, "own": lambda model, X, Y: model.score(X, Y)}
    result = cross_validate(pipe, X, Y, cv=2, scoring=scoring, error_score="raise")
    np.testing.assert_array_equal(
        result["test_own"], cross_val_score(pipe, X, Y, cv=2, error_score="raise")
    )
    assert np.isfinite(result["test_si_sdr"]).all()


def test_learning_and_validation_curves(task):
    estimator, prefix, X, Y = task
    sizes, train, test = learning_curve(
        estimator, X, Y, train_sizes=[2, 4], cv=3, error_score="raise"
    )
    np.testing.assert_array_equal(sizes, [2, 4])
    assert np.isfinite(train).all() and np.isfinite(test).all()
    settings = {"param_name": prefix + "max_epochs", "param_range": [0, 1]}
    train, test = validation_curve(estimator, X, Y, cv=2, error_score="raise", **settings)
    assert np.isfinite(test).all() and not np.array_equal(test[0], test[1])


def test_speakers_stay_on_one_side(recordings):
    X, Y, speakers = recordings
    pipe = Pipeline([("stft", STFT()), ("sep", NMF)])
    result = cross_validate(
        pipe,
        X,
        Y,
        cv=GroupKFold(3),
        groups=speakers,
        return_estimator=True,
        return_indices=True,
        error_score="raise",
    )
    for fold, model in enumerate(result["estimator"]):
        train, test = (result["indices"][part][fold] for part in ("train", "test"))
        assert set(speakers[train]).isdisjoint(speakers[test])
        expected = model.score([X[i] for i in test], [Y[i] for i in test])
        assert result["test_score"][fold] == pytest.approx(expected)


def test_train_test_split(recordings):
    X, Y, speakers = recordings
    X_train, X_test, Y_train, Y_test, _, who = train_test_split(
        STFT().transform(X), Y, speakers, test_size=2, random_state=0
    )
    assert len(X_train) == len(Y_train) == 4 and len(X_test) == len(Y_test) == len(who) == 2
    for x, y in zip([*X_train, *X_test], [*Y_train, *Y_test], strict=True):
        original = next(i for i in range(6) if Y[i] is y)
        np.testing.assert_array_equal(x.waveform, X[original])
    assert type(X_train) is Spectrograms
    estimate = NMF.fit(X_train, Y_train).predict(X_test)
    assert [len(x) for x in estimate] == [len(y) for y in Y_test]


def test_held_out_predictions_can_be_put_together(recordings):
    X, Y, _ = recordings
    pipe = Pipeline([("stft", STFT()), ("sep", NMF)])
    same = [x[:3000] for x in X], [y[:3000] for y in Y]
    estimate = cross_val_predict(pipe, *same, cv=3)
    mean = np.mean(sdr(list(same[1]), list(estimate)))
    assert mean == pytest.approx(np.mean(cross_val_score(pipe, *same, cv=3)), abs=1e-4)


def test_a_cached_stft_is_identity(recordings, tmp_path):
    X, Y, _ = recordings
    grid = {"sep__sparsity": [0.5, 1.0]}
    scores = []
    for memory in (None, str(tmp_path)):
        pipe = Pipeline([("stft", STFT()), ("sep", NMF)], memory=memory)
        search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, Y)
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)
    # Two folds and the last fit: the second candidate found its STFT there.
    results = list(tmp_path.rglob("output.pkl"))
    assert len(results) == 3


def test_search_over_the_stft_analyses_targets_alike(recordings):
    X, Y, _ = recordings
    pipe = Pipeline([("stft", STFT()), ("sep", DRNMF)])
    grid = {"stft__n_fft": [256, 512], "stft__hop_length": [64, 128]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, Y)
    for setting, found in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        model = pipe.set_params(**setting)
        assert found == pytest.approx(np.mean(cross_val_score(model, X, Y, cv=2)))
    best = search.best_estimator_["sep"].stft_settings_
    assert {f"stft__{name}": best[name] for name in ("n_fft", "hop_length")} == search.best_params_


def refuse_copies(recordings):
    """Pass on what came over as read-only memory maps; in this process, warnings are errors."""
    warnings.simplefilter("error")
    for x in recordings:
        assert isinstance(x, np.memmap) and not x.flags.writeable
    return recordings


class RefusesCopies:
    def __call__(self, estimator, X, Y):
        refuse_copies(Y)
        return estimator.score(refuse_copies(X), Y)


@pytest.mark.parametrize("kind", ["nmf", "drnmf", "drnmf on a frozen nmf"])
def test_memory_maps_of_joblib(task, kind):
    _, prefix, X, Y = task
    guard = ("guard", FunctionTransformer(refuse_copies))
    stft = [("stft", STFT())] if prefix else []
    separator = NMF if kind == "nmf" else DRNMF
    if "frozen" in kind:
        fitted = clone(NMF).fit(STFT().transform(X) if prefix else X, Y)
        separator = clone(DRNMF).set_params(nmf=FrozenEstimator(fitted))
    pipe = Pipeline([guard, *stft, ("sep", separator)])
    settings = {"cv": 2, "scoring": RefusesCopies(), "refit": False, "error_score": "raise"}
    search = GridSearchCV(pipe, {"sep__sparsity": [0.5, 1.0]}, n_jobs=2, **settings)
    # Below the default of 1 MB joblib would copy.
    with parallel_config("loky", max_nbytes=1000):
        search.fit(X, Y)
    here = GridSearchCV(Pipeline(pipe.steps[1:]), search.param_grid, cv=2).fit(X, Y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"], atol=1e-3
    )


def test_the_guard_notices_copies(recordings):
    X, Y, _ = recordings
    pipe = Pipeline([("guard", FunctionTransformer(refuse_copies)), ("stft", STFT()), ("sep", NMF)])
    with warnings.catch_warnings(), pytest.raises(AssertionError):
        pipe.fit(X, Y)
