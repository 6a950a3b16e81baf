"""The level of recordings makes no difference: neither in prediction nor in training."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.metrics import sdr
from sknmf_unfold.runtime.level import REFERENCE_LEVEL, TrainingLevel
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator
from sknmf_unfold.streaming import StreamingSeparator

TRAINING = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
NMF = SupervisedNMFSeparator(8, max_iter=10)
SEPARATORS = {
    "supervised": SupervisedNMFSeparator(8, max_iter=20, random_state=0),
    "warm_ista": SupervisedNMFSeparator(
        8, max_iter=20, inference="warm_ista", n_iter=3, random_state=0
    ),
    "drnmf": DRNMFSeparator(2, 8, nmf=NMF, **TRAINING),
    "gated": DRNMFSeparator(2, 8, nmf=NMF, n_gru_units=4, **TRAINING),
    "lstm": LSTMSeparator(1, 8, **TRAINING),
    "rnn": RNNSeparator(1, 8, **TRAINING),
    "deep_nmf": DeepNMFSeparator(5, 8, nmf=NMF, **TRAINING),
}
# Powers of two change no digit.
EXACT = 2.0**-10


@pytest.fixture(scope="module")
def corpus():
    """Recordings whose levels are spread, with one of two seconds first."""
    X, Y = make_noisy_speech(6, duration=(0.8, 1.2), random_state=0)
    long, target = make_noisy_speech(1, duration=2.0, snr_db=3, random_state=1)
    return long + X, target + Y


@pytest.fixture(scope="module", params=SEPARATORS)
def fitted(request, corpus):
    return make_pipeline(STFT(), clone(SEPARATORS[request.param])).fit(*corpus)


def louder(recordings, gain):
    return [np.float32(gain) * x for x in recordings]


def test_the_corpus_has_levels_to_tell_apart(corpus):
    levels = [20 * np.log10(np.sqrt(np.mean(np.square(y)))) for y in corpus[1]]
    assert np.ptp(levels) > 6


def test_a_gain_comes_out_as_it_went_in(fitted, corpus):
    X = corpus[0][:3]
    expected = fitted.predict(X)
    assert min(np.abs(y).max() for y in expected) > 1e-3
    for one, other in zip(fitted.predict(louder(X, EXACT)), expected, strict=True):
        np.testing.assert_array_equal(one, np.float32(EXACT) * other)
    for gain in 10 ** (np.array([-60, -25, 30]) / 20):
        for one, other in zip(fitted.predict(louder(X, gain)), expected, strict=True):
            np.testing.assert_allclose(one, gain * other, rtol=0, atol=1e-3 * gain)


def test_the_second_second_is_as_good_at_any_level(fitted, corpus):
    (x, *_), (y, *_) = corpus
    scores = []
    for gain_db in (-60, 0, 30):
        gain = 10 ** (gain_db / 20)
        [estimate] = fitted.predict(louder([x], gain))
        scores.append(
            [sdr(gain * y[part], estimate[part]) for part in (slice(16000), slice(16000, None))]
        )
    assert np.ptp(scores, axis=0).max() < 0.1
    assert np.isfinite(scores).all()


def test_a_stream_hears_no_gain(fitted, corpus):
    x = corpus[0][0][:8000]
    results = []
    for gain in (1.0, EXACT):
        stream = StreamingSeparator(fitted)
        parts = [stream.process(np.float32(gain) * x[i : i + 500]) for i in range(0, 8000, 500)]
        results.append(np.concatenate([*parts, stream.flush()]))
    np.testing.assert_array_equal(results[1], np.float32(EXACT) * results[0])
    np.testing.assert_allclose(results[0], fitted.predict([x])[0], rtol=0, atol=1e-4)


def test_masks_and_activations_have_no_level(fitted, corpus):
    spectrograms = fitted[0].transform(corpus[0][:2])
    quiet = fitted[0].transform(louder(corpus[0][:2], EXACT))
    for name in ("predict_mask", "transform"):
        call = getattr(fitted[-1], name)
        for one, other in zip(call(quiet), call(spectrograms), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("level_frames", [None, 0])
@pytest.mark.parametrize("name", SEPARATORS)
def test_training_data_may_have_any_level(name, level_frames, corpus):
    X, Y = corpus
    separator = clone(SEPARATORS[name])
    if level_frames is not None:
        separator.set_params(level_frames=level_frames)
    pipe = make_pipeline(STFT(), separator)
    expected = clone(pipe).fit(X, Y).predict(X)
    for gain in (2.0**-7, 2.0**5):
        actual = clone(pipe).fit(louder(X, gain), louder(Y, gain)).predict(louder(X, gain))
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(one, np.float32(gain) * other)


def test_quiet_recordings_are_separated_as_well_as_loud_ones():
    X, Y = make_noisy_speech(20, duration=1.0, level_db=-26, random_state=0)
    pipe = make_pipeline(STFT(), SupervisedNMFSeparator(8, random_state=0))
    scores = [
        clone(pipe).fit(louder(X, g), louder(Y, g)).score(louder(X, g), louder(Y, g))
        for g in (1, 0.1)
    ]
    assert scores[1] == pytest.approx(scores[0], abs=0.1)
    assert scores[0] > np.mean(sdr(Y, X)) + 3


@pytest.mark.parametrize("name", ["drnmf", "lstm", "rnn", "deep_nmf"])
def test_the_recipe_of_the_paper_takes_frames_as_they_are(name, corpus):
    separator = clone(SEPARATORS[name]).set_params(recipe="paper", max_epochs=1)
    separator.fit(STFT().transform(corpus[0]), corpus[1])
    assert separator.input_scale_ == 1 and separator.level_frames_ == 0


def test_the_scale_is_that_of_the_mixtures(corpus):
    spectrograms = STFT().transform(corpus[0])
    separator = SupervisedNMFSeparator(4, max_iter=5).fit(spectrograms, corpus[1])
    level = TrainingLevel([item.magnitude() for item in spectrograms]).level
    assert separator.input_scale_ == pytest.approx(REFERENCE_LEVEL / level, rel=1e-9)
    assert separator.level_frames_ == 250


def test_a_model_without_a_running_level_still_hears_the_level(corpus):
    pipe = make_pipeline(STFT(), clone(SEPARATORS["drnmf"]).set_params(level_frames=0))
    pipe.fit(*corpus)
    x = corpus[0][0]
    quiet = 1000 * pipe.predict([x / 1000])[0]
    assert np.abs(quiet - pipe.predict([x])[0]).max() > 0.01 * np.abs(x).max()


def test_rows_of_a_table_have_a_level_each(magnitudes):
    X, Y = (np.vstack(part) for part in magnitudes)
    separator = DRNMFSeparator(2, 4, sparsity=0.1, **TRAINING).fit(X, Y)
    gains = 2.0 ** np.arange(-5, 5)[:, np.newaxis]
    np.testing.assert_array_equal(
        separator.predict(gains * X[:10]), gains * separator.predict(X[:10])
    )


def test_a_burst_passes(corpus):
    pipe = make_pipeline(STFT(), clone(SEPARATORS["drnmf"]).set_params(level_frames=20))
    pipe.fit(*corpus)
    x = corpus[0][0].copy()
    clean = pipe.predict([x])[0]
    x[3000:3010] = 1e22
    stream = StreamingSeparator(pipe)
    streamed = np.concatenate([stream.process(x), stream.flush()])
    for output in (pipe.predict([x])[0], streamed):
        assert np.isfinite(output).all()
        # The window of 20 frames, the context and the memory of activations have passed it.
        rest = slice(3010 + 60 * 128, None)
        assert np.abs(output[rest] - clean[rest]).max() < 0.02 * np.abs(clean).max()
