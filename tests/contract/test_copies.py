"""Copies of streams, data and scorers continue bit by bit; a stream is complete once made."""

import copy
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import MixtureDataset, make_noisy_speech
from sknmf_unfold.metrics import sdr_scorer
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator
from sknmf_unfold.signal.overlap_add import OverlapAdd
from sknmf_unfold.signal.stft import stft
from sknmf_unfold.streaming import StreamingSeparator

NMF = {"max_iter": 5, "random_state": 0}
NETWORK = {"max_epochs": 1, "random_state": 0}
DRNMF = NETWORK | {"n_components": 12, "nmf": SupervisedNMFSeparator(12, **NMF)}
PLAIN = {"context": 1, "dynamics": "identity", "evidence": False}
SEPARATORS = {
    "default": DRNMFSeparator(**DRNMF),
    "GRU units at a level": DRNMFSeparator(n_gru_units=6, level_frames=30, **DRNMF),
    "through the bins": DRNMFSeparator(
        2, 80, nmf=SupervisedNMFSeparator(80, **NMF), **NETWORK, **(PLAIN | {"dynamics": "full"})
    ),
    "paper": DRNMFSeparator(recipe="paper", **DRNMF),
    "warm_ista": SupervisedNMFSeparator(12, inference="warm_ista", n_iter=4, **NMF),
    "warm_ista through the bins": SupervisedNMFSeparator(
        80, inference="warm_ista", n_iter=1, **NMF
    ),
    "ista": SupervisedNMFSeparator(12, inference="ista", n_iter=4, **NMF),
    "mu": SupervisedNMFSeparator(12, inference="mu", n_iter=4, **NMF),
    "cd": SupervisedNMFSeparator(12, **NMF),
    "lstm": LSTMSeparator(1, 8, **NETWORK),
    "rnn": RNNSeparator(2, 8, **NETWORK),
    "deep": DeepNMFSeparator(4, 12, nmf=SupervisedNMFSeparator(12, **NMF), **NETWORK),
}
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda stream: pickle.loads(pickle.dumps(stream)),
    "copy of a copy": lambda stream: copy.copy(copy.deepcopy(stream)),
}


@pytest.fixture(scope="module")
def pipelines():
    data = make_noisy_speech(3, duration=(0.5, 0.8), random_state=0)
    settings = {"n_fft": 128, "hop_length": 32}
    pipes = {name: make_pipeline(STFT(**settings), sep) for name, sep in SEPARATORS.items()}
    return {name: pipe.fit(*data) for name, pipe in pipes.items()}


def rest_of(stream, samples):
    """Everything that comes out for the rest of a recording."""
    middle = samples.shape[-1] // 3
    parts = (samples[..., :middle], samples[..., middle:])
    return np.concatenate([*map(stream.process, parts), stream.flush()], axis=-1)


# One stream or three in turn; the slow tests have both.
ONE_OR_MORE = [
    pytest.param(name, way, n_streams, marks=[pytest.mark.slow] * ((i + j + k) % 2))
    for i, name in enumerate(SEPARATORS)
    for j, way in enumerate(COPIES)
    for k, n_streams in enumerate([None, 3])
]


@pytest.mark.parametrize(("name", "way", "n_streams"), ONE_OR_MORE)
def test_copies_go_on_to_the_same_bits(pipelines, name, way, n_streams):
    rng = np.random.default_rng(0)
    shape = () if n_streams is None else (n_streams,)
    for dtype in ("float32", "float64"):
        x = rng.standard_normal((*shape, 1500)).astype(dtype)
        # Before it begins, between two frames and in the midst of one.
        for cut in (0, 64, 1003):
            plain, stream = (StreamingSeparator(pipelines[name], n_streams) for _ in range(2))
            plain.process(x[..., :cut])
            stream.process(x[..., :cut])
            expected = rest_of(plain, x[..., cut:])
            assert np.abs(expected).max() > 0.01
            copied, other = COPIES[way](stream), COPIES[way](stream)
            # One that hears something else, and later another recording, disturbs no other.
            rest_of(other, 5 * x[..., ::-1])
            other.process(x)
            for each in (copied, stream):
                np.testing.assert_array_equal(rest_of(each, x[..., cut:]), expected, strict=True)
            assert rest_of(copied, x[..., :90]).shape == (*shape, 90)


