"""`SparseNMF` on Dask arrays, chunk by chunk, against the same in memory."""

import importlib.util
import subprocess
import sys

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone

from sknmf_unfold import STFT, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.metrics import si_sdr
from sknmf_unfold.nmf import dask_fit, dask_frames, mu
from sknmf_unfold.nmf.matrices import unit_rows
from sknmf_unfold.nmf.problem import Problem, Stopping
from sknmf_unfold.signal.mixing import mix_at_snr
from tests._factories import drnmf, supervised
from tests._refusals import refuses
from tests.oracles.nmf import factorize_loop

BETAS = [2, 1, 0, 0.5, 3]
SOLVERS = [(2, "cd"), *((beta, "mu") for beta in BETAS)]
CALLBACKS = importlib.util.find_spec("sklearn.callback") is not None
CHUNKINGS = [(1200,), (700, 500), (0, 1, 599, 0, 600, 0), (100,) * 12]


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def frames(n_frames=1200, seed=0, dtype="float64"):
    """Four components of 15 bins, and some noise."""
    planted = unit_rows(np.random.RandomState(1).gamma(0.3, 1.0, (4, 15)))
    rng = np.random.RandomState(seed)
    X = rng.gamma(0.3, 3.0, (n_frames, 4)) @ planted + 0.02 * rng.gamma(0.5, 1.0, (n_frames, 15))
    return X.astype(dtype)


def chunked(X, chunks=500):
    return da.from_array(X, chunks=(chunks, -1))


def small(n_components=4, **settings):
    own = {"sparsity": 0.01, "random_state": 0, "batch_size": None, "max_iter": 12}
    return SparseNMF(n_components, **(own | settings))


def never(*args, **kwargs):
    raise AssertionError("a chunk was computed")


def uncomputed(shape=(40, 15), chunks=(20, 15), dtype="float64"):
    """An array whose chunks fail when they are computed."""
    return da.zeros(shape, chunks=chunks, dtype=dtype).map_blocks(never, dtype=dtype)


# The same as in memory


@pytest.mark.parametrize("beta", BETAS)
def test_multiplicative_updates_are_those_of_a_loop(beta):
    X, W = frames(13) + 0.01, unit_rows(np.random.RandomState(2).uniform(0.1, 1, (4, 15)))
    nmf = small(beta_loss=beta, solver="mu", sparsity=0.1, init=W, max_iter=3, tol=0)
    nmf.fit(chunked(X, 5))
    # All activations of a frame are equal at first, so that the error is the smallest.
    total = W.sum(axis=0)
    H = np.repeat((X @ total / (total @ total))[:, np.newaxis], 4, axis=1)
    expected, _, curve = factorize_loop(X, W, H, beta, 0.1, 3)
    np.testing.assert_allclose(nmf.components_, expected, rtol=1e-8)
    np.testing.assert_allclose(nmf.objective_curve_, curve, rtol=1e-8)


