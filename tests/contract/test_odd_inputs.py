"""Odd but legal input gives the result of its plain equivalent."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import MaxAbsScaler

from sknmf_unfold import STFT, SparseNMF
from tests._counts import count
from tests._factories import drnmf, supervised

RNG = np.random.RandomState(0)
X = [RNG.gamma(0.5, 1.0, (n, 12)) for n in (9, 7)]
Y = [x * np.linspace(1, 0, 12) for x in X]
WAVES = [0.1 * RNG.randn(n) for n in (700, 400)]


FITTED = [make().fit(X, Y) for make in (supervised, drnmf)]
FITTED += [SparseNMF(3, sparsity=0.1, max_iter=5, random_state=0).fit(X)]


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def memory_mapped(x, folder):
    np.save(folder / f"{len(x)}.npy", x)
    return np.load(folder / f"{len(x)}.npy", mmap_mode="r")


class Array:
    """What only says how to become an array."""

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.x, dtype=dtype)


# The same numbers in other clothes.
CLOTHES = {
    "Fortran order": np.asfortranarray,
    "every other row of twice as many": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards and back": lambda x: x[::-1].copy()[::-1],
    "bins of a wider array": lambda x: np.concatenate([x, x], axis=-1)[..., : x.shape[-1]],
    "big-endian": lambda x: x.astype(">f8"),
    "long double": lambda x: x.astype(np.longdouble),
    "read-only": read_only,
    "a masked array without a mask": np.ma.MaskedArray,
    "has __array__": Array,
}


def assert_same(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)
    count("odd inputs accepted")


@pytest.mark.parametrize("clothes", CLOTHES)
def test_magnitudes_in_other_clothes(clothes):
    change = CLOTHES[clothes]
    for estimator in FITTED:
        assert_same(estimator.transform([change(x) for x in X]), estimator.transform(X))
    again = drnmf().fit([change(x) for x in X], [change(y) for y in Y])
    assert_same(again.components_, FITTED[1].components_)


@pytest.mark.parametrize("clothes", [c for c in CLOTHES if "bins" not in c])
def test_waveforms_in_other_clothes(clothes):
    change = CLOTHES[clothes]
    for item, wave in zip(STFT().transform([change(w) for w in WAVES]), WAVES, strict=True):
        assert_same([item.magnitude()], [STFT().transform([wave])[0].magnitude()])
        assert_same([item.inverse()], [wave])


def test_memory_maps(tmp_path):
    maps = [memory_mapped(x, tmp_path) for x in X]
    for estimator in FITTED:
        assert_same(estimator.transform(maps), estimator.transform(X))
    waves = STFT().transform([memory_mapped(w, tmp_path) for w in WAVES])
    assert_same([item.inverse() for item in waves], WAVES)


@pytest.mark.parametrize(
    "change",
    [tuple, lambda x: [*x], lambda x: np.array([*x, None], dtype=object)[:-1].tolist()],
    ids=["tuple", "new list", "list of an object array"],
)
def test_other_sequences_of_recordings(change):
    for estimator in FITTED:
        assert_same(estimator.transform(change(X)), estimator.transform(X))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_data_frames(frame):
    columns = {f"bin{i}": X[0][:, i] for i in range(12)}
    recordings = [frame({f"bin{i}": x[:, i] for i in range(12)}) for x in X]
    for estimator in FITTED:
        assert_same(estimator.transform(recordings), estimator.transform(X))
    table, targets = frame(columns), frame({f"bin{i}": Y[0][:, i] for i in range(12)})
    fitted = supervised().fit(table, targets)
    assert_same(fitted.predict(table), supervised().fit(X[0], Y[0]).predict(X[0]))
    # Some versions of scikit-learn do not see the names of some versions of polars.
    seen = getattr(MaxAbsScaler().fit(table), "feature_names_in_", [])
    assert list(getattr(fitted, "feature_names_in_", [])) == list(seen)
    assert frame is pl.DataFrame or list(seen) == list(columns)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "bool"])
def test_whole_magnitudes_are_numbers(dtype):
    whole = [(2 * x).astype(dtype) for x in X]
    for estimator in FITTED:
        assert_same(
            estimator.transform(whole), estimator.transform([x.astype(float) for x in whole])
        )


def test_half_precision_computes_in_single():
    for estimator in FITTED:
        half = estimator.transform([x.astype("float16") for x in X])
        single = estimator.transform([x.astype("float16").astype("float32") for x in X])
        assert_same(half, single)
    item = STFT().transform([WAVES[0].astype("float16")])[0]
    assert item.magnitude().dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [
        ("int8", 128, 0),
        ("uint8", 128, 128),
        ("int16", 2**15, 0),
        ("int32", 2**31, 0),
        (">i2", 2**15, 0),
    ],
)
def test_pcm_is_scaled(dtype, scale, offset):
    whole = np.round(WAVES[0] * 50)
    item = STFT().transform([(whole + offset).astype(dtype)])[0]
    assert item.dtype == np.float32
    assert_same([item.waveform], [(whole / scale).astype("float32")])


# Odd signals


SIGNALS = {
    "one sample": np.ones(1),
    "two samples": np.array([1.0, -1.0]),
    "silence": np.zeros(900),
    "denormal": np.full(900, 1e-310),
    "tiny": 1e-30 * WAVES[0],
    "huge": 1e30 * WAVES[0],
    "direct current": np.ones(900),
    "clipped": np.clip(50 * WAVES[0], -1, 1),
    "an impulse": np.eye(1, 900, 450)[0],
    "a click at the end": np.eye(1, 900, 899)[0],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SIGNALS)
def test_odd_signals_are_separated_into_finite_parts_of_their_length(name, dtype):
    signal = SIGNALS[name].astype(dtype)
    stft = STFT(64, 16)
    training = [w.astype(dtype) for w in WAVES]
    for make in (supervised, drnmf):
        separator = make().fit(stft.transform(training), [0.5 * w for w in training])
        spectrograms = stft.transform([signal])
        (part,) = separator.predict(spectrograms)
        assert part.shape == signal.shape and part.dtype == dtype
        assert np.isfinite(part).all()
        (mask,) = separator.predict_mask(spectrograms)
        assert mask.min() >= 0 and mask.max() <= 1
        assert part.any() or not signal.any() or name == "denormal"
        count("odd inputs accepted")


# Beside a huge recording the others are as good as silent.
@pytest.mark.filterwarnings("ignore:.*all activations are 0")
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.filterwarnings(r"ignore:y\[2\] \(1 of 3 targets\). silent")
def test_odd_signals_can_be_trained_on(name):
    signal = SIGNALS[name]
    stft = STFT(64, 16)
    mixtures, targets = [*WAVES, signal], [*(0.5 * w for w in WAVES), 0.5 * signal]
    for make in (supervised, drnmf):
        separator = make().fit(stft.transform(mixtures), targets)
        assert np.isfinite(separator.components_).all()
        for part, mixture in zip(
            separator.predict(stft.transform(mixtures)), mixtures, strict=True
        ):
            assert len(part) == len(mixture) and np.isfinite(part).all()
        count("odd inputs accepted")
