"""Samples in any container: PCM is scaled by one rule, other data are refused by name."""

import array

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.pipeline import make_pipeline

from sknmf_unfold import SparseNMF
from sknmf_unfold.datasets import MixtureDataset, mix_at_snr, save_audio
from sknmf_unfold.metrics import sdr, sdr_improvement, sdr_scorer, si_sdr
from sknmf_unfold.plotting import SeparationDisplay
from sknmf_unfold.streaming import StreamingSeparator
from tests._counts import count
from tests._factories import drnmf, stft, supervised
from tests._refusals import refuses

RNG = np.random.RandomState(0)
WAVES = [0.1 * RNG.randn(600).astype("float32") for _ in range(3)]
TARGETS = [0.5 * wave + 0.01 * RNG.randn(600).astype("float32") for wave in WAVES]
TABLE = np.stack(WAVES)
# Of 16 bits, and what it stands for.
PCM = np.round(2**15 * TABLE).astype("int16")
SCALED = (PCM / 2.0**15).astype("float32")


PIPE = make_pipeline(stft(), supervised()).fit(WAVES, TARGETS)


def polars_frame(table):
    return pl.DataFrame(dict(zip(map(str, range(table.shape[1])), table.T, strict=True)))


TABLES = {
    "numpy": np.asarray,
    "torch": torch.tensor,
    "pandas": pd.DataFrame,
    "polars": polars_frame,
    "memoryview": lambda table: memoryview(np.ascontiguousarray(table)),
    "list of arrays": list,
    "list of tensors": lambda table: [torch.tensor(row) for row in table],
    "list of series": lambda table: [pd.Series(row) for row in table],
    "list of array.array": lambda table: [array.array("h", row.tobytes()) for row in table],
    "object array of numpy numbers": lambda table: np.array(
        [[np.int16(value) for value in row] for row in table], dtype=object
    ),
}


@pytest.mark.parametrize("container", TABLES)
def test_pcm_is_scaled_in_every_container(container):
    items = stft().fit_transform(TABLES[container](PCM))
    for item, expected in zip(items, SCALED, strict=True):
        assert item.dtype == np.float32
        np.testing.assert_array_equal(item.waveform, expected)
    count("odd inputs accepted")


@pytest.mark.parametrize("container", TABLES)
# Of polars, whose columns have names.
@pytest.mark.filterwarnings("ignore:X has feature names, but STFT was fitted without")
def test_predictions_of_pcm_are_those_of_its_floats(container):
    parts = PIPE.predict(TABLES[container](PCM))
    for part, expected in zip(parts, PIPE.predict(SCALED), strict=True):
        np.testing.assert_array_equal(part, expected)
        assert 0 < np.abs(part).max() < 1
    count("odd inputs accepted")


@pytest.mark.parametrize(
    ("dtype", "full_scale", "silence"),
    [("uint8", 2**7, 128), ("int8", 2**7, 0), (">i2", 2**15, 0), ("int32", 2**31, 0)],
)
@pytest.mark.parametrize("container", ["numpy", "list of arrays", "memoryview"])
def test_every_width_has_its_scale(container, dtype, full_scale, silence):
    values = np.array([[-1.0, 0.5, 0.0, -0.25, 0.125, 0.25, -0.5, 0.75, 0.0]] * 2)
    pcm = (values * full_scale + silence).astype(dtype)
    if container == "memoryview" and pcm.dtype.itemsize == 1:
        # As bytes they have lost their type.
        refuses("X is raw bytes", lambda: stft().transform(memoryview(pcm)), TypeError)
        return
    for item in stft().transform(TABLES[container](pcm)):
        np.testing.assert_array_equal(item.waveform, values[0].astype("float32"))


NO_SCALE = "dtype (int64|uint16|uint32|uint64); wanted floats .* do not say what full scale is"


