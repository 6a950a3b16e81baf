"""Separation block by block of frames: the same numbers, whatever the size of the blocks."""

import numpy as np
import pytest

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.separators import _blocks
from sknmf_unfold.validation.sequences import Sequences

NMF = {"n_components": 4, "max_iter": 20, "random_state": 0}
SEPARATORS = {
    "mu": SupervisedNMFSeparator(n_iter=20, **NMF),
    "kullback-leibler": SupervisedNMFSeparator(
        n_iter=20, beta_loss="kullback-leibler", sparsity=0.1, **NMF
    ),
    "ista": SupervisedNMFSeparator(n_iter=20, inference="ista", **NMF),
    "warm_ista": SupervisedNMFSeparator(n_iter=2, inference="warm_ista", **NMF),
    "drnmf": DRNMFSeparator(
        nmf=SupervisedNMFSeparator(4, max_iter=20), max_epochs=2, random_state=0
    ),
}
STFTS = {"default": STFT(), "odd": STFT(33, 7, "hann")}
# Frames around the edges of blocks of 8 frames, and an uneven crowd.
N_FRAMES = (1, 7, 8, 9, 15, 16, 17, 40, 8, 23)


def recordings(stft, dtype):
    """Noise in as many frames as `N_FRAMES` says."""
    rng = np.random.default_rng(0)
    lengths = [max(1, n * stft.hop_length - stft.n_fft + stft.hop_length) for n in N_FRAMES]
    return stft.transform([rng.uniform(-0.5, 0.5, n).astype(dtype) for n in lengths])


@pytest.fixture(scope="module", params=STFTS)
def stft(request):
    return STFTS[request.param]


@pytest.fixture(scope="module", params=SEPARATORS)
def separator(request, stft, speech):
    X, Y = speech[0][:3], speech[1][:3]
    return SEPARATORS[request.param].fit(stft.transform(X), Y)


def blocks_of(monkeypatch, n_frames):
    monkeypatch.setattr(_blocks, "BLOCK_FRAMES", n_frames)


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_blocks_give_the_same_numbers(separator, stft, dtype, monkeypatch):
    X = recordings(stft, dtype)
    methods = separator.predict, separator.predict_mask, separator.transform
    wholes = [method(X) for method in methods]
    assert [len(x) for x in wholes[0]] == [item.n_times for item in X]
    assert [x.shape for x in wholes[1]] == [item.shape for item in X]
    # In the units of masks and waveforms; activations are larger.
    atol = 1e-11 if dtype == "float64" else 1e-5
    for size in (1, 8, 30):
        blocks_of(monkeypatch, size)
        for method, whole in zip(methods, wholes, strict=True):
            for result, expected in zip(method(X), whole, strict=True):
                assert result.dtype == expected.dtype == dtype
                scale = max(1, np.abs(expected).max())
                np.testing.assert_allclose(result, expected, rtol=0, atol=atol * scale)


@pytest.mark.parametrize("size", [8, 1536])
def test_predict_is_the_inverse_of_the_masked_item(separator, stft, size, monkeypatch):
    blocks_of(monkeypatch, size)
    X = recordings(stft, "float32")
    pairs = zip(X, separator.predict_mask(X), strict=True)
    expected = [item.masked(mask).inverse() for item, mask in pairs]
    for result, wanted in zip(separator.predict(X), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_together_or_one_by_one(separator, stft, monkeypatch):
    blocks_of(monkeypatch, 16)
    X = recordings(stft, "float64")
    for item, together in zip(X, separator.predict(X), strict=True):
        np.testing.assert_allclose(separator.predict([item])[0], together, rtol=0, atol=1e-11)


def test_the_state_matters(stft, speech):
    X = recordings(stft, "float64")
    for name in ("warm_ista", "drnmf"):
        separator = SEPARATORS[name].fit(stft.transform(speech[0][:3]), speech[1][:3])
        item = X[7]
        cut = item.of(item.waveform[20 * stft.hop_length :])
        n_common = cut.shape[0] - stft.n_fft // stft.hop_length - 1
        late = [separator.predict_mask([each])[0][-n_common:] for each in (item, cut)]
        change = np.abs(late[0] - late[1]).max()
        assert change > 1e-9 * late[0].max(), "a lost state would not be noticed"


def sequences_of(lengths):
    return Sequences([np.full((n, 3), float(i)) for i, n in enumerate(lengths)], "magnitudes")


@pytest.mark.parametrize("recurrent", [True, False])
@pytest.mark.parametrize("lengths", [[5], [1] * 300, [3, 100, 3, 50], [4000, 7, 20_000]])
def test_a_step_has_few_frames_and_each_recording_comes_in_order(lengths, recurrent):
    sizes = []

    def step(magnitude, state):
        sizes.append(magnitude.shape[0] * magnitude.shape[1])
        counts = np.zeros(len(magnitude)) if state is None else state
        # Everything in the batch is one recording's, or the zeros after its end.
        ids = magnitude.max(axis=(1, 2))
        assert np.isin(magnitude, [0, *ids]).all()
        return magnitude + counts[:, None, None], counts + 1000

    rows = [_blocks.Rows(n) for n in lengths]

    def consume(i, frames, result):
        assert (frames == i).all() and len(frames) == len(result) > 0
        rows[i].append(result)

    _blocks.run_in_blocks(sequences_of(lengths), step, consume, recurrent)
    for i, (n, row) in enumerate(zip(lengths, rows, strict=True)):
        assert row.array.shape == (n, 3)
        # The state of a recording is its own: it counts that recording's blocks.
        assert (np.diff(row.array[:, 0]) >= 0).all() and row.array[0, 0] == i
        assert set(np.unique(row.array - i) % 1000) == {0}
    assert max(sizes) <= _blocks.BLOCK_FRAMES
    # Padding is cheap for little; much is hardly padded.
    assert sum(sizes) <= max(1.05 * sum(lengths), 1000)


def test_recordings_leave_when_they_have_ended(monkeypatch):
    blocks_of(monkeypatch, 8)
    seen = []

    def step(magnitude, state):
        seen.append((len(magnitude), None if state is None else state.tolist()))
        return magnitude, magnitude[:, 0, 0]

    _blocks.run_in_blocks(sequences_of([4, 9, 5]), step, lambda *_: None)
    # Three recordings in blocks of 2 frames, then those that go on, with states of their own.
    assert seen[0] == (3, None)
    assert seen[1][0] == 3 and seen[2] == (2, [2.0, 1.0])
    assert seen[-1] == (1, [1.0])


def test_rows_of_a_table_are_independent_of_blocks(magnitudes, monkeypatch):
    X, Y = (np.concatenate(part) for part in magnitudes)
    for separator in SEPARATORS.values():
        separator.fit(X, Y)
        methods = separator.predict, separator.predict_mask, separator.transform
        wholes = [method(X) for method in methods]
        with monkeypatch.context() as patch:
            patch.setattr(_blocks, "BLOCK_FRAMES", 7)
            for method, whole in zip(methods, wholes, strict=True):
                assert whole.shape[0] == len(X)
                np.testing.assert_allclose(method(X), whole, rtol=1e-9, atol=1e-12)


def test_score_is_that_of_the_prediction(separator, stft, speech, monkeypatch):
    X, Y = stft.transform(speech[0][:2]), speech[1][:2]
    whole = separator.score(X, Y)
    blocks_of(monkeypatch, 10)
    assert separator.score(X, Y) == pytest.approx(whole, abs=1e-4)
