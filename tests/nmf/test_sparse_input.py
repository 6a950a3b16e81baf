"""Sparse data: the results of the dense data, in memory of the non-zeros."""

import importlib
import inspect
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from sknmf_unfold import SparseNMF
from sknmf_unfold.nmf import sparse_frames
from sknmf_unfold.nmf.blocks import Workspace
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.silencing import Silencing
from tests.oracles.nmf import objective_loop

FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]
PATHS = [("frobenius", "cd"), ("frobenius", "mu"), ("kullback-leibler", "mu")]


def texts():
    """Documentation of the functions of three modules."""
    names = ("scipy.signal", "scipy.stats", "sklearn.metrics")
    found = (v for name in names for v in vars(importlib.import_module(name)).values())
    return sorted({inspect.getdoc(v) or "" for v in found if callable(v)})


@pytest.fixture(scope="module")
def tfidf():
    return TfidfVectorizer(min_df=5, max_df=0.5, stop_words="english").fit_transform(texts())


def random_table(shape=(60, 14), density=0.3, seed=0):
    """A sparse table with rows and columns of zeros."""
    rng = np.random.RandomState(seed)
    X = rng.gamma(0.5, 1.0, shape) * (rng.uniform(size=shape) < density)
    X[3] = X[:, 2] = 0
    return X


def small(**settings):
    defaults = {"n_components": 4, "sparsity": 0.05, "random_state": 0, "max_iter": 15}
    return SparseNMF(**(defaults | settings))


def assert_alike(sparse, dense, X, tol=1e-9):
    """Compare fitted attributes and activations of a model of sparse data and one of dense data."""
    np.testing.assert_allclose(sparse.components_, dense.components_, rtol=0, atol=tol)
    np.testing.assert_allclose(sparse.objective_curve_, dense.objective_curve_, rtol=tol)
    assert sparse.reconstruction_err_ == pytest.approx(dense.reconstruction_err_, rel=tol)
    assert sparse.n_frames_seen_ == dense.n_frames_seen_
    assert sparse.components_.dtype == dense.components_.dtype
    H, expected = sparse.transform(X), dense.transform(X.toarray())
    assert type(H) is np.ndarray and H.dtype == expected.dtype
    np.testing.assert_allclose(H, expected, rtol=0, atol=tol * max(1, expected.max()))


# A text collection


@pytest.mark.parametrize(("beta_loss", "solver"), PATHS)
def test_a_text_collection_has_the_results_of_the_dense_table(tfidf, beta_loss, solver):
    assert min(tfidf.shape) > 300 and tfidf.nnz < 0.06 * np.prod(tfidf.shape)
    settings = {"beta_loss": beta_loss, "solver": solver, "n_components": 8, "max_iter": 10}
    sparse, dense = (small(**settings).fit(X) for X in (tfidf, tfidf.toarray()))
    assert_alike(sparse, dense, tfidf)
    for part in (tfidf[:200], tfidf[200:]):
        sparse.partial_fit(part)
        dense.partial_fit(part.toarray())
    assert_alike(sparse, dense, tfidf)
    activations = small(**settings).fit_transform(tfidf)
    np.testing.assert_allclose(activations, small(**settings).fit(tfidf).transform(tfidf))