@pytest.mark.parametrize("dtype", ["int64", "uint16", "uint32", "uint64"])
def test_whole_numbers_without_a_scale_are_refused_everywhere(dtype):
    table = np.abs(PCM).astype(dtype)
    # torch and pandas hold all of these dtypes, and pass them on.
    for X in (table, list(table), pd.DataFrame(table), torch.tensor(table), table.tolist()):
        refuses(NO_SCALE, lambda X=X: stft().fit(X), TypeError)
    for Y in (table, list(table)):
        refuses(NO_SCALE, lambda Y=Y: PIPE.score(WAVES, Y), TypeError)
    for call in SINGLE.values():
        refuses(NO_SCALE, lambda call=call: call(table[0]), TypeError)


def test_an_object_array_counts_as_its_numbers():
    floats = stft().transform(TABLE.astype(object))
    np.testing.assert_array_equal(floats[1].waveform, TABLE[1].astype(float))
    refuses(NO_SCALE, lambda: stft().transform(PCM.astype(int).astype(object)), TypeError)
    refuses("X has dtype bool; wanted floats", lambda: stft().transform(PCM > 0), TypeError)


def test_whole_magnitudes_are_no_pcm_in_any_container():
    whole = np.abs(PCM[:, :40])
    expected = SparseNMF(2, max_iter=3, random_state=0).fit(whole.astype(float)).components_
    for name in ("numpy", "torch", "pandas", "polars", "memoryview"):
        fitted = SparseNMF(2, max_iter=3, random_state=0).fit(TABLES[name](whole))
        np.testing.assert_allclose(fitted.components_, expected, rtol=1e-10)


# One waveform, wherever one goes

SINGLE = {
    "stream": lambda x: StreamingSeparator(PIPE).process(x),
    "sdr": lambda x: sdr(x, WAVES[0]),
    "si_sdr": lambda x: si_sdr(WAVES[0], x),
    "improvement": lambda x: sdr_improvement(WAVES[0], TARGETS[0], x),
    "mix": lambda x: mix_at_snr(x, WAVES[0], 0),
    "interference": lambda x: mix_at_snr(WAVES[0], x, 0),
    "save": lambda x: save_audio("never.wav", x),
    "plot": lambda x: SeparationDisplay.from_predictions(x, x, x),
    "dataset": lambda x: MixtureDataset([x], WAVES),
    "dataset's interference": lambda x: MixtureDataset(WAVES, [x]),
    "X": lambda x: PIPE.predict([x]),
    "Y": lambda x: PIPE.score([WAVES[0]], [x]),
    "scorer": lambda x: sdr_scorer(PIPE, [WAVES[0]], [x]),
    "validation X": lambda x: _validated_on([x], TARGETS[:1]),
    "validation Y": lambda x: _validated_on(WAVES[:1], [x]),
}
DATA = PCM[0].tobytes()
BYTES = {
    "bytes": DATA,
    "bytearray": bytearray(DATA),
    "memoryview": memoryview(DATA),
    "array.array": array.array("B", DATA),
    "two-byte pieces": [DATA[:2], DATA[2:4]],
}


def _validated_on(X, Y):
    return drnmf().fit(stft().transform(WAVES), TARGETS, validation_data=(X, Y))


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("where", SINGLE)
def test_raw_bytes_are_refused(where, name):
    refuses(
        r'(is|are) raw bytes.*np.frombuffer\(data, "<i2"\)',
        lambda: SINGLE[where](BYTES[name]),
        TypeError,
    )


@pytest.mark.parametrize("name", ["bytes", "bytearray", "memoryview", "array.array"])
def test_raw_bytes_are_no_table_either(name):
    for call in (PIPE.predict, stft().fit, SparseNMF(2).fit, PIPE[-1].predict):
        refuses("X is raw bytes", lambda call=call: call(BYTES[name]), TypeError)


def test_nothing_of_refused_bytes_is_left_in_a_stream():
    stream, clean = StreamingSeparator(PIPE), StreamingSeparator(PIPE)
    refuses("samples is raw bytes", lambda: stream.process(bytearray(DATA)), TypeError)
    for samples in (np.frombuffer(DATA, "<i2"), array.array("h", DATA), memoryview(PCM[0])):
        np.testing.assert_array_equal(stream.process(samples), clean.process(SCALED[0]))