@pytest.mark.parametrize("name", SEPARATORS)
def test_after_its_end_a_copied_stream_begins_again(pipelines, name):
    stream = StreamingSeparator(pipelines[name])
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    expected = rest_of(stream, x)
    for way in COPIES.values():
        np.testing.assert_array_equal(rest_of(way(stream), x), expected)


def test_a_stream_keeps_the_model_it_was_made_of(pipelines):
    X, Y = make_noisy_speech(2, duration=0.5, random_state=1)
    for name in ("warm_ista", "lstm"):
        pipe = copy.deepcopy(pipelines[name])
        stream = StreamingSeparator(pipe)
        expected = pipe.predict(X)[0]
        pipe.fit(X, Y)
        assert np.abs(pipe.predict(X)[0] - expected).max() > 1e-3
        for each in (stream, pickle.loads(pickle.dumps(stream))):
            np.testing.assert_allclose(rest_of(each, X[0]), expected, rtol=0, atol=1e-5)
        actual = rest_of(stream, X[0].astype(np.float64))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_frames_added_to_a_copy_are_not_added_to_the_original():
    x = np.random.default_rng(0).standard_normal(1000)
    frames = stft(x)
    for way in (copy.deepcopy, lambda inverse: pickle.loads(pickle.dumps(inverse))):
        inverse = OverlapAdd(1000)
        inverse.append(frames[:4])
        copied = way(inverse)
        copied.append(frames[4:])
        np.testing.assert_allclose(copied.waveform, x, atol=1e-12)
        inverse.append(frames[4:])
        np.testing.assert_array_equal(inverse.waveform, copied.waveform)


@pytest.mark.parametrize("way", COPIES)
def test_data_and_scorers_survive_copies(pipelines, way):
    X, Y = make_noisy_speech(2, duration=0.5, random_state=1)
    for dataset in (MixtureDataset(Y, X, speed_factors=[0.9]), MixtureDataset.from_mixtures(X, Y)):
        np.testing.assert_equal(COPIES[way](dataset).draw(3), dataset.draw(3))
    spectrograms = STFT().transform(X)
    spectrograms[0] = spectrograms[0].masked(np.full(spectrograms[0].shape, 0.25))
    copied = COPIES[way](spectrograms)
    assert type(copied) is type(spectrograms) and copied.shape == (2,)
    np.testing.assert_allclose(copied[0].inverse(), 0.25 * X[0], atol=1e-6)
    np.testing.assert_array_equal(copied[1].inverse(), spectrograms[1].inverse())
    scores = [scorer(pipelines["cd"], X, Y) for scorer in (sdr_scorer, COPIES[way](sdr_scorer))]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("name", SEPARATORS)
def test_the_constructor_builds_all_that_samples_need(pipelines, name, monkeypatch):
    separator = pipelines[name][-1]
    stream = StreamingSeparator(pipelines[name])
    built, original = [], type(separator).running_masks

    def build(self, dtype, *sizes):
        built.append(np.dtype(dtype))
        return original(self, dtype, *sizes)

    monkeypatch.setattr(type(separator), "running_masks", build)
    for x in (np.ones(500, np.float32), np.ones(500, np.int16), []):
        stream.process(x)
        stream.flush()
    assert built == []
    # But for samples of the other dtype, once.
    for _ in range(2):
        stream.process(np.ones(500))
        stream.flush()
    assert built == ["float64"]


@pytest.mark.parametrize("name", ["default", pytest.param("lstm", marks=pytest.mark.slow)])
def test_the_first_sample_loads_no_module(pipelines, name, tmp_path):
    joblib.dump(pipelines[name], tmp_path / "model.joblib")
    code = (
        "import sys, joblib, numpy as np\n"
        "from sknmf_unfold.streaming import StreamingSeparator\n"
        f"stream = StreamingSeparator(joblib.load({str(tmp_path / 'model.joblib')!r}))\n"
        "before = set(sys.modules)\n"
        "assert 'torch' not in sys.modules\n"
        "print(len(stream.process(np.ones(1000, np.float32))), *set(sys.modules) - before)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["896"]
