"""A network like GTCRN: causal, streams, learns, and is stored as other separators are."""

import joblib
import numpy as np
import pytest
import torch
from sklearn.pipeline import Pipeline

from benchmarks.gtcrn_like import GTCRNLike, GTCRNLikeSeparator
from benchmarks.gtcrn_like_layers import band_matrices, neighbours
from sknmf_unfold import STFT
from sknmf_unfold.streaming import StreamingSeparator


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GTCRNLike(65)


def frames(n_frames, batch=2, n_freqs=65):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.gamma(0.5, 1.0, (batch, n_frames, n_freqs)).astype("float32"))


@pytest.mark.parametrize("n_freqs", [9, 65, 129, 200, 257])
def test_bands_cover_all_bins(n_freqs):
    to_bands, to_bins = band_matrices(n_freqs)
    assert (to_bands >= 0).all() and (to_bins >= 0).all()
    np.testing.assert_allclose(to_bands.sum(axis=1)[to_bins.any(axis=0)], 1, rtol=1e-5)
    np.testing.assert_allclose(to_bins.sum(axis=1), 1, rtol=1e-5)
    masks, _ = GTCRNLike(n_freqs)(frames(3, n_freqs=n_freqs))
    assert masks.shape == (2, 2, 3, n_freqs)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(2, 3, n_freqs))


def test_neighbours_of_a_band():
    x = torch.arange(4.0).view(1, 1, 1, 4)
    expected = [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 0]]
    assert neighbours(x)[0, :, 0].tolist() == expected


def test_it_is_as_large_as_the_original():
    n_weights = sum(weight.numel() for weight in GTCRNLike(257).parameters())
    assert 22_000 < n_weights < 26_000


def test_it_is_causal(network):
    x = frames(30)
    other = x.clone()
    other[:, 20:] *= 3
    (before, _), (after, _) = network(x), network(other)
    torch.testing.assert_close(before[:, :, :20], after[:, :, :20], rtol=0, atol=1e-6)
    assert (before[:, :, 20] - after[:, :, 20]).abs().max() > 1e-4


@pytest.mark.parametrize("length", [1, 7])
def test_pieces_give_the_whole(network, length):
    x, state, parts = frames(30), None, []
    for piece in x.split(length, dim=1):
        masks, state = network(piece, state)
        parts.append(masks)
    torch.testing.assert_close(torch.cat(parts, dim=2), network(x)[0], rtol=0, atol=1e-5)


def test_every_weight_is_trained(network):
    network(frames(12))[0][:, 0].square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


@pytest.fixture(scope="module")
def fitted(speech):
    settings = {"max_epochs": 3, "learning_rate": 3e-3, "device": "cpu", "random_state": 0}
    separator = GTCRNLikeSeparator(**settings, speed_factors=(1.0,), patience=3)
    stft = STFT(n_fft=256, hop_length=128)
    pipe = Pipeline([("stft", stft), ("sep", separator)])
    return pipe.fit(*speech, sep__validation_data=speech)


def test_it_learns(fitted):
    losses = fitted[-1].history_["validation_loss"]
    assert losses[-1] < losses[0]
    assert fitted[-1].n_parameters_ == sum(weight.numel() for weight in GTCRNLike(129).parameters())


def test_it_streams(fitted, speech):
    stream, x = StreamingSeparator(fitted), speech[0][0]
    parts = [stream.process(chunk) for chunk in np.array_split(x, 40)]
    found = np.concatenate([*parts, stream.flush()])
    np.testing.assert_allclose(found, fitted.predict([x])[0], rtol=0, atol=1e-5)


def test_it_is_stored(fitted, speech, tmp_path):
    joblib.dump(fitted, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(
        loaded.predict(speech[0][:1])[0], fitted.predict(speech[0][:1])[0]
    )


def test_a_seed_makes_fits_repeat_and_leaves_torch_alone(speech):
    settings = {"max_epochs": 0, "device": "cpu", "random_state": 1}
    before = torch.random.get_rng_state()
    one, other = (
        Pipeline([("stft", STFT(n_fft=256)), ("sep", GTCRNLikeSeparator(**settings))]).fit(*speech)
        for _ in range(2)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    for name, value in one[-1].weights_.items():
        np.testing.assert_array_equal(value, other[-1].weights_[name])
