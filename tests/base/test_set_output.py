"""Names of features, DataFrames in and out: rows stay rows, recordings stay recordings."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, Spectrograms, SupervisedNMFSeparator

ESTIMATORS = [
    SparseNMF(3, max_iter=5, random_state=0),
    SupervisedNMFSeparator(3, max_iter=5, n_iter=5, random_state=0),
    DRNMFSeparator(
        nmf=SupervisedNMFSeparator(3, max_iter=5),
        max_epochs=1,
        random_state=0,
    ),
]
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
each_library = pytest.mark.parametrize("library", LIBRARIES)


def columns_of(estimator):
    n = 3 if isinstance(estimator, SparseNMF) else 6
    return [f"{type(estimator).__name__.lower()}{i}" for i in range(n)]


@pytest.fixture
def frame():
    values = np.random.RandomState(0).uniform(size=(12, 5))
    index = [f"sample {i}" for i in range(12)]
    return pd.DataFrame(values, columns=[f"bin {i}" for i in range(5)], index=index)


# The data are small beside the default sparsity weight.
@pytest.mark.filterwarnings("ignore:.*all activations are 0")
@each_estimator
def test_rows_of_a_table_stay_rows(estimator, frame):
    model = clone(estimator).fit(frame, frame / 2)
    plain = model.transform(frame)
    model.set_output(transform="pandas")
    expected = pd.DataFrame(plain, index=frame.index, columns=columns_of(estimator))
    pd.testing.assert_frame_equal(model.transform(frame), expected)
    pd.testing.assert_frame_equal(model.fit_transform(frame, frame / 2), expected)
    np.testing.assert_array_equal(model.get_feature_names_out(), columns_of(estimator))


@each_library
def test_a_data_frame_goes_in_and_its_names_are_checked(library, frame):
    table = LIBRARIES[library](frame.to_dict("list"))
    nmf = SparseNMF(3, max_iter=5, random_state=0).fit(table)
    plain = clone(nmf).fit(frame.to_numpy()).transform(frame.to_numpy())
    np.testing.assert_allclose(nmf.transform(table), plain)
    if not hasattr(MaxAbsScaler().fit(table), "feature_names_in_"):
        # scikit-learn before 1.8 does not see the names of polars 2.
        return
    np.testing.assert_array_equal(nmf.feature_names_in_, frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        nmf.transform(LIBRARIES[library]({f"other {i}": frame[f"bin {i}"] for i in range(5)}))


@each_library
@each_estimator
def test_recordings_give_one_data_frame_each(estimator, library, magnitudes):
    X, Y = magnitudes
    model = clone(estimator).set_output(transform=library)
    frames = model.fit_transform(X, Y)
    plain = clone(model).set_output(transform="default").fit(X, Y).transform(X)
    assert isinstance(frames, list) and len(frames) == len(X)
    for table, array in zip(frames, plain, strict=True):
        assert isinstance(table, LIBRARIES[library])
        assert list(table.columns) == columns_of(estimator)
        np.testing.assert_array_equal(table.to_numpy(), array)


def test_recordings_that_are_data_frames_keep_their_index(magnitudes):
    X, _ = magnitudes
    X = [pd.DataFrame(x, index=np.arange(len(x)) * 0.008) for x in X]
    nmf = SparseNMF(3, max_iter=5, random_state=0).set_output(transform="pandas").fit(X)
    for x, activations in zip(X, nmf.transform(X), strict=True):
        pd.testing.assert_index_equal(activations.index, x.index)
    restored = nmf.inverse_transform(nmf.transform(X))
    assert [r.shape for r in restored] == [x.shape for x in X]


@each_library
def test_a_pipeline_on_waveforms_gives_one_data_frame_each(speech, library):
    X, Y = speech
    pipe = make_pipeline(STFT(), clone(ESTIMATORS[1])).set_output(transform=library)
    frames = pipe.fit(X, Y).transform(X)
    names = list(pipe.get_feature_names_out())
    assert names == columns_of(ESTIMATORS[1])
    n_frames = [item.shape[0] for item in pipe["stft"].transform(X)]
    assert [f.shape for f in frames] == [(n, 6) for n in n_frames]
    assert all(isinstance(f, LIBRARIES[library]) and list(f.columns) == names for f in frames)
    assert [len(x) for x in pipe.predict(X)] == [len(x) for x in X]


@pytest.mark.parametrize("as_table", [False, True])
def test_spectrograms_stay_spectrograms(as_table):
    X = np.ones((3, 600))
    stft = STFT().set_output(transform="pandas")
    assert type(stft.fit_transform(X if as_table else list(X))) is Spectrograms
    with sklearn.config_context(transform_output="polars"):
        assert type(STFT().fit_transform(X if as_table else list(X))) is Spectrograms
    assert list(stft.get_feature_names_out())[::256] == ["stft0", "stft256"]


def test_the_global_setting_counts_and_the_own_one_wins(frame):
    nmf = SparseNMF(3, max_iter=5, random_state=0).fit(frame)
    with sklearn.config_context(transform_output="polars"):
        assert isinstance(nmf.transform(frame), pl.DataFrame)
        assert isinstance(nmf.set_output(transform="pandas").transform(frame), pd.DataFrame)
        assert isinstance(nmf.set_output(transform=None).transform(frame), pd.DataFrame)
        assert isinstance(clone(nmf).fit_transform(frame), pd.DataFrame)
        assert isinstance(nmf.set_output(transform="default").transform(frame), np.ndarray)


# The data are small beside the default sparsity weight.
@pytest.mark.filterwarnings("ignore:.*all activations are 0")
def test_beside_other_transformers(frame):
    nmf = SparseNMF(3, max_iter=5, random_state=0)
    union = FeatureUnion([("nmf", nmf), ("scale", MaxAbsScaler())]).set_output(transform="pandas")
    expected = [f"nmf__sparsenmf{i}" for i in range(3)] + [f"scale__{c}" for c in frame.columns]
    assert list(union.fit_transform(frame).columns) == expected
    by_column = ColumnTransformer([("nmf", nmf, ["bin 1", "bin 4"])], remainder="passthrough")
    table = by_column.set_output(transform="pandas").fit_transform(frame)
    expected = [f"nmf__sparsenmf{i}" for i in range(3)] + [f"remainder__bin {i}" for i in (0, 2, 3)]
    assert list(table.columns) == expected


def test_an_unknown_container_is_refused_at_once():
    with pytest.raises(ValueError, match=r"`transform` must be one of 'default'.*; got 'arrow'"):
        SparseNMF().set_output(transform="arrow")


def test_a_missing_library_is_named(frame, monkeypatch):
    nmf = SparseNMF(3, max_iter=5, random_state=0).fit(frame.to_numpy())
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="needs polars installed"):
        nmf.set_output(transform="polars").transform(frame.to_numpy())


def test_refitting_on_recordings_forgets_the_table():
    stft = STFT().fit(pd.DataFrame(np.ones((3, 600))).rename(columns=str))
    stft.fit([np.ones(500), np.ones(700)])
    assert not hasattr(stft, "n_features_in_") and not hasattr(stft, "feature_names_in_")
    assert stft.transform(np.ones((2, 900))).shape == (2,)