@pytest.mark.parametrize("shape", [(600, 1), (1, 600)])
@pytest.mark.parametrize("where", SINGLE)
def test_an_axis_of_one_channel_is_refused(where, shape):
    # The rows of an array are recordings to metrics: one row is a list of one.
    if shape == (1, 600) and where in ("sdr", "si_sdr", "improvement", "plot"):
        message = "both be one waveform or both be lists|must be one waveform each"
    else:
        message = r"\(600, 1\)|\(1, 600\)"
    refuses(message, lambda: SINGLE[where](WAVES[0].reshape(shape)))


def test_a_column_is_no_table_of_recordings():
    column = WAVES[0][:, np.newaxis]
    message = r"X has shape \(600, 1\), which is 600 waveforms of one sample.*\[X\[:, 0\]\]"
    for block in (
        column,
        torch.tensor(column),
        pd.DataFrame(column),
        list(column),
        column.tolist(),
    ):
        refuses(message, lambda block=block: PIPE.predict(block))
        refuses(message, lambda block=block: stft().fit(block))
    for metric in (sdr, si_sdr):
        for block in (column, list(column), column.tolist()):
            refuses("reference has shape", lambda m=metric, b=block: m(b, b))
    for block in (column, list(column)):
        refuses("targets has shape", lambda block=block: MixtureDataset(block, WAVES))
        refuses("y has shape|y has 600", lambda block=block: PIPE.score(WAVES, block))
    refuses(r"X has shape \(512, 2\): stereo", lambda: PIPE.predict(np.zeros((512, 2))))
    refuses(r"Pass samples\[:, 0\]", lambda: StreamingSeparator(PIPE).process(column))
    refuses("Average the channels", lambda: StreamingSeparator(PIPE).process(np.zeros((9, 2))))


def test_one_row_is_one_recording_and_columns_of_streams_are_samples():
    row = WAVES[0][np.newaxis]
    np.testing.assert_array_equal(PIPE.predict(row)[0], PIPE.predict([WAVES[0]])[0])
    assert sdr(row, row**3).shape == (1,)
    many, one = StreamingSeparator(PIPE, n_streams=3), StreamingSeparator(PIPE)
    many.process(TABLE[:, :1])
    one.process(WAVES[1][:1])
    np.testing.assert_allclose(many.process(TABLE[:, 1:])[1], one.process(WAVES[1][1:]), atol=1e-6)


# Y as the rows of an array


@pytest.mark.parametrize("container", TABLES)
def test_y_is_taken_as_x_is(container):
    pack = TABLES[container]
    expected = make_pipeline(stft(), supervised()).fit(list(SCALED), TARGETS)
    packed = make_pipeline(stft(), supervised()).fit(pack(PCM), np.stack(TARGETS))
    np.testing.assert_array_equal(packed[-1].components_, expected[-1].components_)
    assert packed.score(WAVES, pack(PCM)) == expected.score(WAVES, list(SCALED))
    assert sdr_scorer(packed, WAVES, SCALED) == sdr_scorer(packed, WAVES, list(SCALED))


def test_validation_data_and_mixtures_are_taken_as_x_is():
    X, Y = np.stack(WAVES), np.stack(TARGETS)
    items = stft().transform(WAVES)
    plain = drnmf().fit(items, TARGETS, validation_data=(WAVES, TARGETS))
    packed = drnmf().fit(items, Y, validation_data=(X, Y))
    assert packed.history_["validation_loss"] == plain.history_["validation_loss"]
    drawn = MixtureDataset.from_mixtures(X, Y).draw(1), MixtureDataset(Y, X).draw(1)
    expected = MixtureDataset.from_mixtures(WAVES, TARGETS), MixtureDataset(TARGETS, WAVES)
    for pair, dataset in zip(drawn, expected, strict=True):
        for arrays, others in zip(pair, dataset.draw(1), strict=True):
            np.testing.assert_array_equal(arrays, others)


# One recording, or one source too many


