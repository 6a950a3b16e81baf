import warnings

import numpy as np
import pytest
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sknmf_unfold import STFT, SparseNMF
from sknmf_unfold.nmf.cd_inference import optimality_gap
from sknmf_unfold.nmf.divergence import check_beta
from tests.oracles.nmf import divergence_loop, objective_loop

BETA_LOSSES = ("frobenius", "kullback-leibler", "itakura-saito", 0.5)


def planted(n_frames=200, noise=0.01, seed=0):
    """Frames of five components, and the components, rows of unit norm."""
    rng = np.random.default_rng(seed)
    components = rng.gamma(0.3, 1.0, (5, 24)) + 1e-3
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    X = rng.gamma(0.3, 3.0, (n_frames, 5)) @ components
    return X + noise * rng.gamma(1.0, 1.0, X.shape), components


def small(**settings):
    defaults = {"n_components": 5, "sparsity": 0.1, "random_state": 0, "max_iter": 30}
    return SparseNMF(**(defaults | settings))


def best_cosines(components, planted_components):
    """For each planted component, the cosine of its angle to the nearest one found."""
    return (planted_components @ components.T).max(axis=1)


# Learned components


@pytest.mark.parametrize("beta_loss", BETA_LOSSES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_recovers_the_planted_components(beta_loss, seed):
    X, components = planted(300)
    sparsity = 0.1 if beta_loss == "frobenius" else 0.01
    settings = {"sparsity": sparsity, "max_iter": 300, "tol": 1e-6, "random_state": seed}
    found = small(beta_loss=beta_loss, **settings).fit(X).components_
    start = small(solver="mu", max_iter=1, random_state=seed).fit(X).components_
    assert best_cosines(start, components).min() < 0.9
    assert best_cosines(found, components).min() > 0.995


@pytest.mark.parametrize("beta_loss", BETA_LOSSES)
def test_without_penalty_it_is_as_good_as_scikit_learns_nmf(beta_loss):
    X, _ = planted(noise=0.2)
    ours = small(beta_loss=beta_loss, sparsity=0, max_iter=400, tol=0).fit(X)
    settings = {"solver": "mu", "beta_loss": beta_loss, "tol": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = NMF(5, init="random", max_iter=400, random_state=0, **settings).fit(X)
        further = NMF(5, init="custom", max_iter=200, **settings)
        further.fit_transform(X, W=ours.transform(X), H=ours.components_.copy())
    reached = ours.reconstruction_err_**2
    assert reached < 1.005 * theirs.reconstruction_err_**2
    # Started from ours, the other solver finds next to nothing left to gain.
    assert 0.995 * reached < further.reconstruction_err_**2 <= 1.002 * reached


@pytest.mark.parametrize("beta_loss", BETA_LOSSES)
def test_penalty_makes_activations_sparse(beta_loss):
    X, _ = planted()
    zeros, sums = [], []
    for sparsity in (0, 0.1, 0.5):
        nmf = small(beta_loss=beta_loss, sparsity=sparsity, max_iter=100).fit(X)
        activations = nmf.transform(X)
        zeros.append(np.mean(activations < 1e-6))
        sums.append(activations.sum())
    assert zeros[0] < zeros[1] < zeros[2]
    assert sums[0] > sums[1] > sums[2]


def test_the_penalty_cannot_be_bought_off_by_larger_components():
    X, _ = planted()
    for sparsity in (0.1, 10.0):
        components = small(sparsity=sparsity).fit(X).components_
        np.testing.assert_allclose(np.linalg.norm(components, axis=1), 1, rtol=1e-14)
        assert components.min() >= 0


# Fitted attributes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta_loss", BETA_LOSSES)
def test_shapes_norms_and_dtypes(beta_loss, dtype):
    X = planted(50)[0].astype(dtype)
    nmf = small(beta_loss=beta_loss, n_components=7).fit(X)
    activations = nmf.transform(X)
    assert nmf.components_.shape == (7, 24)
    assert activations.shape == (50, 7)
    assert nmf.n_features_in_ == 24
    assert nmf.components_.dtype == activations.dtype == dtype
    assert nmf.inverse_transform(activations).dtype == dtype
    np.testing.assert_allclose(
        np.linalg.norm(nmf.components_, axis=1), 1, rtol=4 * np.finfo(dtype).eps
    )
    assert min(nmf.components_.min(), activations.min()) >= 0
    assert type(nmf.reconstruction_err_) is float


@pytest.mark.parametrize("beta_loss", BETA_LOSSES)
def test_curve_and_error_agree_with_the_loop(beta_loss):
    X, _ = planted(40, noise=0.1)
    beta = check_beta(beta_loss)
    nmf = small(beta_loss=beta_loss, sparsity=0, max_iter=25, tol=0).fit(X)
    assert nmf.n_iter_ == 25
    assert nmf.objective_curve_.shape == (26,)
    # Without a penalty the objective is the divergence itself.
    expected = np.sqrt(2 * nmf.objective_curve_[-1])
    assert nmf.reconstruction_err_ == pytest.approx(expected, rel=1e-9)
    # Activations inferred to the end for the same components leave about the same error.
    nmf = small(beta_loss=beta_loss, sparsity=0, max_iter=3000, tol=0).fit(X)
    approximation = nmf.inverse_transform(nmf.transform(X))
    expected = np.sqrt(2 * divergence_loop(X, approximation, beta))
    assert nmf.reconstruction_err_ == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("beta_loss", BETA_LOSSES)
def test_curve_ends_at_the_penalised_objective(beta_loss):
    X, _ = planted(40, noise=0.1)
    nmf = small(beta_loss=beta_loss, sparsity=0.2, max_iter=3000, tol=0).fit(X)
    activations = nmf.transform(X)
    expected = objective_loop(X, nmf.components_, activations, check_beta(beta_loss), 0.2)
    assert nmf.objective_curve_[-1] == pytest.approx(expected, rel=1e-3)
    assert (np.diff(nmf.objective_curve_) <= 1e-14 * nmf.objective_curve_[0]).all()
    # The penalty is in the curve and not in the error.
    without = nmf.objective_curve_[-1] - 0.2 * activations.sum()
    assert nmf.reconstruction_err_ == pytest.approx(np.sqrt(2 * without), rel=1e-2)
    assert without < 0.9 * nmf.objective_curve_[-1]


@pytest.mark.parametrize("solver", ["mu", "cd"])
def test_tol_stops_early_in_fit_and_never_in_transform(solver):
    X, _ = planted()
    early = small(solver=solver, max_iter=500, tol=1e-2).fit(X)
    assert early.n_iter_ < 100
    assert early.n_iter_ % 10 == 0
    whole = small(solver=solver, max_iter=500, tol=0).fit(X)
    assert whole.n_iter_ == 500
    assert whole.objective_curve_[-1] < early.objective_curve_[-1]
    one_by_one = np.vstack([early.transform(x[np.newaxis]) for x in X])
    np.testing.assert_allclose(early.transform(X), one_by_one, rtol=1e-9, atol=1e-12)


# Input


def test_lists_arrays_and_spectrograms_agree():
    waveforms = [np.random.default_rng(i).standard_normal(n) for i, n in enumerate((900, 1, 1500))]
    spectrograms = STFT(64, 16).transform(waveforms)
    magnitudes = [item.magnitude() for item in spectrograms]
    table = np.vstack(magnitudes)
    fitted = [small().fit(X) for X in (table, magnitudes, tuple(magnitudes), spectrograms)]
    for nmf in fitted[1:]:
        np.testing.assert_array_equal(nmf.components_, fitted[0].components_)
        np.testing.assert_array_equal(nmf.objective_curve_, fitted[0].objective_curve_)
    whole = fitted[0].transform(table)
    assert isinstance(whole, np.ndarray)
    for X in (magnitudes, tuple(magnitudes), spectrograms):
        parts = fitted[0].transform(X)
        assert isinstance(parts, list)
        assert [len(part) for part in parts] == [len(x) for x in magnitudes]
        np.testing.assert_allclose(np.vstack(parts), whole, rtol=1e-10, atol=1e-13)
    back = fitted[0].inverse_transform(parts)
    for x, part in zip(back, parts, strict=True):
        np.testing.assert_array_equal(x, part @ fitted[0].components_)
    np.testing.assert_array_equal(fitted[0].inverse_transform(whole), whole @ fitted[0].components_)


def test_plain_lists_of_numbers_are_a_table():
    X, _ = planted(20)
    nmf = small().fit(X.tolist())
    np.testing.assert_array_equal(nmf.components_, small().fit(X).components_)
    assert nmf.transform(X.tolist()).shape == (20, 5)


def test_same_seed_same_result_and_another_seed_another():
    X, _ = planted(50)
    first, again, other = (small(random_state=seed).fit(X).components_ for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    generator = np.random.RandomState(0)
    np.testing.assert_array_equal(small(random_state=generator).fit(X).components_, first)
    assert np.abs(small(random_state=generator).fit(X).components_ - first).max() > 0.01


def test_fit_starts_anew_each_time():
    X, _ = planted(50)
    nmf = small().fit(X)
    np.testing.assert_array_equal(nmf.fit(X[:30]).components_, small().fit(X[:30]).components_)


def test_init_is_where_it_starts():
    X, components = planted(50, noise=0.0)
    init = 3 * components
    copy = init.copy()
    init.flags.writeable = False
    nmf = small(init=init, sparsity=0, max_iter=200, tol=0).fit(X)
    np.testing.assert_array_equal(init, copy)
    # Started at the solution, it stays there, row by row.
    np.testing.assert_allclose(np.sum(nmf.components_ * components, axis=1), 1, atol=1e-3)
    listed = small(init=init.tolist()).fit(X).components_
    scaled = small(init=components).fit(X).components_
    np.testing.assert_allclose(listed, scaled, rtol=1e-10, atol=1e-14)


def test_fixed_components_stay_and_come_first():
    X, components = planted(300)
    fixed = 7 * components[3:]
    settings = {"n_components": 3, "max_iter": 300, "tol": 1e-6}
    nmf = small(fixed_components=fixed, **settings).fit(X)
    assert nmf.components_.shape == (5, 24)
    np.testing.assert_allclose(nmf.components_[:2], components[3:], rtol=1e-14)
    # The other components are the ones to learn.
    assert best_cosines(nmf.components_[2:], components[:3]).min() > 0.99
    with_init = small(fixed_components=fixed, init=components[:3], **settings).fit(X)
    cosines = np.sum(with_init.components_[2:] * components[:3], axis=1)
    assert cosines.min() > 0.99


def test_max_frames_learns_from_a_random_part():
    X, _ = planted(200)
    generator = np.random.RandomState(0)
    part = np.sort(generator.choice(200, 40, replace=False))
    expected = small(random_state=generator).fit(X[part])
    for X_form in (X, [X[:50], X[50:51], X[51:]]):
        nmf = small(max_frames=40).fit(X_form)
        np.testing.assert_array_equal(nmf.components_, expected.components_)
        np.testing.assert_array_equal(nmf.objective_curve_, expected.objective_curve_)
    for enough in (200, 10_000):
        np.testing.assert_array_equal(
            small(max_frames=enough).fit(X).components_, small().fit(X).components_
        )


# One of the levels is far below the sparsity weight.
@pytest.mark.filterwarnings("ignore:.*all activations are 0")
def test_inputs_are_left_alone():
    X, _ = planted(30)
    for level in (1e-8, 1.0, 1e4):
        for dtype in ("float32", "float64"):
            for beta_loss in BETA_LOSSES:
                data = (level * X).astype(dtype)
                copy = data.copy()
                data.flags.writeable = False
                nmf = small(beta_loss=beta_loss, max_iter=3).fit(data)
                nmf.transform([data])
                np.testing.assert_array_equal(data, copy)


def test_feature_names():
    X, _ = planted(20)
    nmf = small(fixed_components=X[:2]).fit(X)
    assert nmf.get_feature_names_out().tolist() == [f"sparsenmf{i}" for i in range(7)]


def test_pandas_output():
    pandas = pytest.importorskip("pandas")
    X, _ = planted(20)
    frame = pandas.DataFrame(X, columns=[f"bin{i}" for i in range(24)])
    nmf = small().set_output(transform="pandas").fit(frame)
    activations = nmf.transform(frame)
    assert activations.columns.tolist() == [f"sparsenmf{i}" for i in range(5)]
    expected = small().fit(X).transform(X)
    np.testing.assert_allclose(activations, expected, rtol=1e-9, atol=1e-12)


def test_progress_is_shown_only_under_verbose(capsys):
    X, _ = planted(20)
    small(max_iter=4).fit(X)
    assert capsys.readouterr() == ("", "")
    small(max_iter=4, verbose=1).fit(X)
    out, err = capsys.readouterr()
    assert out == ""
    assert "SparseNMF" in err and "4/4" in err


# Edges


@pytest.mark.parametrize("beta_loss", [*BETA_LOSSES, 3, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_silence(beta_loss, dtype):
    nmf = small(beta_loss=beta_loss).fit(np.zeros((10, 6), dtype=dtype))
    np.testing.assert_allclose(np.linalg.norm(nmf.components_, axis=1), 1, rtol=1e-6)
    assert np.isfinite(nmf.objective_curve_).all()
    assert nmf.reconstruction_err_ < 1
    activations = nmf.transform([np.zeros((2, 6), dtype=dtype)])[0]
    assert activations.max() <= (0 if check_beta(beta_loss) > 0 else 1e-12)


@pytest.mark.parametrize("level", [1e-8, 1e4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_levels(level, dtype):
    X = planted(50)[0].astype(dtype)
    scaled = (level * X).astype(dtype)
    expected = small(max_iter=10).fit(X)
    # The penalty is in the units of X.
    nmf = small(max_iter=10, sparsity=0.1 * level).fit(scaled)
    rtol = 1e-3 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(nmf.components_, expected.components_, rtol=rtol, atol=rtol)
    assert nmf.reconstruction_err_ == pytest.approx(level * expected.reconstruction_err_, rel=rtol)
    activations = level * expected.transform(X)
    atol = rtol * activations.max()
    np.testing.assert_allclose(nmf.transform(scaled), activations, rtol=0, atol=atol)


# Not beta = 3 at 1e-8: cubes of that vanish beside the MIN_ENTRY that keeps the updates from 0 / 0.
@pytest.mark.parametrize(
    ("beta_loss", "level"),
    [*((beta_loss, level) for beta_loss in (*BETA_LOSSES, -1) for level in (1e-8, 1e4)), (3, 1e4)],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_divergence_learns_at_any_level(beta_loss, level, dtype):
    X = (level * planted(50)[0]).astype(dtype)
    nmf = small(beta_loss=beta_loss, sparsity=0).fit(X)
    assert np.isfinite(nmf.components_).all()
    assert nmf.objective_curve_[-1] < 0.9 * nmf.objective_curve_[0]
    approximation = nmf.inverse_transform(nmf.transform(X))
    # The approximation has the level of the data, frame by frame.
    ratio = approximation.sum(axis=1) / X.sum(axis=1)
    assert 0.3 < ratio.min() <= ratio.max() < 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
@pytest.mark.parametrize("beta_loss", BETA_LOSSES)
def test_one_frame_or_one_bin(shape, beta_loss):
    X = np.random.default_rng(0).uniform(0.1, 1, shape)
    settings = {"max_iter": 2000, "tol": 0, "transform_tol": 1e-6}
    nmf = small(beta_loss=beta_loss, n_components=2, sparsity=0, **settings).fit(X)
    approximation = nmf.inverse_transform(nmf.transform(X))
    # Two components are enough for these.
    np.testing.assert_allclose(approximation, X, rtol=1e-4)


# Messages


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_components": 0}, ValueError, r"`n_components` must be a whole number >= 1; got 0\."),
        ({"n_components": 2.5}, TypeError, r"`n_components` must be .*; got 2.5 \(float\)\."),
        ({"sparsity": -1}, ValueError, r"`sparsity` must be a finite number >= 0; got -1\."),
        ({"sparsity": np.nan}, ValueError, r"`sparsity` must be a finite number >= 0; got nan\."),
        ({"max_iter": 0}, ValueError, r"`max_iter` must be a whole number >= 1; got 0\."),
        ({"tol": -1e-4}, ValueError, r"`tol` must be a finite number >= 0; got -0\.0001\."),
        ({"max_frames": 0}, ValueError, r"`max_frames` must be a whole number >= 1; got 0\."),
        ({"beta_loss": "euclid"}, ValueError, r"`beta_loss` must be one of .*; got 'euclid'\."),
        (
            {"transform_tol": -1},
            ValueError,
            r"`transform_tol` must be a finite number >= 0; got -1",
        ),
        ({"batch_size": 0}, ValueError, r"`batch_size` must be a whole number >= 1; got 0"),
        ({"batch_size": "all"}, TypeError, r"`batch_size` must be .*; got 'all'"),
        (
            {"init": "svd"},
            ValueError,
            r"`init` must be one of 'random', .* or an array .*; got 'svd'\.",
        ),
        ({"init": np.ones((4, 6))}, ValueError, r"`init` has 4 rows but n_components=5"),
        ({"init": np.ones((5, 7))}, ValueError, r"`init` must be .* 6 columns; got .* \(5, 7\)"),
        ({"init": -np.ones((5, 6))}, ValueError, r"`init` must be non-negative .* minimum of -1"),
        ({"init": np.eye(5, 6, 3)}, ValueError, r"`init` has only zeros in row 3;"),
        ({"init": np.full((5, 6), np.nan)}, ValueError, r"Input init contains NaN"),
        ({"fixed_components": np.ones((1, 7))}, ValueError, r"`fixed_components` must be .* 6 col"),
        ({"fixed_components": np.zeros((1, 6))}, ValueError, r"`fixed_components` has only zeros"),
    ],
)
def test_bad_parameters(settings, error, message):
    with pytest.raises(error, match=message):
        small(**settings).fit(np.ones((10, 6)))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, r"X is an empty list"),
        ([np.ones(100)], ValueError, r"X\[0\] is 1-D, of shape \(100,\).*did you forget STFT\(\)"),
        (
            [np.ones((3, 6)), np.ones((6, 3))],
            ValueError,
            r"X\[1\] has 3 bins but 6 are wanted\. Is",
        ),
        ([np.ones((3, 6)), -np.ones((3, 6))], ValueError, r"X\[1\] has -1 at frame 0, bin 0"),
        (-np.ones((3, 6)), ValueError, r"Negative values in data passed to SparseNMF"),
        ([np.full((3, 6), np.inf)], ValueError, r"X\[0\] contains infinity at frame 0, bin 0"),
        ([np.ones((0, 6))], ValueError, r"X\[0\] must be a non-empty 2-D array"),
        (np.ones(6), ValueError, r"Expected 2D array, got 1D array"),
    ],
)
def test_bad_input(X, error, message):
    with pytest.raises(error, match=message):
        small().fit(X)


def test_transform_checks_the_number_of_bins_and_columns():
    X, _ = planted(20)
    nmf = small().fit(X)
    for wrong in ([np.ones((3, 23))], np.ones((3, 23))):
        with pytest.raises(ValueError, match=r"X has 23 features.*SparseNMF is expecting 24"):
            nmf.transform(wrong)
    for wrong in (np.ones((3, 4)), [np.ones((3, 5)), np.ones((3, 4))]):
        with pytest.raises(
            ValueError, match=r"X(\[1\])? has 4 columns but there are 5 components\."
        ):
            nmf.inverse_transform(wrong)
    for method in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(small(), method)(X)


# Coordinate descent


def noisy_frames(n_frames=400, dtype="float64"):
    rng = np.random.RandomState(0)
    X = rng.gamma(0.3, 3.0, (n_frames, 5)) @ rng.gamma(0.3, 1.0, (5, 20))
    return (X + 0.1 * rng.gamma(0.5, 1.0, X.shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_coordinate_descent_ends_below_multiplicative_updates(dtype):
    X = noisy_frames(dtype=dtype)
    settings = {"sparsity": 0.2, "random_state": 0, "tol": 0}
    slow = SparseNMF(5, solver="mu", **settings).fit(X)
    fast = SparseNMF(5, solver="cd", max_iter=30, **settings).fit(X)
    assert fast.objective_curve_[-1] < slow.objective_curve_[-1]
    assert fast.components_.dtype == dtype
    assert fast.n_iter_ == 30
    np.testing.assert_allclose(np.linalg.norm(fast.components_, axis=1), 1, rtol=1e-6)
    residual = X - fast.set_params(max_iter=1000).transform(X) @ fast.components_
    assert fast.reconstruction_err_ == pytest.approx(np.linalg.norm(residual), rel=0.02)


def test_transform_by_coordinate_descent_is_optimal():
    X = noisy_frames()
    nmf = SparseNMF(5, sparsity=0.2, solver="cd", max_iter=500, random_state=0).fit(X)
    H = nmf.transform(X)
    assert optimality_gap(X, nmf.components_, H, 0.2).max() <= 5e-3
    parts = nmf.transform([X[:100], X[100:]])
    np.testing.assert_allclose(np.concatenate(parts), H, atol=1e-9)


def test_coordinate_descent_keeps_fixed_components():
    X, fixed = noisy_frames(), np.eye(2, 20)
    nmf = SparseNMF(3, solver="cd", fixed_components=fixed, sparsity=0.2, random_state=0).fit(X)
    np.testing.assert_array_equal(nmf.components_[:2], fixed)
    assert nmf.components_.shape == (5, 20)


def test_coordinate_descent_is_for_the_frobenius_norm():
    with pytest.raises(ValueError, match="`solver`='cd' minimises beta_loss='frobenius' only"):
        SparseNMF(3, solver="cd", beta_loss=1).fit(noisy_frames())
    with pytest.raises(ValueError, match="`solver` must be one of 'auto', 'cd', 'mu'; got 'als'"):
        SparseNMF(3, solver="als").fit(noisy_frames())