@pytest.mark.parametrize("chunks", CHUNKINGS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_coordinate_descent_is_that_in_memory(chunks, dtype):
    """In float32 it is more exact than that: its sums are in float64."""
    X, rtol = frames(dtype=dtype), 1e-9 if dtype == "float64" else 1e-5
    in_memory, nmf = small().fit(X.astype("float64")), small().fit(chunked(X, chunks))
    np.testing.assert_allclose(nmf.components_, in_memory.components_, atol=rtol)
    np.testing.assert_allclose(nmf.objective_curve_, in_memory.objective_curve_, rtol=rtol)
    assert nmf.reconstruction_err_ == pytest.approx(in_memory.reconstruction_err_, rel=rtol)
    assert nmf.components_.dtype == dtype
    for name in ("n_iter_", "n_frames_seen_", "n_features_in_", "n_components_"):
        assert getattr(nmf, name) == getattr(in_memory, name)
    assert vars(nmf).keys() == vars(in_memory).keys()


@pytest.mark.parametrize("beta", BETAS)
def test_multiplicative_updates_reach_the_objective_in_memory(beta):
    """They start from other activations than in memory, so they may end elsewhere."""
    X, settings = frames(), {"beta_loss": beta, "solver": "mu", "max_iter": 200}
    nmf, in_memory = small(**settings).fit(chunked(X)), small(**settings).fit(X)
    assert nmf.objective_curve_[-1] < 1.02 * in_memory.objective_curve_[-1]
    # The same start gives the same result.
    rng = np.random.RandomState(0)
    W = unit_rows(rng.uniform(0.1, 1.0, (4, 15)))
    problem = Problem(float(beta), 0.01)
    same = mu.learn_first_batch(X, W, problem, rng, Stopping(200))
    np.testing.assert_allclose(nmf.components_, same[0], atol=1e-8)
    np.testing.assert_allclose(nmf.objective_curve_, same[2], rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("beta", "solver"), SOLVERS)
def test_chunks_do_not_change_the_result(beta, solver, dtype):
    X = frames(dtype=dtype)
    one, *others = (
        small(beta_loss=beta, solver=solver).fit(chunked(X, chunks)) for chunks in CHUNKINGS
    )
    for other in others:
        atol = 1e-10 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(other.components_, one.components_, atol=atol)
        assert other.components_.dtype == dtype


def test_the_objective_never_rises():
    for beta, solver in SOLVERS:
        curve = small(beta_loss=beta, solver=solver, tol=0).fit(chunked(frames())).objective_curve_
        assert len(curve) == 13
        assert (np.diff(curve) <= 1e-12 * curve[:-1]).all()


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_a_seed_gives_the_same_bits_with_every_scheduler(scheduler):
    X = chunked(frames(), 100)
    for beta in (2, 1):
        expected = small(beta_loss=beta).fit(X).components_
        with dask.config.set(scheduler=scheduler):
            again = small(beta_loss=beta).fit(X).components_
        np.testing.assert_array_equal(again, expected)
        other = small(beta_loss=beta, random_state=1).fit(X).components_
        assert np.abs(other - expected).max() > 1e-3


INITS = ["nndsvd", "nndsvda", "nndsvdar", "exemplar", np.eye(4, 15) + 0.1]


@pytest.mark.parametrize("init", INITS, ids=lambda init: init if isinstance(init, str) else "array")
def test_initial_components_are_those_in_memory(init):
    X = frames()
    in_memory = small(init=init, max_iter=2).fit(X)
    nmf = small(init=init, max_iter=2).fit(chunked(X))
    np.testing.assert_allclose(nmf.components_, in_memory.components_, atol=1e-9)


@pytest.mark.parametrize("init", ["nndsvda", "exemplar"])
def test_initial_components_are_made_of_a_bounded_sample(init, monkeypatch):
    taken = []

    class Spy(dask_frames.DaskFrames):
        def take(self, indices):
            taken.append(len(indices))
            return super().take(indices)

    monkeypatch.setattr(dask_frames, "DaskFrames", Spy)
    monkeypatch.setattr(dask_fit, "MAX_SVD_FRAMES", 50)
    monkeypatch.setattr(dask_fit, "MAX_EXEMPLAR_FRAMES", 60)
    one = small(init=init, solver="mu", beta_loss=1).fit(chunked(frames(), 100))
    assert taken == [50 if init == "nndsvda" else 60]
    other = small(init=init, solver="mu", beta_loss=1).fit(chunked(frames(), 450))
    np.testing.assert_allclose(one.components_, other.components_, atol=1e-9)


def test_a_part_of_the_frames_is_that_drawn_in_memory():
    X = frames()
    in_memory = small(max_frames=300).fit(X)
    for chunks in CHUNKINGS:
        nmf = small(max_frames=300).fit(chunked(X, chunks))
        np.testing.assert_allclose(nmf.components_, in_memory.components_, atol=1e-9)
        assert nmf.n_frames_seen_ == in_memory.n_frames_seen_ == 300 * nmf.n_iter_


def test_a_few_of_very_many_frames_are_drawn_without_a_permutation(monkeypatch):
    monkeypatch.setattr(dask_frames, "MAX_PERMUTED_FRAMES", 1000)
    one, other = (small(max_frames=300).fit(chunked(frames(), n)) for n in (100, 450))
    np.testing.assert_allclose(one.components_, other.components_, atol=1e-9)
    assert one.n_frames_seen_ == 300 * one.n_iter_


def test_fixed_components_stay():
    X, fixed = frames(), np.eye(2, 15)
    for beta in (2, 1):
        nmf = small(2, beta_loss=beta, fixed_components=fixed).fit(chunked(X))
        np.testing.assert_array_equal(nmf.components_[:2], fixed)
        assert nmf.components_.shape == (4, 15)
    in_memory = small(2, fixed_components=fixed).fit(X)
    nmf = small(2, fixed_components=fixed).fit(chunked(X))
    np.testing.assert_allclose(nmf.components_, in_memory.components_, atol=1e-9)


def test_the_tolerance_stops():
    whole = small(max_iter=100, tol=0).fit(chunked(frames()))
    nmf = small(max_iter=100, tol=1e-3).fit(chunked(frames()))
    assert whole.n_iter_ == 100 > nmf.n_iter_ == len(nmf.objective_curve_) - 1
    np.testing.assert_array_equal(nmf.objective_curve_, whole.objective_curve_[: nmf.n_iter_ + 1])


def test_the_parameter_verbose_shows_progress(capsys):
    small(verbose=1, max_iter=3).fit(chunked(frames()))
    assert "SparseNMF" in capsys.readouterr().err


class StopAtThird:
    def __init__(self):
        self.iterations, self.fitted, self.X = 0, None, None

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        if context.task_name == "iteration":
            self.iterations, self.fitted, self.X = self.iterations + 1, fitted_estimator, X
        return self.iterations == 3

    def teardown(self, estimator, context):
        pass


@pytest.mark.skipif(not CALLBACKS, reason="scikit-learn has none")
def test_callbacks_stop_the_fit():
    stop, X = StopAtThird(), chunked(frames())
    nmf = small().set_callbacks(stop).fit(X)
    assert nmf.n_iter_ == 3
    assert stop.X is X
    np.testing.assert_array_equal(stop.fitted.components_, nmf.components_)


def test_a_silencing_sparsity_warns_in_fit():
    X = frames()
    with pytest.warns(UserWarning, match="all activations are 0") as in_memory:
        small(sparsity=1e4).fit(X)
    with pytest.warns(UserWarning, match="all activations are 0") as warned:
        small(sparsity=1e4).fit(chunked(X))
    assert str(warned[0].message) == str(in_memory[0].message)


def test_whole_numbers_and_objects_are_floats():
    X = np.random.RandomState(0).randint(0, 9, (200, 6))
    expected = small().fit(X.astype("float64")).components_
    for dtype in ("int16", "uint8", "object", ">f8"):
        nmf = small().fit(chunked(X.astype(dtype), 70))
        assert nmf.components_.dtype == np.float64
        np.testing.assert_allclose(nmf.components_, expected, atol=1e-9)
        activations = nmf.transform(chunked(X.astype(dtype), 70))
        np.testing.assert_allclose(activations.compute(), nmf.transform(X), atol=1e-9)
    assert small().fit(chunked(X.astype("float16"), 70)).components_.dtype == np.float32


def test_one_frame_and_silence():
    nmf = small(1).fit(chunked(frames(1)))
    assert np.isfinite(nmf.components_).all()
    for beta in (2, 1, 0):
        nmf = small(beta_loss=beta).fit(chunked(np.zeros((9, 5)), 4))
        assert np.isfinite(nmf.components_).all()
        assert not nmf.transform(chunked(np.zeros((9, 5)), 4)).compute().any()


# partial_fit


def test_partial_fit_learns_from_one_chunk_after_the_other():
    X, chunks = frames(), (100, 0, 700, 400)
    for beta in (2, 1):
        nmf, by_hand = (small(beta_loss=beta, batch_size=300) for _ in range(2))
        nmf.partial_fit(chunked(X, chunks))
        for part in (X[:100], X[100:800], X[800:]):
            by_hand.partial_fit(part)
        np.testing.assert_array_equal(nmf.components_, by_hand.components_)
        assert nmf.objective_curve_ == pytest.approx([by_hand.objective_curve_.sum()])
        assert nmf.n_frames_seen_ == by_hand.n_frames_seen_ == 1200
        nmf.partial_fit(chunked(X[:300], 100))
        assert nmf.n_iter_ == len(nmf.objective_curve_) == 2
        assert nmf.n_frames_seen_ == 1500


def test_a_failed_fit_leaves_the_model_as_it_was():
    X = frames()
    nmf = small().fit(X)
    before = {name: np.copy(value) for name, value in vars(nmf).items() if name.endswith("_")}
    bad = X.copy()
    bad[1000, 3] = np.nan
    for method in (nmf.fit, nmf.partial_fit):
        refuses("chunk 2", lambda method=method: method(chunked(bad)))
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(nmf, name), value)


