"""Masks of stacked layers frame by frame against torch's, which go through whole recordings."""

import numpy as np
import pytest
import torch

from sknmf_unfold.networks.stacked_rnn import StackedRNN, draw_stacked_rnn
from sknmf_unfold.runtime.stacked_rnn import RunningStackedRNN


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("kind", ["lstm", "relu"])
def test_masks_are_those_of_torch(kind, n_layers):
    rng = np.random.RandomState(0)
    magnitude = rng.gamma(0.5, 2.0, (2, 12, 9))
    weights = draw_stacked_rnn(magnitude.reshape(-1, 9), n_layers, 5, rng, kind)
    # So large that the state matters.
    weights |= {name: 3 * x for name, x in weights.items() if "_l" in name}
    network = StackedRNN({name: torch.from_numpy(np.array(x)) for name, x in weights.items()})
    with torch.no_grad():
        expected = network(torch.from_numpy(magnitude))[0][:, 0].numpy()
    masks = RunningStackedRNN(weights, n_streams=2)
    parts = np.split(magnitude, [1, 5], axis=1)
    actual = np.concatenate([masks(part) for part in parts], axis=1)
    assert expected.std() > 0.05
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)
    assert not np.allclose(masks(parts[0]), expected[:, :1])
    masks.reset()
    np.testing.assert_allclose(masks(parts[0]), expected[:, :1], rtol=0, atol=1e-12)
