"""Running masks, built from arrays, against the loop over frames, layers and units."""

import numpy as np
import pytest

from sknmf_unfold.runtime.from_fitted import build_masks
from tests.oracles.recurrence import MODELS, draw_weights, drnmf_loop


@pytest.mark.parametrize("n_streams", [1, 3])
@pytest.mark.parametrize("shape", [(6, 14), (14, 6)])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_masks_are_those_of_the_loop(model, shape, n_streams):
    weights = draw_weights(2, *shape, **model)
    magnitude = np.random.default_rng(1).gamma(0.5, 2.0, (n_streams, 10, shape[1]))
    masks = build_masks(weights, n_streams)
    parts = np.split(magnitude, [1, 4], axis=1)
    actual = np.concatenate([masks(part) for part in parts], axis=1)
    expected = np.stack([drnmf_loop(weights, x)[1] for x in magnitude])
    assert expected.std() > 0.05
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)
    masks.reset()
    np.testing.assert_allclose(masks(parts[0]), expected[:, :1], rtol=0, atol=1e-10)
