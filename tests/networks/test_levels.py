import numpy as np
import pytest
import torch

from sknmf_unfold.networks.levels import CHUNK, LEAST, AtLevel, at_level, mean_level

LENGTHS = [1, 5, CHUNK, CHUNK + 1, 3 * CHUNK + 7]
LEVEL = 0.7


def frames(n_frames, n_streams=3, n_freqs=4, seed=0):
    """Magnitudes whose level wanders, with a pause of silence."""
    rng = np.random.default_rng(seed)
    gains = np.exp(np.cumsum(0.3 * rng.standard_normal((n_streams, n_frames)), axis=1))
    magnitude = rng.gamma(1.0, 1.0, (n_streams, n_frames, n_freqs)) * gains[..., np.newaxis]
    magnitude[0, n_frames // 3 : n_frames // 2] = 0
    return magnitude


def expected(magnitude, decay):
    """The same from the definition, frame by frame, all frames before weighted anew."""
    result = np.zeros_like(magnitude)
    for i, recording in enumerate(magnitude):
        means = recording.mean(axis=1)
        for t in range(len(recording)):
            weights = means[: t + 1] * decay ** np.arange(t, -1, -1.0)
            if weights.sum():
                result[i, t] = recording[t] * LEVEL / np.average(means[: t + 1], weights=weights)
    return result


def scaled(magnitude, decay, sums=None):
    sums = torch.zeros(len(magnitude), 2).to(torch.from_numpy(magnitude)) if sums is None else sums
    settings = [torch.tensor(value, dtype=sums.dtype) for value in (LEVEL, decay)]
    result, sums = at_level(torch.from_numpy(magnitude), sums, *settings)
    return result.numpy(), sums


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("n_frames", LENGTHS)
def test_frames_are_divided_by_the_level_so_far(n_frames, decay):
    magnitude = frames(n_frames)
    actual, _ = scaled(magnitude, decay)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected(magnitude, decay), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frames_go_on_from_those_before(dtype):
    magnitude = frames(300).astype(dtype)
    whole, _ = scaled(magnitude, 0.97)
    sums, parts = None, []
    for start in range(0, 300, 70):
        part, sums = scaled(magnitude[:, start : start + 70], 0.97, sums)
        parts.append(part)
    assert parts[0].dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=tolerance)


class Echo:
    """An inference that gives back what it gets."""

    def __init__(self):
        self.resets = 0

    def __call__(self, magnitude):
        return magnitude

    def reset(self):
        self.resets += 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_streams", [1, 3])
def test_numpy_has_the_same_frames_in_any_chunks(n_streams, dtype):
    magnitude = frames(200, n_streams).astype(dtype)
    infer = AtLevel(Echo(), LEVEL, 0.9, n_streams, np.dtype(dtype))
    for _ in range(2):
        parts = [infer(part) for part in np.split(magnitude, [1, 2, 50, 199], axis=1)]
        actual = np.concatenate(parts, axis=1)
        assert actual.dtype == dtype
        tolerance = 1e-9 if dtype == "float64" else 3e-5
        np.testing.assert_allclose(actual, expected(magnitude, 0.9), rtol=tolerance, atol=tolerance)
        infer.reset()
    assert infer._infer.resets == 2


def test_arguments_are_left_alone():
    magnitude = frames(20)
    copy = magnitude.copy()
    AtLevel(Echo(), LEVEL, 0.9, 3, np.dtype("float64"))(magnitude)
    sums = torch.ones(3, 2, dtype=torch.float64)
    scaled(magnitude, 0.9, sums)
    np.testing.assert_array_equal(magnitude, copy)
    assert (sums == 1).all()


def test_silence_stays_silent_and_a_pause_does_not_raise_what_follows():
    silence = np.zeros((1, 10, 4), np.float32)
    assert (scaled(silence, 0.9)[0] == 0).all()
    speech = np.ones((1, 5, 4), np.float32)
    together = np.concatenate([speech, np.repeat(silence, 30, axis=1), speech], axis=1)
    result, _ = scaled(together, 0.9)
    np.testing.assert_allclose(result[:, -5:], LEVEL, rtol=1e-5)


def test_what_is_nearly_silent_is_not_raised_without_bounds():
    hiss = np.full((1, 10, 4), 1e-9 * LEVEL)
    np.testing.assert_allclose(scaled(hiss, 0.9)[0], 1e-9 * LEVEL / LEAST)


def test_mean_level_weights_frames_by_themselves():
    sequences = list(frames(30))
    means = np.concatenate(sequences).mean(axis=1)
    assert mean_level(sequences) == pytest.approx((means**2).sum() / means.sum(), rel=1e-12)
    assert mean_level([np.zeros((3, 4))]) == 1