# transform


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("beta", [2, 1, 0])
def test_transform_is_lazy_and_that_in_memory(beta, dtype):
    X = frames(dtype=dtype)
    nmf = small(beta_loss=beta).fit(X)
    activations = nmf.transform(chunked(X, (700, 0, 500)))
    assert isinstance(activations, da.Array)
    assert activations.shape == (1200, 4)
    assert activations.chunks == ((700, 0, 500), (4,))
    assert activations.dtype == activations._meta.dtype == activations.compute().dtype == dtype
    expected, atol = nmf.transform(X), 1e-10 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(activations.compute(), expected, atol=atol)
    magnitudes = nmf.inverse_transform(activations)
    assert magnitudes.chunks == ((700, 0, 500), (15,))
    assert magnitudes.dtype == magnitudes.compute().dtype == dtype
    np.testing.assert_allclose(magnitudes.compute(), expected @ nmf.components_, atol=atol * 10)


def test_nothing_is_computed_until_it_must_be():
    nmf = small().fit(frames())
    activations = nmf.transform(uncomputed())
    assert (activations.shape, nmf.inverse_transform(activations).shape) == ((40, 4), (40, 15))
    with pytest.raises(AssertionError, match="a chunk was computed"):
        activations.compute()


def test_the_same_array_gives_the_same_keys():
    nmf = small().fit(frames())
    X = chunked(frames())
    assert nmf.transform(X).name == nmf.transform(X).name
    assert nmf.transform(X).name != clone(nmf).set_params(random_state=1).fit(X).transform(X).name