def test_one_recording_is_told_to_become_a_list():
    one = WAVES[0]
    for x in (one, torch.tensor(one), pd.Series(one), pl.Series(one), array.array("f", one)):
        refuses(r"pass a list of one, \[X\]", lambda x=x: PIPE.predict(x))
        refuses(r"STFT\(\).transform\(\[X\]\)", lambda x=x: PIPE[-1].predict(x))
        refuses(r"STFT\(\).transform\(\[X\]\)", lambda x=x: SparseNMF(2).fit(x))
    refuses(r"pass a list of one, \[X\]", lambda: PIPE.predict(one.tolist()))
    refuses(r"for one \[y\]", lambda: PIPE.fit(WAVES, one))
    refuses(r"pass a list of one, \[y\]", lambda: PIPE.fit(WAVES, one.tolist()))
    message = r"validation_data\[0\] is one 1-D array; pass a list .* for one"
    refuses(message, lambda: _validated_on(one, TARGETS[0]))
    refuses(r"Pass samples\[0\]", lambda: StreamingSeparator(PIPE).process([one]))
    (item,) = stft().transform([one])
    for call in (PIPE[-1].predict, PIPE[-1].predict_mask, PIPE[-1].transform, SparseNMF(2).fit):
        message = r"X is one Spectrogram; pass a list of one, \[X\]"
        refuses(message, lambda call=call: call(item), TypeError)
    message = "is one Spectrogram; pass a list of one"
    refuses(message, lambda: PIPE.fit(WAVES, item), TypeError)
    for pair in [(item, TARGETS[:1]), (WAVES[:1], item)]:
        refuses(message, lambda pair=pair: _validated_on(*pair), TypeError)
    for call in (lambda: save_audio("never.wav", item), lambda: mix_at_snr(item, one, 0)):
        refuses(r"is a Spectrogram; the waveform of one is its `inverse\(\)`", call, TypeError)


SOURCES = {
    "arrays of three": [np.stack([y, y, y]) for y in TARGETS],
    "lists of three": [[y, y, y] for y in TARGETS],
    "sources first": [TARGETS, TARGETS, TARGETS],
    "one array": np.stack([TARGETS, TARGETS]),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("make", [supervised, drnmf])
def test_several_sources_are_told_that_there_are_two(make, name):
    pipe = make_pipeline(stft(), make())
    message = r"y\[0\] .*Several sources\? There are two, the target and the rest"
    refuses(message, lambda: pipe.fit(WAVES, SOURCES[name]))


def test_several_sources_of_magnitudes():
    X = [RNG.gamma(0.5, 1.0, (9, 5)) for _ in range(3)]
    for Y in ([np.stack([x, x]) for x in X], [[x, x, x] for x in X], [X, X, X]):
        refuses(r"y\[0\] .*There are two", lambda Y=Y: supervised().fit(X, Y))


# Tensors that cannot become arrays

TENSORS = {
    "on the tape": (lambda x: torch.tensor(x, requires_grad=True), "detach"),
    "on another device": (lambda x: torch.tensor(x, device="meta"), r"Tensor.cpu\(\)"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_are_refused_with_the_way_out(kind):
    pack, way_out = TENSORS[kind]
    table, magnitudes = pack(TABLE), pack(np.abs(TABLE))
    calls = [lambda call=call: call(pack(WAVES[0])) for call in SINGLE.values()]
    calls += [lambda: PIPE.predict(table), lambda: PIPE.score(WAVES, table)]
    calls += [lambda: SparseNMF(2).fit(magnitudes), lambda: SparseNMF(2).fit([magnitudes])]
    calls += [lambda: supervised().fit(np.abs(TABLE), magnitudes)]
    items, weights = stft().transform(WAVES), pack(np.ones(3))
    calls += [lambda: PIPE[-1].score(items, TARGETS, weights)]
    calls += [lambda: items[0].masked(pack(np.ones(items[0].shape)))]
    for call in calls:
        refuses(f"cannot become an array of numbers.*{way_out}", call, TypeError)
