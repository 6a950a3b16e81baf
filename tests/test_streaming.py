"""Streaming: chunks of any size add up to the output of `predict`, at the stated latency."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.streaming import StreamingSeparator

NMF = {"max_iter": 10, "random_state": 0}
NETWORK = {"max_epochs": 2, "random_state": 0}
PLAIN = NETWORK | {"dynamics": "identity", "context": 1, "evidence": False}


def drnmf(n_components, n_layers=2, **settings):
    nmf = SupervisedNMFSeparator(n_components, **NMF)
    return DRNMFSeparator(n_layers, nmf=nmf, **settings)


SEPARATORS = {
    "fewer components than bins": drnmf(20, n_layers=3, **PLAIN),
    "more components than bins": drnmf(80, **PLAIN),
    "diagonal dynamics": drnmf(80, **(PLAIN | {"dynamics": "diagonal"})),
    "full dynamics": drnmf(80, **(PLAIN | {"dynamics": "full"})),
    "context": drnmf(20, **(PLAIN | {"context": 3})),
    "level": drnmf(20, level_frames=50, **PLAIN),
    "high-pass": drnmf(20, **PLAIN),
    "level and context": drnmf(20, level_frames=1, **NETWORK),
    "GRU units": drnmf(20, n_gru_units=8, **NETWORK),
    "default": drnmf(20, **NETWORK),
    "paper": drnmf(10, recipe="paper", **NETWORK),
    "warm_ista": SupervisedNMFSeparator(20, inference="warm_ista", n_iter=5, **NMF),
    "warm_ista through the bins": SupervisedNMFSeparator(
        160, inference="warm_ista", n_iter=1, **NMF
    ),
    "warm_ista, many components": SupervisedNMFSeparator(
        80, inference="warm_ista", n_iter=5, **NMF
    ),
    "ista": SupervisedNMFSeparator(20, inference="ista", n_iter=5, **NMF),
    "cd": SupervisedNMFSeparator(20, **NMF),
}
STFTS = {
    "fewer components than bins": {},
    "more components than bins": {"n_fft": 128, "hop_length": 32},
    "diagonal dynamics": {"n_fft": 128, "hop_length": 32},
    "full dynamics": {"n_fft": 128, "hop_length": 32},
    "high-pass": {"highpass": 50},
    "paper": {"n_fft": 100, "hop_length": 30, "window": "hamming"},
    "warm_ista": {"n_fft": 64, "hop_length": 64, "window": np.ones(64)},
}


@pytest.fixture(scope="module")
def data():
    return make_noisy_speech(3, duration=(0.3, 0.7), random_state=0)


@pytest.fixture(scope="module")
def pipelines(data):
    return {
        name: Pipeline([("stft", STFT(**STFTS.get(name, {}))), ("sep", separator)]).fit(*data)
        for name, separator in SEPARATORS.items()
    }


def in_chunks(stream, x, sizes):
    """Everything that comes out of x in chunks of these sizes, over and over."""
    parts, start, i = [], 0, 0
    while start < x.shape[-1]:
        stop = start + sizes[i % len(sizes)]
        parts.append(stream.process(x[..., start:stop]))
        start, i = stop, i + 1
    return np.concatenate([*parts, stream.flush()], axis=-1)


@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.parametrize("sizes", [[128], [1, 7, 300], [1_000_000]], ids=str)
def test_streaming_gives_what_predict_gives(pipelines, data, name, sizes):
    pipe = pipelines[name]
    stream = StreamingSeparator(pipe)
    for x, expected in zip(data[0], pipe.predict(data[0]), strict=True):
        actual = in_chunks(stream, x, sizes)
        assert actual.dtype == expected.dtype == np.float32
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(SEPARATORS)),
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=6),
    n_times=st.integers(1, 6000),
    level=st.sampled_from([1e-4, 1.0, 100.0]),
    seed=st.integers(0, 5),
)
def test_chunks_make_no_difference(pipelines, name, sizes, n_times, level, seed):
    pipe = pipelines[name]
    x = level * np.random.default_rng(seed).standard_normal(n_times)
    expected = pipe.predict([x])[0]
    actual = in_chunks(StreamingSeparator(pipe), x, sizes)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * level)


@pytest.mark.parametrize("name", SEPARATORS)
def test_streams_side_by_side_are_those_one_by_one(pipelines, name):
    pipe = pipelines[name]
    x = np.random.default_rng(0).standard_normal((5, 3000)).astype(np.float32)
    x[2] = 0
    stream = StreamingSeparator(pipe, n_streams=5)
    actual = in_chunks(stream, x, [500, 1])
    assert actual.shape == x.shape
    np.testing.assert_allclose(actual, pipe.predict(list(x)), rtol=0, atol=1e-5)
    assert not actual[2].any()


@pytest.mark.parametrize("name", STFTS)
def test_no_sample_comes_later_than_stated(pipelines, name):
    stream = StreamingSeparator(pipelines[name])
    n_fft = STFTS[name].get("n_fft", 512)
    assert stream.latency_ == n_fft
    n_out = 0
    for n_in, sample in enumerate(np.ones(2000), start=1):
        n_out += len(stream.process([sample]))
        assert n_in - n_fft < n_out <= max(n_in - n_fft + stream.hop_length_, 0)


def test_an_impulse_comes_out_where_it_went_in(pipelines):
    x = np.zeros(4000, np.float32)
    x[1234] = 1
    actual = in_chunks(StreamingSeparator(pipelines["cd"]), x, [77])
    # The window spreads what a mask leaves over, but nothing before or after it.
    assert np.abs(actual).argmax() == 1234
    assert not actual[: 1234 - 512].any() and not actual[1234 + 512 :].any()


def test_after_flush_and_reset_a_stream_begins_again(pipelines, data):
    pipe = pipelines["fewer components than bins"]
    stream, x = StreamingSeparator(pipe), data[0][0]
    first = in_chunks(stream, x, [1000])
    np.testing.assert_array_equal(in_chunks(stream, x, [1000]), first)
    stream.process(x[:5000])
    stream.reset()
    np.testing.assert_array_equal(in_chunks(stream, x, [1000]), first)


def test_nothing_in_gives_nothing_out(pipelines):
    pipe = pipelines["cd"]
    assert StreamingSeparator(pipe).flush().shape == (0,)
    assert StreamingSeparator(pipe, n_streams=2).flush().shape == (2, 0)
    stream = StreamingSeparator(pipe)
    assert stream.process(np.empty(0, np.float32)).shape == (0,)
    assert stream.flush().shape == (0,)


@pytest.mark.parametrize("n_times", [1, 2, 127, 128, 129, 511, 512, 513])
def test_short_recordings(pipelines, n_times):
    pipe = pipelines["fewer components than bins"]
    x = np.random.default_rng(0).standard_normal(n_times)
    actual = in_chunks(StreamingSeparator(pipe), x, [100])
    np.testing.assert_allclose(actual, pipe.predict([x])[0], rtol=0, atol=1e-10)


def test_integer_samples_are_scaled(pipelines, data):
    pipe = pipelines["fewer components than bins"]
    pcm = np.round(32767 * data[0][0] / np.abs(data[0][0]).max()).astype(np.int16)
    actual = in_chunks(StreamingSeparator(pipe), pcm, [300])
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, pipe.predict([pcm])[0], rtol=0, atol=1e-5)


def test_the_first_chunk_decides_on_the_dtype(pipelines):
    stream = StreamingSeparator(pipelines["fewer components than bins"])
    x = np.random.default_rng(0).standard_normal(2000)
    stream.process(x[:600].astype(np.float32))
    assert stream.process(x[600:]).dtype == np.float32
    assert stream.flush().dtype == np.float32
    assert stream.process(x).dtype == np.float64


def test_what_goes_in_is_left_alone(pipelines):
    for level in (1e-8, 1.0, 1e4):
        x = level * np.random.default_rng(0).standard_normal(3000)
        copy = x.copy()
        in_chunks(StreamingSeparator(pipelines["fewer components than bins"]), x, [700])
        np.testing.assert_array_equal(x, copy)


def test_what_came_out_is_not_overwritten(pipelines):
    stream = StreamingSeparator(pipelines["fewer components than bins"])
    x = np.random.default_rng(0).standard_normal(3000)
    first = stream.process(x)
    copy = first.copy()
    stream.process(x)
    np.testing.assert_array_equal(first, copy)


def test_silence_stays_silence(pipelines):
    for name, pipe in pipelines.items():
        out = in_chunks(StreamingSeparator(pipe), np.zeros(3000, np.float32), [333])
        assert out.shape == (3000,) and not out.any(), name


def test_streams_of_one_pipeline_do_not_disturb_each_other(pipelines, data):
    pipe = pipelines["fewer components than bins"]
    X = [data[0][i % 3] for i in range(6)]
    results = [None] * len(X)

    def work(i):
        results[i] = in_chunks(StreamingSeparator(pipe), X[i], [160])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(X))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for actual, expected in zip(results, pipe.predict(X), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_the_pipeline_is_left_alone(pipelines, data):
    pipe = pipelines["fewer components than bins"]
    before = {name: np.copy(value) for name, value in vars(pipe["sep"]).items()}
    in_chunks(StreamingSeparator(pipe), data[0][0], [500])
    assert vars(pipe["sep"]).keys() == before.keys()
    for name, value in vars(pipe["sep"]).items():
        assert np.array_equal(value, before[name]), name


def test_a_separator_alone_will_do(pipelines, data):
    pipe = pipelines["fewer components than bins"]
    actual = in_chunks(StreamingSeparator(pipe["sep"]), data[0][0], [500])
    np.testing.assert_array_equal(actual, in_chunks(StreamingSeparator(pipe), data[0][0], [500]))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.ones((2, 100)), r"`samples` must be of shape \(n_times,\); got shape \(2, 100\)"),
        (1.0, r"got shape \(\)"),
        ([0.0, np.nan], "samples contains NaN at sample 1"),
        ([0.0, 0.0, -np.inf], "samples contains infinity at sample 2"),
        ([1e305], "samples peaks at 1e\\+305"),
    ],
)
def test_bad_samples_are_refused_and_change_nothing(pipelines, samples, message):
    stream = StreamingSeparator(pipelines["fewer components than bins"])
    x = np.random.default_rng(0).standard_normal(1000)
    stream.process(x)
    with pytest.raises(ValueError, match=message):
        stream.process(samples)
    other = StreamingSeparator(pipelines["fewer components than bins"])
    other.process(x)
    np.testing.assert_array_equal(stream.flush(), other.flush())


@pytest.mark.parametrize("samples", ["noise.wav", [1j], [True]])
def test_what_is_no_sound_is_refused(pipelines, samples):
    with pytest.raises((TypeError, ValueError), match="samples"):
        StreamingSeparator(pipelines["cd"]).process(samples)


def test_streams_of_another_number_are_refused(pipelines):
    stream = StreamingSeparator(pipelines["cd"], n_streams=3)
    with pytest.raises(ValueError, match=r"\(n_streams=3, n_times\); got shape \(2, 100\)"):
        stream.process(np.ones((2, 100)))
    with pytest.raises(ValueError, match="stream 2, sample 1"):
        stream.process([[0.0, 0.0], [0.0, 0.0], [0.0, np.nan]])
    with pytest.raises(ValueError, match="`n_streams`"):
        StreamingSeparator(pipelines["cd"], n_streams=0)


def test_what_is_no_separator_is_refused(pipelines):
    cd = pipelines["cd"]
    for wrong in (None, STFT(), SparseNMF(), Pipeline([("nmf", SparseNMF()), ("sep", cd["sep"])])):
        with pytest.raises(TypeError, match="Pipeline of STFT and a separator"):
            StreamingSeparator(wrong)
    magnitudes = np.random.default_rng(0).random((20, 9))
    separator = SupervisedNMFSeparator(3, **NMF).fit([magnitudes], [0.5 * magnitudes])
    with pytest.raises(ValueError, match="bare magnitudes"):
        StreamingSeparator(separator)


def test_an_unfitted_pipeline_is_refused():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        StreamingSeparator(Pipeline([("stft", STFT()), ("sep", DRNMFSeparator())]))
