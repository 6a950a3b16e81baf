import numpy as np
import pytest
from sklearn.decomposition._nmf import _beta_divergence

from sknmf_unfold.nmf.divergence import beta_divergence, check_beta
from tests.oracles.nmf import divergence_loop

BETAS = (2, 1, 0, 0.5, 1.5, 3, -1, -0.3)


def pair(dtype="float64", level=1.0, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = level * rng.gamma(1.0, 1.0, (2, 9, 7)) + level * 1e-3
    return X.astype(dtype), Y.astype(dtype)


@pytest.mark.parametrize("beta", BETAS)
def test_equals_the_scalar_loop(beta):
    X, Y = pair()
    divergence = beta_divergence(X, Y, beta)
    assert type(divergence) is float
    assert divergence == pytest.approx(divergence_loop(X, Y, beta), rel=1e-13)


@pytest.mark.parametrize("beta", BETAS)
def test_equals_that_of_scikit_learn(beta):
    X, Y = pair()
    expected = _beta_divergence(X, np.eye(len(Y)), Y, beta)
    assert beta_divergence(X, Y, beta) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("beta", BETAS)
def test_is_zero_only_where_both_are_equal(beta):
    X, Y = pair()
    scale = float(np.sum(X**beta)) + 1
    assert beta_divergence(X, X, beta) == pytest.approx(0, abs=1e-15 * scale)
    for x, y in zip(X.ravel(), Y.ravel(), strict=True):
        assert beta_divergence(np.array([[x]]), np.array([[y]]), beta) > 0


@pytest.mark.parametrize("beta", BETAS)
def test_scales_with_the_level_to_the_power_of_beta(beta):
    X, Y = pair()
    for level in (1e-4, 1e4):
        scaled = beta_divergence(level * X, level * Y, beta)
        assert scaled == pytest.approx(level**beta * beta_divergence(X, Y, beta), rel=1e-11)


@pytest.mark.parametrize("limit", [0, 1])
def test_is_continuous_in_beta(limit):
    X, Y = pair()
    exact = beta_divergence(X, Y, limit)
    slope = beta_divergence(X, Y, limit + 1e-3) - beta_divergence(X, Y, limit - 1e-3)
    for side in (-1, 1):
        # First order in the distance: a tenth of the distance, a tenth of the difference.
        for distance in (1e-4, 1e-5):
            difference = side * (beta_divergence(X, Y, limit + side * distance) - exact)
            assert difference == pytest.approx(slope * distance / 2e-3, rel=1e-3)


def test_zeros_in_the_data_count_what_is_approximated():
    # x log(x / y) - x + y is y at x = 0, and the limit of what is there for small x.
    zeros, Y = np.zeros((3, 4)), pair()[1][:3, :4]
    assert beta_divergence(zeros, Y, 1) == pytest.approx(Y.sum(), rel=1e-15)
    assert beta_divergence(zeros, Y, 2) == pytest.approx(0.5 * np.sum(Y**2), rel=1e-15)
    assert beta_divergence(zeros, Y, 1.5) == pytest.approx(
        divergence_loop(zeros, Y, 1.5), rel=1e-14
    )
    assert beta_divergence(zeros + 1e-12, Y, 1) == pytest.approx(Y.sum(), rel=1e-9)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("level", [1e-8, 1.0, 1e4])
def test_single_precision_is_summed_in_double(beta, level):
    X, Y = (np.tile(array, (200, 1)) for array in pair("float32", level))
    expected = beta_divergence(X.astype("float64"), Y.astype("float64"), beta)
    assert beta_divergence(X, Y, beta) == pytest.approx(expected, rel=1e-5)


def test_sum_of_many_small_terms_keeps_them_all():
    # 2 ** 24 + 1 is no float32: a sum in single precision would stop here.
    X = np.concatenate([np.full((1, 1), 2.0**13), np.full((2**10, 1), 1.0)]).astype("float32")
    assert beta_divergence(X, np.zeros_like(X), 2) == 2.0**25 + 2.0**9


@pytest.mark.parametrize("beta", BETAS)
def test_inputs_are_left_alone(beta):
    X, Y = pair()
    copies = X.copy(), Y.copy()
    X.flags.writeable = Y.flags.writeable = False
    beta_divergence(X, Y, beta)
    np.testing.assert_array_equal((X, Y), copies)


@pytest.mark.parametrize(
    ("beta_loss", "beta"),
    [
        ("frobenius", 2.0),
        ("kullback-leibler", 1.0),
        ("itakura-saito", 0.0),
        (2, 2.0),
        (-1.5, -1.5),
        (np.float32(0.5), 0.5),
        (np.int64(1), 1.0),
    ],
)
def test_names_and_numbers_of_beta(beta_loss, beta):
    assert check_beta(beta_loss) == beta
    assert type(check_beta(beta_loss)) is float


@pytest.mark.parametrize(
    ("beta_loss", "error", "message"),
    [
        ("kl", ValueError, r"must be one of 'frobenius', .* or a number; got 'kl'\."),
        (None, ValueError, r"`beta_loss` must be one of .* got None\."),
        ([2], ValueError, r"`beta_loss` must be one of .* got \[2\]\."),
        (np.nan, ValueError, r"`beta_loss` must be a finite number; got nan\."),
        (np.inf, ValueError, r"`beta_loss` must be a finite number; got inf\."),
        (True, TypeError, r"`beta_loss` must be a finite number; got True \(bool\)\."),
    ],
)
def test_bad_beta(beta_loss, error, message):
    with pytest.raises(error, match=message):
        check_beta(beta_loss)