def test_topics_are_as_good_as_those_of_scikit_learn(tfidf):
    settings = {"n_components": 8, "max_iter": 50, "tol": 0, "random_state": 0}
    for beta_loss in ("frobenius", "kullback-leibler"):
        theirs = NMF(init="random", solver="mu", beta_loss=beta_loss, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs.fit(tfidf)
        ours = SparseNMF(beta_loss=beta_loss, sparsity=0, **settings).fit(tfidf)
        # Both are sqrt(2 D), which scikit-learn computes in its own way for sparse data.
        assert ours.reconstruction_err_ < 1.01 * theirs.reconstruction_err_


def test_vectorizer_and_nmf_in_a_pipeline():
    pipe = make_pipeline(TfidfVectorizer(), small())
    documents = ["sound and speech", "speech and noise", "sparse matrices", "matrices of numbers"]
    assert pipe.fit_transform(documents).shape == (4, 4)


# Settings and kinds of data


@pytest.mark.parametrize(("beta_loss", "solver"), PATHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 16, "max_iter": 3},
        {"max_frames": 20},
        {"fixed_components": random_table()[:2]},
        {"init": random_table((4, 14), density=1) + 0.01},
        {"init": "nndsvd"},
        {"init": "nndsvda"},
        {"init": "nndsvdar"},
        {"init": "exemplar"},
        # More than three components a bin: another sweep.
        {"n_components": 50},
        {"n_components": "auto"},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_every_setting_has_the_results_of_the_dense_table(beta_loss, solver, dtype, settings):
    X = scipy.sparse.csr_array(random_table().astype(dtype))
    settings = {"beta_loss": beta_loss, "solver": solver, "sparsity": 0.1} | settings
    sparse, dense = (small(**settings).fit(data) for data in (X, X.toarray()))
    tol = 1e-9 if dtype == "float64" else 1e-3
    assert_alike(sparse, dense, X, tol)
    sparse.partial_fit(X[:30])
    dense.partial_fit(X[:30].toarray())
    assert_alike(sparse, dense, X, tol)


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_formats_and_dtypes(kind, form, dtype):
    dense = (2 * random_table()).astype(dtype)
    X = getattr(scipy.sparse, f"{form}_{kind}")(dense)
    nmf = small(max_iter=3).fit(X)
    expected = small(max_iter=3).fit(dense)
    tol = 1e-3 if dtype == "float32" else 1e-10
    assert nmf.components_.dtype == expected.components_.dtype
    np.testing.assert_allclose(nmf.components_, expected.components_, atol=tol)
    np.testing.assert_allclose(nmf.transform(X), expected.transform(dense), atol=tol)
    np.testing.assert_array_equal(X.toarray(), dense)


@pytest.mark.parametrize(("beta_loss", "solver"), PATHS)
def test_stored_zeros_duplicates_and_long_indices_change_nothing(beta_loss, solver):
    clean = scipy.sparse.csr_array(random_table())
    coo = clean.tocoo()
    halves, rows, columns = np.tile(coo.data / 2, 2), np.tile(coo.row, 2), np.tile(coo.col, 2)
    # Row 3 has only zeros, two of them stored.
    halves = np.concatenate([[0.0, 0.0], halves[::-1]])
    rows, columns = (np.concatenate([i, x[::-1]]) for i, x in (([3, 3], rows), ([0, 2], columns)))
    messy = scipy.sparse.coo_matrix((halves, (rows, columns)), shape=clean.shape)
    unsorted = scipy.sparse.csr_matrix(clean.shape)
    order = np.argsort(rows, kind="stable")
    unsorted.indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=60))])
    unsorted.indptr = unsorted.indptr.astype(np.int64)
    unsorted.indices, unsorted.data = columns[order].astype(np.int64), halves[order]
    copy = unsorted.copy()
    assert not unsorted.has_canonical_format
    expected = small(beta_loss=beta_loss, solver=solver).fit(clean)
    for X in (messy, unsorted):
        nmf = small(beta_loss=beta_loss, solver=solver).fit(X)
        np.testing.assert_allclose(nmf.components_, expected.components_, atol=1e-12)
        H = nmf.transform(X)
        np.testing.assert_allclose(H, expected.transform(clean), atol=1e-12)
        assert not H[3].any()
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(unsorted, name), getattr(copy, name))


@pytest.mark.parametrize(("beta_loss", "solver"), PATHS)
@pytest.mark.parametrize("shape", [(10, 6), (1, 6), (6, 1), (1, 1)])
def test_silence_and_single_frames(beta_loss, solver, shape):
    silence = scipy.sparse.csr_array(shape)
    nmf = small(beta_loss=beta_loss, solver=solver).fit(silence)
    np.testing.assert_allclose(np.linalg.norm(nmf.components_, axis=1), 1)
    assert np.isfinite(nmf.objective_curve_).all() and nmf.reconstruction_err_ < 1e-4
    assert not nmf.transform(silence).any()
    dense = np.random.RandomState(0).uniform(1, 2, shape)
    sounding = scipy.sparse.csc_array(dense)
    settings = {"beta_loss": beta_loss, "solver": solver}
    assert_alike(small(**settings).fit(sounding), small(**settings).fit(dense), sounding)


