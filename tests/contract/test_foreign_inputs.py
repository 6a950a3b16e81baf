"""Recordings in the types of other libraries: converted without loss, or refused by name."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import torch

from sknmf_unfold import STFT, Spectrogram
from sknmf_unfold.metrics import sdr, si_sdr
from tests._counts import count
from tests._factories import drnmf, nmf, supervised
from tests._refusals import refuses

RNG = np.random.RandomState(0)
X = [RNG.gamma(0.5, 1.0, (n, 33)) for n in (9, 7)]
Y = [x * np.linspace(1, 0, 33) for x in X]
WAVES = [0.1 * RNG.randn(n) for n in (500, 400)]
TARGETS = [0.5 * wave for wave in WAVES]
STFT_64 = STFT(64, 16)
SPECTROGRAMS = STFT_64.transform(WAVES)


def object_array(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def object_series(items):
    return pd.Series(list(items), index=range(7, 7 + len(items)))


def assert_same(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)
    count("odd inputs accepted")


# Recordings of different lengths in one object


@pytest.mark.parametrize("pack", [object_array, object_series])
def test_object_arrays_of_recordings_are_lists(pack):
    assert_same([item.waveform for item in STFT_64.fit(pack(WAVES)).transform(pack(WAVES))], WAVES)
    assert_same(STFT_64.inverse_transform(pack(SPECTROGRAMS)), WAVES)
    fitted = nmf().fit(pack(X))
    assert_same(fitted.transform(pack(X)), nmf().fit(X).transform(X))
    activations = fitted.transform(X)
    assert_same(fitted.inverse_transform(pack(activations)), fitted.inverse_transform(activations))
    assert_same(sdr(pack(TARGETS), pack(WAVES)), sdr(TARGETS, WAVES))


@pytest.mark.parametrize("pack", [object_array, object_series])
@pytest.mark.parametrize("make", [supervised, drnmf])
def test_separators_take_object_arrays(make, pack):
    plain = make().fit(X, Y)
    fitted = make().fit(pack(X), pack(Y))
    assert_same(fitted.predict(pack(X)), plain.predict(X))
    assert fitted.score(pack(X), pack(Y)) == plain.score(X, Y)
    on_audio = make().fit(pack(SPECTROGRAMS), pack(TARGETS))
    assert_same(on_audio.predict(pack(SPECTROGRAMS)), on_audio.predict(SPECTROGRAMS))


def test_validation_data_in_object_arrays():
    plain = drnmf().fit(SPECTROGRAMS, TARGETS, validation_data=(WAVES, TARGETS))
    pair = object_array(WAVES), object_array(TARGETS)
    packed = drnmf().fit(SPECTROGRAMS, TARGETS, validation_data=pair)
    assert packed.history_["validation_loss"] == plain.history_["validation_loss"]


# Waveforms and tables of other libraries


SERIES = {
    "pandas": lambda x: pd.Series(x, index=np.arange(5, 5 + len(x))),
    "polars": pl.Series,
    "torch": torch.tensor,
}


@pytest.mark.parametrize("library", SERIES)
def test_waveforms_of_other_libraries(library):
    pack = SERIES[library]
    assert_same([i.waveform for i in STFT_64.transform([pack(w) for w in WAVES])], WAVES)
    for metric in (sdr, si_sdr):
        assert metric(pack(TARGETS[0]), pack(WAVES[0] ** 3)) == metric(TARGETS[0], WAVES[0] ** 3)
        expected = metric(TARGETS, [w**3 for w in WAVES])
        assert_same(metric([pack(t) for t in TARGETS], [pack(w**3) for w in WAVES]), expected)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_rows_of_data_frames_are_waveforms(frame):
    reference, noise = RNG.randn(2, 3, 50)
    estimate = reference + 0.1 * noise
    columns = [f"t{i}" for i in range(50)]
    frames = [frame(dict(zip(columns, x.T, strict=True))) for x in (reference, estimate)]
    assert_same(si_sdr(*frames), si_sdr(reference, estimate))
    assert_same(
        [item.waveform for item in STFT(64, 16).fit_transform(frames[0])],
        [item.waveform for item in STFT(64, 16).fit_transform(reference)],
    )


@pytest.mark.parametrize("dtype", [">f4", ">f8", "f2"])
def test_tables_compute_as_lists_do(dtype):
    table = X[0].astype(dtype)
    as_list = nmf().fit([table]).transform([table])
    assert_same([nmf().fit(table).transform(table)], as_list)
    waves = np.stack([WAVES[0][:300], WAVES[1][:300]]).astype(dtype)
    both = STFT_64.transform(waves), STFT_64.transform(list(waves))
    assert_same(*([item.waveform for item in items] for items in both))


def test_nested_lists_of_activations_are_a_table():
    fitted, activations = nmf().fit(X), [[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]
    expected = fitted.inverse_transform(np.array(activations))
    assert_same([fitted.inverse_transform(activations)], [expected])


# What is refused


MASKED = np.ma.masked_array(WAVES[0], mask=np.arange(500) == 3)
MASKED_TABLE = np.ma.masked_array(X[0], mask=X[0] > 1)
ON_TAPE = torch.ones(99, requires_grad=True)
RAGGED = [[1.0, 2.0], [3.0]]
NO_NUMBERS = "cannot become an array of numbers"
NO_ACTIVATIONS = "X must be a list of activation arrays, or a 2-D array; got "

REFUSED = {
    "ragged rows": (
        rf"X\[0\] {NO_NUMBERS}",
        lambda: STFT_64.transform([RAGGED]),
        TypeError,
    ),
    "ragged magnitudes": (rf"X\[0\] {NO_NUMBERS}", lambda: nmf().fit([[RAGGED]]), TypeError),
    "polars column of lists": (
        "X must be a list of 1-D waveforms, .* got a Series of objects. Make a list of it",
        lambda: STFT_64.fit(pl.Series([w.tolist() for w in WAVES])),
        TypeError,
    ),
    "tensor on the tape": (
        rf"X\[0\] {NO_NUMBERS}.*grad",
        lambda: STFT_64.transform([ON_TAPE]),
        TypeError,
    ),
    "tensor on the tape, metric": (
        f"estimate {NO_NUMBERS}.*grad",
        lambda: sdr(torch.ones(99), ON_TAPE),
        TypeError,
    ),
    "masked samples": (r"X\[0\] has masked entries; fill", lambda: STFT_64.transform([MASKED])),
    "masked samples, metric": ("reference has masked", lambda: sdr(MASKED, MASKED)),
    "masked table": ("X has masked entries; fill them", lambda: nmf().fit(MASKED_TABLE)),
    "sparse table": (
        "Sparse data was passed",
        lambda: supervised().fit(scipy.sparse.csr_matrix(X[0]), X[0]),
        TypeError,
    ),
    "sparse recording": (
        r"X\[0\] is sparse, as no item of a list of recordings can be; pass X\[0\].toarray",
        lambda: nmf().fit([scipy.sparse.csr_matrix(X[0])]),
        TypeError,
    ),
    "sparse activations": (
        r"X is sparse; wanted dense activations: pass X.toarray\(\)",
        lambda: nmf().fit(X).inverse_transform(scipy.sparse.csr_matrix(np.ones((2, 3)))),
        TypeError,
    ),
    "sparse waveform": (
        r"X\[0\] must be a 1-D array of samples; got dtype object",
        lambda: STFT_64.transform([scipy.sparse.csr_matrix(X[0])]),
        TypeError,
    ),
    "sparse reference": (
        "reference must be a waveform or a list of waveforms; got csr_matrix",
        lambda: sdr(scipy.sparse.csr_matrix(X[0]), WAVES[0]),
        TypeError,
    ),
    "missing": (
        r"X\[0\] contains NaN at sample 1",
        lambda: STFT_64.transform([pd.Series([1.0, None], dtype="float64")]),
    ),
    "ragged metric": (
        rf"reference\[0\] {NO_NUMBERS}",
        lambda: sdr([RAGGED, RAGGED], [RAGGED, RAGGED]),
        TypeError,
    ),
    "object array of numbers": (
        "Expected 2D array, got 1D array",
        lambda: nmf().fit(np.array([1.0, 2.0], dtype=object)),
    ),
    "object array with a hole": (
        r"X\[1\] must be a non-empty 2-D array \(n_frames, n_freqs\); got shape \(\)",
        lambda: nmf().fit(object_array([X[0], None])),
    ),
    "spectrogram of a list": (
        r"X\[0\] has no array of floats as its waveform",
        lambda: supervised().fit([Spectrogram([1.0, 2.0], 64, 16, "hann", 16000)], [np.ones(2)]),
        TypeError,
    ),
    "spectrogram of PCM": (
        r"X\[0\] has no array of floats as its waveform",
        lambda: supervised().fit(
            [Spectrogram(np.ones(2, "int16"), 64, 16, "hann", 16000)], [np.ones(2)]
        ),
        TypeError,
    ),
    "mask of another shape": (
        r"`mask` must have the shape of the spectrogram, \(35, 33\); got \(2, 2\)",
        lambda: SPECTROGRAMS[0].masked(np.ones((2, 2))),
    ),
    "activations: None": (
        f"{NO_ACTIVATIONS}NoneType",
        lambda: nmf().fit(X).inverse_transform(None),
        TypeError,
    ),
    "activations: iterator": (
        f"{NO_ACTIVATIONS}list_iterator",
        lambda: nmf().fit(X).inverse_transform(iter(X)),
        TypeError,
    ),
    "activations: none": ("X is an empty list", lambda: nmf().fit(X).inverse_transform([])),
    "activations: 1-D": (
        r"X\[1\] must have the shape \(n_frames, n_components\); got \(3,\)",
        lambda: nmf().fit(X).inverse_transform([np.ones((2, 3)), np.ones(3)]),
    ),
    "activations: NaN": (
        r"Input X\[0\] contains NaN",
        lambda: nmf().fit(X).inverse_transform([np.full((2, 3), np.nan)]),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    message, call, *error = REFUSED[case]
    refuses(message, call, *error)
