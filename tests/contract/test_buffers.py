"""Memory that callers overwrite: results and models own theirs, spectrograms share floats."""

import numpy as np
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF
from sknmf_unfold.datasets import MixtureDataset, mix_at_snr
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator
from sknmf_unfold.streaming import StreamingSeparator
from tests._factories import drnmf, supervised

RNG = np.random.RandomState(0)
WAVES = [0.1 * RNG.randn(500) for _ in range(3)]
TARGETS = [0.5 * wave + 0.01 * RNG.randn(500) for wave in WAVES]
MAGNITUDES = [RNG.gamma(0.5, 1.0, (9, 33)) for _ in range(3)]
SHARES = [x * np.linspace(0.9, 0.1, 33) for x in MAGNITUDES]


def state_of(estimator):
    """Fitted attributes, nested ones too, as arrays of their own."""
    arrays = {}
    for name, value in vars(estimator).items():
        parts = value if isinstance(value, dict) else {"": value}
        for key, part in parts.items():
            if name.endswith("_") and isinstance(part, np.ndarray):
                arrays[name + key] = part.copy()
    return arrays


def assert_untouched(estimator, buffers):
    """Fill the buffers again, and look whether the model has changed."""
    before = state_of(estimator)
    assert before
    for buffer in buffers:
        buffer.fill(7)
    after = state_of(estimator)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


def test_fitted_models_own_what_they_know():
    for make in (
        supervised,
        lambda: drnmf(max_epochs=0),
        lambda: DeepNMFSeparator(2, 3, max_epochs=0, nmf=supervised(), random_state=0),
        lambda: LSTMSeparator(n_units=2, max_epochs=0, random_state=0),
    ):
        X, Y = [[array.copy() for array in part] for part in (WAVES, TARGETS)]
        assert_untouched(make_pipeline(STFT(64, 16), make()).fit(X, Y)[-1], [*X, *Y])
        X, Y = MAGNITUDES[0].copy(), SHARES[0].copy()
        assert_untouched(make().fit(X, Y), [X, Y])


def test_components_of_the_user_are_copied():
    given, X = RNG.uniform(size=(3, 33)), MAGNITUDES[0].copy()
    settings = {"max_iter": 3, "random_state": 0}
    for nmf in (
        SparseNMF(2, fixed_components=given.copy(), **settings),
        SparseNMF(3, init=given.copy(), **settings),
        SparseNMF(3, init="exemplar", max_iter=1),
    ):
        parameters = [p for p in nmf.get_params().values() if isinstance(p, np.ndarray)]
        assert_untouched(nmf.fit(X), [*parameters, X])
        X = MAGNITUDES[0].copy()
    target = given.copy()
    assert_untouched(supervised().fit_interference(MAGNITUDES, target), [target])
    start = supervised().fit(MAGNITUDES, SHARES)
    for cls in (DRNMFSeparator, DeepNMFSeparator):
        model = cls(nmf=start, max_epochs=0, random_state=0).fit(MAGNITUDES, SHARES)
        kept = start.target_components_.copy()
        assert_untouched(model, [start.target_components_])
        start.target_components_[:] = kept


def test_results_are_arrays_of_their_own():
    X = [wave.copy() for wave in WAVES]
    pipe = make_pipeline(STFT(64, 16), supervised()).fit(X, TARGETS)
    results = pipe.predict(X), mix_at_snr(X[0], X[1], 0.0, return_interference=True)
    dataset = MixtureDataset([x.copy() for x in X], [t.copy() for t in TARGETS], snr_db=[0.0])
    results += dataset.draw()
    before = [[array.copy() for array in result] for result in results]
    for array in [*X, *dataset.targets, *dataset.interference]:
        array.fill(7)
    for result, kept in zip(results, before, strict=True):
        for one, other in zip(result, kept, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_stream_may_get_one_buffer_again_and_again():
    pipe = make_pipeline(STFT(64, 16), supervised()).fit(WAVES, TARGETS)
    stream, buffer, parts, copies = StreamingSeparator(pipe), np.empty(50), [], []
    for start in range(0, 500, 50):
        buffer[:] = WAVES[0][start : start + 50]
        parts.append(stream.process(buffer))
        copies.append(parts[-1].copy())
    buffer.fill(7)
    parts.append(stream.flush())
    for part, copy in zip(parts, copies, strict=False):
        np.testing.assert_array_equal(part, copy)
    np.testing.assert_allclose(np.concatenate(parts), pipe.predict([WAVES[0]])[0], atol=1e-9)


def test_a_spectrogram_keeps_floats_and_owns_all_else():
    window = np.hanning(66)[1:-1].copy()
    pcm, floats = np.arange(500, dtype="int16"), WAVES[0].copy()
    kept, copied = STFT(64, 16, window).transform([floats, pcm])
    assert np.shares_memory(kept.waveform, floats), "hours of audio are there once"
    before = copied.magnitude()
    pcm.fill(7)
    window.fill(7)
    np.testing.assert_array_equal(copied.magnitude(), before)