def test_unused_rows_and_columns_are_left_out_of_nothing():
    """Zeros count: the sum of the approximation over them is part of the divergence."""
    nmf = small(beta_loss="kullback-leibler", sparsity=0, max_iter=300, tol=0)
    X = random_table()
    H = nmf.fit(scipy.sparse.csr_array(X)).transform(scipy.sparse.csr_array(X))
    # At the optimum without a penalty the approximation has the sums of the data.
    np.testing.assert_allclose((H @ nmf.components_).sum(axis=1), X.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose((H @ nmf.components_)[:, 2], 0, atol=1e-6)


# Mathematics


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta", [1, 2])
def test_objective_is_that_of_the_loop(beta, dtype):
    rng = np.random.RandomState(1)
    X, H, W = random_table((9, 7)), rng.gamma(1.0, 1.0, (9, 3)), rng.gamma(1.0, 1.0, (3, 7))
    X, H, W = (array.astype(dtype) for array in (X, H, W))
    expected = objective_loop(X, W, H, beta, 0.3)
    rel = 1e-6 if dtype == "float32" else 1e-12
    assert objective(scipy.sparse.csr_array(X), W, H, beta, 0.3) == pytest.approx(expected, rel=rel)


@pytest.mark.parametrize("gathered", [1, 7, 2**16])
def test_approximation_at_the_non_zeros(monkeypatch, gathered):
    monkeypatch.setattr(sparse_frames, "GATHERED_ENTRIES", gathered)
    rng = np.random.RandomState(0)
    X, H, W = scipy.sparse.csr_array(random_table()), rng.rand(60, 3), rng.rand(3, 14)
    values = sparse_frames.approximation(X, W, H, Workspace())
    np.testing.assert_allclose(values, (H @ W)[X.toarray() > 0])


@pytest.mark.parametrize(("beta_loss", "solver"), PATHS)
def test_the_objective_never_rises(beta_loss, solver):
    X = scipy.sparse.csr_array(random_table((200, 30)))
    curve = small(beta_loss=beta_loss, solver=solver, max_iter=100, tol=0).fit(X).objective_curve_
    assert (np.diff(curve) <= 1e-13 * curve[0]).all() and curve[-1] < curve[0]


def test_silencing_takes_the_norms_of_sparse_frames():
    dense, sparse = Silencing(1.0), Silencing(1.0)
    X = random_table()
    dense.add(X, np.zeros((60, 2)))
    sparse.add(scipy.sparse.csr_array(X), np.zeros((60, 2)))
    assert vars(sparse) == pytest.approx(vars(dense))
    with pytest.warns(UserWarning, match="Use a smaller `sparsity`"):
        small(sparsity=1e3).fit(scipy.sparse.csr_array(X))


# Memory


def large_table():
    """20 000 x 20 000 with 40 000 entries, which takes 3.2 GB as a dense table."""
    rng = np.random.RandomState(0)
    rows, columns = rng.randint(20_000, size=(2, 40_000))
    return scipy.sparse.coo_array((rng.gamma(1.0, 1.0, 40_000), (rows, columns)), (20_000, 20_000))


@pytest.mark.parametrize(
    ("beta_loss", "solver", "init"),
    [*((*path, "random") for path in PATHS), *((*PATHS[0], i) for i in ("nndsvda", "exemplar"))],
)
def test_memory_is_that_of_the_non_zeros(beta_loss, solver, init):
    X = large_table()
    settings = {"beta_loss": beta_loss, "solver": solver, "init": init}
    nmf = small(n_components=5, max_iter=2, sparsity=0, **settings)
    tracemalloc.start()
    try:
        nmf.fit(X).partial_fit(X)
        activations = nmf.transform(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert activations.shape == (20_000, 5)
    # Some tens of arrays of 20 000 x 5.
    assert peak < 64 * 2**20


# Refusals


@pytest.mark.parametrize(
    ("change", "settings", "error", "message"),
    [
        ((2, 3, np.nan), {}, ValueError, r"Input X contains NaN. The first is in row 2, column 3"),
        ((2, 3, np.inf), {}, ValueError, r"contains infinity.* The first is in row 2, column 3"),
        ((2, 3, -1.0), {}, ValueError, r"Negative values in data passed to SparseNMF: .* of -1;"),
        ((2, 3, 1e307), {}, ValueError, r"X peaks at 1e\+307, too much to compute with in float64"),
        ((2, 3, 1j), {}, ValueError, r"Complex data not supported: X has dtype complex128"),
        (None, {"beta_loss": 0}, ValueError, r"X is sparse, but `beta_loss`=0 needs .*toarray\(\)"),
        (None, {"beta_loss": 1.5}, ValueError, r"X is sparse, but `beta_loss`=1.5 needs all"),
    ],
)
def test_refused(change, settings, error, message):
    X = random_table()
    if change is not None:
        row, column, value = change
        X = X.astype(np.result_type(value, X.dtype))
        X[row, column] = value
    for method in ("fit", "partial_fit"):
        with pytest.raises(error, match=message):
            getattr(small(**settings), method)(scipy.sparse.csr_matrix(X))
    if change is not None:
        with pytest.raises(error, match=message):
            small().fit(random_table()).transform(scipy.sparse.csr_matrix(X))


def test_another_number_of_bins_and_one_axis_are_refused():
    nmf = small().fit(scipy.sparse.csr_array(random_table()))
    with pytest.raises(ValueError, match="X has 5 features, but SparseNMF is expecting 14"):
        nmf.transform(scipy.sparse.csr_array((3, 5)))
    for shape in ((0, 14), (3, 0)):
        with pytest.raises(ValueError, match="Found array with 0"):
            nmf.fit(scipy.sparse.csr_array(shape))


def test_a_torch_device_is_for_dense_data(monkeypatch):
    monkeypatch.setattr(
        "sknmf_unfold.nmf.settings.torch_device", lambda device, fall_back: "a device"
    )
    X = scipy.sparse.csr_array(random_table())
    with pytest.raises(ValueError, match="X is sparse, which `device`='cuda' cannot compute with"):
        small(device="cuda").fit(X)
    # Found by itself, a GPU is left alone.
    assert small(device="auto").fit(X).components_.shape == (4, 14)