def test_models_of_chunks_and_of_memory_are_the_same_kind():
    X = frames()
    by_chunks, in_memory = small().fit(chunked(X)), small().fit(X)
    expected = in_memory.transform(X)
    for nmf in (by_chunks, in_memory):
        np.testing.assert_allclose(nmf.transform(X), expected, atol=1e-7)
        np.testing.assert_allclose(nmf.transform(chunked(X)).compute(), expected, atol=1e-7)
    activations = small().fit_transform(chunked(X))
    np.testing.assert_allclose(activations.compute(), expected, atol=1e-7)


def test_transform_names_the_chunk_of_a_bad_value():
    nmf, X = small().fit(frames()), frames()
    X[1034, 2] = np.inf
    with pytest.raises(ValueError, match=r"infinity.* chunk 2, frame 34 of it \(row 1034 of X\)"):
        nmf.transform(chunked(X)).compute()


def test_data_frames_are_refused():
    nmf = small().fit(frames()).set_output(transform="pandas")
    refuses("from_dask_array", lambda: nmf.transform(uncomputed()))
    nmf.set_output(transform="default").transform(uncomputed())


# Errors


def with_value(value, row, column=3, dtype="float64"):
    X = frames(dtype=dtype)
    X[row, column] = value
    return chunked(X)


UNKNOWN = chunked(frames())[chunked(frames()).sum(axis=1) > 0]
BAD_ARRAYS = {
    "unknown chunk sizes": (UNKNOWN, ValueError, r"call X.compute_chunk_sizes\(\)"),
    "chunks along the bins": (
        da.zeros((40, 15), chunks=(20, 5)),
        ValueError,
        r"3 chunks along its columns.* X.rechunk\({1: -1}\)",
    ),
    "one axis": (da.zeros(15), ValueError, "Expected 2D array, got 1D"),
    "three axes": (da.zeros((2, 3, 4)), ValueError, "Expected 2D array, got 3D"),
    "no axis": (da.zeros(()), ValueError, "Expected 2D array, got 0D"),
    "no frames": (da.zeros((0, 15)), ValueError, r"0 sample\(s\).* required by SparseNMF"),
    "no bins": (da.zeros((15, 0)), ValueError, r"0 feature\(s\).* required by SparseNMF"),
    "complex": (da.zeros((9, 15), dtype=complex), ValueError, "Complex data not supported"),
    "text": (da.from_array(np.full((9, 15), "a")), TypeError, "wanted floats or whole numbers"),
}
BAD_VALUES = {
    "NaN": (
        with_value(np.nan, 700),
        ValueError,
        "NaN.* chunk 1, frame 200 of it .row 700 of X., b",
    ),
    "infinity": (with_value(np.inf, 3), ValueError, "infinity.* chunk 0, frame 3 of it .row 3 of"),
    "negative": (
        with_value(-2, 1100),
        ValueError,
        "Negative values in data passed to SparseNMF: X has -2 in chunk 2, frame 100 of it",
    ),
    "huge": (with_value(1e38, 9, dtype="float32"), ValueError, "Chunk 0 of X peaks at 1e"),
    "objects": (
        da.from_array(np.full((9, 15), "a", dtype=object), chunks=(5, -1)),
        TypeError,
        "Chunk . of X has dtype",
    ),
    "other shape than said": (
        da.zeros((40, 15), chunks=(20, 15)).map_blocks(lambda x: x[:-1], dtype=float),
        ValueError,
        "Chunk 0 of X has 19 rows, but its Dask array says 20",
    ),
    "masked": (
        da.ma.masked_equal(chunked(np.arange(30.0).reshape(6, 5), 3), 7),
        ValueError,
        "Chunk 0 of X has masked entries",
    ),
}


