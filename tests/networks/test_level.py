import numpy as np
import pytest
import torch

from sknmf_unfold.networks.level import LevelledNetwork, at_running_level
from sknmf_unfold.runtime.level import InputLevel
from tests.runtime.test_level import frames


@pytest.mark.parametrize("n_level", [1, 7, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_has_the_frames_that_prediction_has(n_level, dtype):
    magnitude = frames(60).astype(dtype)
    tensor = torch.from_numpy(magnitude)
    actual = at_running_level(tensor, n_level)
    assert actual.dtype == tensor.dtype
    np.testing.assert_allclose(actual, InputLevel(1.0, n_level)(magnitude)[0], rtol=1e-6)
    np.testing.assert_array_equal(tensor, frames(60).astype(dtype))
    assert at_running_level(tensor, 0) is tensor


def test_bursts_and_silence_stay_finite():
    magnitude = torch.ones(2, 30, 4)
    magnitude[0, 5:10], magnitude[1] = 1e30, 0
    levelled = at_running_level(magnitude, 8)
    assert torch.isfinite(levelled).all() and not levelled[1].any()
    torch.testing.assert_close(levelled[0, 20:25], levelled[0, :5])


class Sum(torch.nn.Module):
    """A network whose hidden units are its frames, and whose mask is their sum with a weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def hidden(self, magnitude):
        return magnitude.transpose(0, 1)

    def output_weights(self):
        return (self.weight,)

    def target_mask(self, hidden, weights):
        return hidden * weights[0]

    def forward(self, magnitude, state=None):
        return magnitude * self.weight, None


def test_a_levelled_network_hands_everything_on():
    magnitude, network = torch.rand(3, 9, 4), Sum()
    levelled = LevelledNetwork(network, 4)
    expected = at_running_level(magnitude, 4)
    hidden = levelled.hidden(magnitude)
    torch.testing.assert_close(hidden, expected.transpose(0, 1))
    mask = levelled.target_mask(hidden, levelled.output_weights())
    torch.testing.assert_close(mask.transpose(0, 1), expected)
    torch.testing.assert_close(levelled(magnitude)[0], expected)
    assert list(levelled.parameters()) == [network.weight]
