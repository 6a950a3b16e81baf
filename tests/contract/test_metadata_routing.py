"""Metadata routing: arguments of `fit` beside X and y in pipelines and searches."""

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.metrics import sdr_improvement_scorer


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def data(speech):
    X, Y = speech
    return X[:6], Y[:6], (X[6:], Y[6:])


def separator():
    nmf = SupervisedNMFSeparator(3, max_iter=5)
    return DRNMFSeparator(nmf=nmf, max_epochs=1, random_state=0)


def asking(**settings):
    steps = [("stft", STFT()), ("sep", separator().set_fit_request(validation_data=True))]
    return Pipeline(steps, **settings)


def losses_of(pipe):
    return pipe["sep"].history_["validation_loss"]


def losses(X, Y, validation_data, **settings):
    """Of a separator that gets its validation data without any routing."""
    model = separator().set_params(**settings)
    model.fit(STFT().transform(X), Y, validation_data=validation_data)
    return model.history_["validation_loss"]


def test_through_a_pipeline(data):
    X, Y, validation_data = data
    pipe = asking().fit(X, Y, validation_data=validation_data)
    assert losses_of(pipe) == losses(X, Y, validation_data)
    assert losses_of(asking().fit(X, Y)) != losses_of(pipe)


def test_transformed_by_the_pipeline_on_the_way(data):
    X, Y, validation_data = data
    pipe = asking(transform_input=["validation_data"])
    pipe.fit(X, Y, validation_data=validation_data)
    assert losses_of(pipe) == losses(X, Y, validation_data)


def test_through_a_grid_search(data):
    X, Y, validation_data = data
    search = GridSearchCV(asking(), {"sep__n_layers": [1, 2]}, cv=2, error_score="raise")
    search.fit(X, Y, validation_data=validation_data)
    n_layers = search.best_params_["sep__n_layers"]
    expected = losses(X, Y, validation_data, n_layers=n_layers)
    assert losses_of(search.best_estimator_) == expected


def test_every_fold_gets_all_of_it(data):
    X, Y, validation_data = data
    result = cross_validate(
        asking(),
        X,
        Y,
        cv=2,
        params={"validation_data": validation_data},
        return_estimator=True,
        error_score="raise",
    )
    for fold, pipe in zip(np.array_split(np.arange(6), 2), result["estimator"], strict=True):
        train = [i for i in range(6) if i not in fold]
        expected = losses([X[i] for i in train], [Y[i] for i in train], validation_data)
        assert losses_of(pipe) == expected


def test_nobody_asked_for_it(data):
    X, Y, validation_data = data
    pipe = Pipeline([("stft", STFT()), ("sep", separator())])
    with pytest.raises(UnsetMetadataPassedError, match="validation_data"):
        pipe.fit(X, Y, validation_data=validation_data)


def test_weights_find_their_way_to_score(data):
    X, Y, validation_data = data
    weights = np.array([1.0, 0, 0, 2, 0, 0])
    pipe = asking()
    pipe["sep"].set_score_request(sample_weight=True)
    pipe.fit(X, Y, validation_data=validation_data)
    alone = [pipe.score([x], [y]) for x, y in zip(X, Y, strict=True)]
    expected = (alone[0] + 2 * alone[3]) / 3
    assert pipe.score(X, Y, sample_weight=weights) == pytest.approx(expected)


def test_scorers_of_waveforms(data):
    X, Y, _ = data
    # scikit-learn 1.6.0 needs to be told that there are none.
    settings = {"params": {}, "scoring": sdr_improvement_scorer, "error_score": "raise"}
    scores = cross_validate(asking(), X, Y, cv=2, **settings)
    assert np.isfinite(scores["test_score"]).all()