@pytest.mark.parametrize("bad", BAD_ARRAYS)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform"])
def test_arrays_that_are_refused_before_they_are_computed(method, bad):
    X, error, message = BAD_ARRAYS[bad]
    nmf = small().fit(frames()) if method == "transform" else small()
    refuses(message, lambda: getattr(nmf, method)(X), error)


@pytest.mark.parametrize("bad", BAD_VALUES)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_values_that_are_refused(method, bad):
    X, error, message = BAD_VALUES[bad]
    with pytest.raises(error, match=message):
        getattr(small(), method)(X)


def test_the_number_of_bins_is_that_of_fit():
    nmf = small().fit(chunked(frames()))
    refuses("14 features, but SparseNMF is expecting 15", lambda: nmf.transform(da.zeros((9, 14))))
    refuses("14 features, but SparseNMF is", lambda: nmf.partial_fit(da.zeros((9, 14))))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (da.zeros((9, 5)), r"shape \(n_frames, 4\)"),
        (da.zeros(4), r"shape \(n_frames, 4\)"),
        (da.zeros((9, 4), chunks=(9, 2)), r"X.rechunk\({1: -1}\)"),
        (da.zeros((9, 4), dtype=complex), "Complex data not supported"),
    ],
)
def test_activations_that_are_refused(X, message):
    nmf = small().fit(frames())
    refuses(message, lambda: nmf.inverse_transform(X))


def test_parameters_that_do_not_suit_dask_arrays():
    X = uncomputed()
    refuses("X is a Dask array, which `device`='cuda' cannot", lambda: small(device="cuda").fit(X))
    refuses("batch_size=None, or `partial_fit`", lambda: small(batch_size=100).fit(X))
    refuses("`init` must be one of", lambda: small(init="best").fit(chunked(frames())))
    refuses("`max_iter`", lambda: small(max_iter=0).fit(X))
    message = "at most min.n_frames, n_freqs. = 15 components"
    refuses(message, lambda: small(16, init="nndsvd").fit(chunked(frames())))
    nmf = small(device="cuda")
    refuses("device='cpu'", lambda: nmf.partial_fit(X))


def test_a_gpu_that_may_be_there_is_not_used():
    X = frames()
    nmf = small(device="auto", beta_loss=1).fit(chunked(X))
    np.testing.assert_array_equal(nmf.components_, small(beta_loss=1).fit(chunked(X)).components_)


# Everything else

TABLE, TARGETS = frames(40), frames(40) / 2
SEPARATOR = supervised().fit(TABLE, TARGETS)
OTHERS = {
    "separator.fit": lambda X: supervised().fit(X, TARGETS),
    "separator.fit y": lambda X: supervised().fit(TABLE, X),
    "network.fit": lambda X: drnmf().fit(X, TARGETS),
    "separator.predict": lambda X: SEPARATOR.predict(X),
    "separator.score": lambda X: SEPARATOR.score(X, TARGETS),
    "separator.transform": lambda X: SEPARATOR.transform(X),
    "network.partial_fit": lambda X: drnmf().partial_fit(X, TARGETS),
    "list": lambda X: small().fit([X]),
    "STFT": lambda X: STFT(16, 4).fit(X),
    "STFT.transform": lambda X: STFT(16, 4).transform(X),
    "STFT.inverse_transform": lambda X: STFT(16, 4).inverse_transform(X),
    "si_sdr": lambda X: si_sdr(X, TABLE),
    "mix_at_snr": lambda X: mix_at_snr(X[0], X[1], 0),
    "components": lambda X: small(init=X).fit(TABLE),
    "weights": lambda X: (
        supervised().fit(TABLE, TARGETS).score(TABLE, TARGETS, sample_weight=X[:, 0])
    ),
    "waveforms": lambda X: STFT(16, 4).transform([X[:, 0]]),
}


@pytest.mark.parametrize("call", OTHERS)
def test_nothing_else_gathers_a_dask_array(call):
    refuses(r"is a Dask .*\.compute\(\)", lambda: OTHERS[call](uncomputed()), TypeError)


def test_other_collections_are_refused_by_name():
    delayed = dask.delayed(never)()
    refuses(r"X is a Dask Delayed", lambda: small().fit(delayed), TypeError)
    refuses(
        r"is a Dask Array", lambda: SupervisedNMFSeparator().fit(uncomputed()[0], TABLE), TypeError
    )


def test_dask_is_not_imported_without_need():
    code = "import sys, sknmf_unfold; sys.exit('dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
