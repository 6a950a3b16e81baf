"""Limits of levels and sizes: refused above, computed correctly below."""

import numpy as np
import pytest

from sknmf_unfold import STFT, metrics
from tests._counts import count
from tests._factories import drnmf, nmf, supervised
from tests._refusals import refuses

RNG = np.random.RandomState(0)
X = [RNG.gamma(0.5, 1.0, (n, 33)) for n in (9, 7)]
Y = [x * np.linspace(1, 0, 33) for x in X]
WAVES = [0.1 * RNG.randn(n) for n in (500, 400)]
STFT_64 = STFT(64, 16)
SPECTROGRAMS = STFT_64.transform(WAVES)
FLOOR_OF_BETA = "leaves the range of float32 for magnitudes from .* or pass them as float64"


def scaled(arrays, level, dtype="float32"):
    return [(level * array).astype(dtype) for array in arrays]


FITTED = [make().fit(scaled(X, 1), scaled(Y, 1)) for make in (supervised, drnmf)]
LOUD = scaled(X, 1e34)
WITH_SILENCE = [np.vstack([x, np.zeros((2, 33), "float32")]) for x in scaled(X, 1)]


REFUSED = {
    "waveform": (
        r"X\[0\] peaks at .*e\+37, too much to compute with in float32; scale it",
        lambda: STFT_64.transform(scaled(WAVES, 1e38)),
    ),
    "waveform, float64": (
        r"X\[0\] peaks at .*e\+306, too much to compute with in float64",
        lambda: STFT_64.transform(scaled(WAVES, 1e307, "float64")),
    ),
    "table of waveforms": (
        "X peaks at 1e[+]38",
        lambda: STFT_64.fit(np.full((2, 300), 1e38, "float32")),
    ),
    "long double": (
        r"X\[0\] contains infinity at sample 1",
        lambda: STFT_64.transform([np.array([0, np.longdouble("1e4000")])]),
    ),
    "magnitudes": (r"X\[0\] peaks at .*in float32; scale", lambda: nmf().fit(LOUD)),
    "table": ("X peaks at .*in float32; scale", lambda: nmf().fit(LOUD[0])),
    "magnitudes to predict from": (r"X\[0\] peaks at", lambda: FITTED[1].predict(LOUD)),
    "targets": (r"y\[0\] peaks at", lambda: supervised().fit(scaled(X, 1), LOUD)),
    "targets that the mixtures cannot hold": (
        r"y\[0\] peaks at inf, too much to compute with in float32",
        lambda: supervised().fit(scaled(X, 1), scaled(Y, 1e300, "float64")),
    ),
    "spectrograms by hand": (
        r"X\[1\] peaks at",
        lambda: supervised().fit(
            [SPECTROGRAMS[0], SPECTROGRAMS[1].of(1e305 * WAVES[1])],
            WAVES,
        ),
    ),
    "squares": (FLOOR_OF_BETA, lambda: nmf().fit(scaled(X, 1e30))),
    "squares, float64": (
        "`beta_loss`=2 leaves the range of float64",
        lambda: nmf().fit(scaled(X, 1e200, "float64")),
    ),
    "cubes": (FLOOR_OF_BETA, lambda: nmf(beta_loss=3).fit(scaled(X, 1e15))),
    "negative powers": (FLOOR_OF_BETA, lambda: nmf(beta_loss=-4).fit(WITH_SILENCE)),
    "negative powers of silence": (
        FLOOR_OF_BETA,
        lambda: nmf(beta_loss=-4).fit(np.zeros((5, 6), "float32")),
    ),
    "negative powers to infer from": (
        FLOOR_OF_BETA,
        lambda: nmf().fit(scaled(X, 1)).set_params(beta_loss=-4).transform(WITH_SILENCE),
    ),
    "n_fft": (
        "`n_fft` must be a whole number <= 1048576; got 10000000000",
        lambda: STFT(10**10, 10**9).fit(WAVES),
    ),
    "sample_rate": (
        "`sample_rate` must be a whole number <= 10000000; got 10000000000",
        lambda: STFT(sample_rate=10**10).fit(WAVES),
    ),
    "filter_length": (
        "`filter_length` must be a whole number <= 16384; got 1000000",
        lambda: metrics.sdr(WAVES[0], WAVES[0], filter_length=10**6),
    ),
    "window of large samples": (
        r"`window` must have samples of at most 1000; got 1e\+200",
        lambda: STFT(64, 16, window=np.full(64, 1e200)).fit(WAVES),
    ),
    "window of a function": (
        "`window` must be a name or an array of n_fft=64 samples; got <function hanning",
        lambda: STFT(64, 16, window=np.hanning).fit(WAVES),
        TypeError,
    ),
    "window of names": (
        "`window` must be a name or an array",
        lambda: STFT(64, 16, window=["hann"]).fit(WAVES),
        TypeError,
    ),
    "complex window": (
        "`window` must be a name or an array",
        lambda: STFT(64, 16, window=1j * np.ones(64)).fit(WAVES),
        TypeError,
    ),
    "ragged window": (
        "`window` cannot become an array of numbers",
        lambda: STFT(64, 16, window=[[1], [1, 2]]).fit(WAVES),
        TypeError,
    ),
    "array of steps": (
        "`step_size` must be a finite number > 0; got array",
        lambda: supervised(step_size=np.ones(2)).fit(X, Y),
        TypeError,
    ),
    "parameter set after the fit": (
        "`n_iter` must be a whole number >= 1; got 0",
        lambda: supervised().fit(X, Y).set_params(n_iter=0).predict(X),
    ),
    "sparsity set after the fit": (
        "`sparsity` must be a finite number >= 0; got 'a'",
        lambda: supervised().fit(X, Y).set_params(sparsity="a").transform(X),
        TypeError,
    ),
    "ragged components": (
        "`init` cannot become an array of numbers",
        lambda: nmf(init=[[1], [1, 2]]).fit(X),
        TypeError,
    ),
    "no target components": (
        "`target_components` must be an array of numbers; got None",
        lambda: supervised().fit_interference(X, None),
        TypeError,
    ),
    "target components of other bins": (
        r"`target_components` must be non-negative with 33 columns; got shape \(2, 5\)",
        lambda: supervised().fit_interference(X, np.ones((2, 5))),
    ),
    "NaN in components": (
        "Input fixed_components contains NaN. The first is in row 0, column 1",
        lambda: nmf(fixed_components=np.where(np.eye(2, 33, 1), np.nan, 1)).fit(X),
    ),
    "device that holds no numbers": (
        "`device` is 'meta' but torch finds no GPU of that kind; use 'auto' or 'cpu'",
        lambda: drnmf(device="meta").fit(X, Y),
    ),
    "NaN in a table": (
        "Input X contains NaN. The first is in row 0, column 5",
        lambda: nmf().fit(np.where(np.arange(33) == 5, np.nan, X[0])),
    ),
    "infinity in a table of waveforms": (
        r"Input X contains infinity .* The first is in row 1, column 0",
        lambda: STFT_64.fit(np.array([[0.0, 1.0], [np.inf, 1.0]])),
    ),
    "NaN in the targets of a table": (
        "Input y contains NaN. The first is in row 2",
        lambda: supervised().fit(X[1], np.array([0, 0, np.nan, 0, 0, 0, 0])),
    ),
    "fewer validation targets": (
        r"validation_data\[0\] has 2 items but validation_data\[1\] has 1",
        lambda: drnmf().fit(X, Y, validation_data=(X, Y[:1])),
    ),
    "NaN in validation targets": (
        r"validation_data\[1\]\[0\] contains NaN at frame 0, bin 0",
        lambda: drnmf().fit(X, Y, validation_data=(X, [np.nan * y for y in Y])),
    ),
    "no validation targets": (
        r"the target validation_data\[1\] is None",
        lambda: drnmf().fit(X, Y, validation_data=(X, None)),
    ),
    "weights of other scores": (
        r"`weights` has shape \(1,\) but `values` has \(2,\)",
        lambda: metrics.mean_over_active([1, 2], [1]),
    ),
    "scores that are none": (
        "`values` must be scores in dB; got 'abc'",
        lambda: metrics.mean_over_active("abc"),
        TypeError,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    message, call, *error = REFUSED[case]
    refuses(message, call, *error)


@pytest.mark.parametrize(("dtype", "level"), [("float32", 1e30), ("float64", 1e300)])
def test_what_is_below_the_limit_is_computed(dtype, level):
    waves = scaled(WAVES, level, dtype)
    for item, wave in zip(STFT_64.transform(waves), waves, strict=True):
        assert np.isfinite(item.magnitude()).all()
        atol = 1e-6 * float(np.abs(wave).max())
        np.testing.assert_allclose(item.inverse(), wave, rtol=0, atol=atol)
    for separator in FITTED:
        masks = separator.predict_mask(scaled(X, level, dtype))
        assert all(0 <= mask.min() <= mask.max() <= 1 for mask in masks)
    count("odd inputs accepted")


@pytest.mark.parametrize("level", [1e-8, 1e8, 1e200])
def test_scores_of_magnitudes_do_not_depend_on_the_level(level):
    # The activations of `mu` without a penalty scale with the magnitudes.
    separator = supervised(sparsity=0, inference="mu").fit(X, Y)
    expected = separator.score(X, Y)
    mixtures, targets = scaled(X, level, "float64"), scaled(Y, level, "float64")
    assert separator.score(mixtures, targets) == pytest.approx(expected, rel=1e-6)
    assert separator.score(mixtures[0], targets[0]) == pytest.approx(
        separator.score(X[0], Y[0]), rel=1e-6
    )
    count("odd inputs accepted")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta", [3, 2, 1.5, 1, 0.5, 0, -0.5, -1])
def test_silent_frames_have_no_activations_at_all(beta, dtype):
    frames = np.vstack([X[0], np.zeros((4, 33))]).astype(dtype)
    fitted = nmf(beta_loss=beta, sparsity=0.1).fit(frames)
    activations = fitted.transform(frames)
    assert np.isfinite(activations).all() and activations[:9].any(axis=1).all()
    assert not activations[9:].any()
    silent = nmf(beta_loss=beta, sparsity=0.1).fit(np.zeros((5, 33), dtype))
    assert not silent.transform(np.zeros((2, 33), dtype)).any()
    count("odd inputs accepted")


@pytest.mark.parametrize("beta", [3, 1, 0.5, 0, -1])
@pytest.mark.filterwarnings(r"ignore:(y\[2\] \(1 of 3 targets\).|All of y is) silent")
def test_separators_of_any_divergence_keep_silence(beta):
    silence = np.zeros((3, 33))
    mixtures, targets = [*X, silence], [*Y, silence]
    silent = [0 * x for x in mixtures]
    for training in ((mixtures, targets), (mixtures, silent), (silent, silent)):
        separator = supervised(beta_loss=beta, sparsity=0.1).fit(*training)
        parts, masks = separator.predict(mixtures), separator.predict_mask(mixtures)
        assert not parts[2].any()
        assert all(np.isfinite(array).all() for array in [*parts, *masks])
        assert np.isfinite(separator.score(mixtures, targets))
    count("odd inputs accepted")
