import numpy as np
import pytest
import torch

from sknmf_unfold.networks.masks import power_masks
from sknmf_unfold.signal.masks import ratio_masks


def estimates(dtype="float64", level=1.0):
    return level * np.random.default_rng(0).gamma(0.5, 1.0, (2, 3, 20, 7)).astype(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("level", [1e-4, 1.0, 1e4])
def test_an_exponent_of_1_gives_ratio_masks(dtype, tolerance, level):
    array = estimates(dtype, level)
    masks = power_masks(torch.from_numpy(array), torch.ones(7).to(getattr(torch, dtype)), 1)
    assert masks.numpy().dtype == dtype
    np.testing.assert_allclose(masks, ratio_masks(array, axis=1), rtol=0, atol=tolerance)


def test_every_bin_has_its_own_exponent():
    array, exponents = estimates(), np.linspace(0.3, 4, 7)
    masks = power_masks(torch.from_numpy(array), torch.from_numpy(exponents), 1).numpy()
    for i, exponent in enumerate(exponents):
        powers = array[..., i] ** exponent
        expected = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(masks[..., i], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [0.01, 0.5, 1.0, 3.0, 100.0])
def test_masks_are_shares_with_a_finite_gradient_at_any_level(exponent, dtype):
    levels = np.array([0, 1e-45, 1e-30, 1e-14, 1e-7, 1, 1e4, 1e30], dtype)
    pairs = np.stack(np.meshgrid(levels, levels))[None].reshape(1, 2, 8, 8)
    tensor = torch.from_numpy(pairs).requires_grad_()
    power = torch.full((8,), exponent, dtype=tensor.dtype, requires_grad=True)
    masks = power_masks(tensor, power, 1)
    masks[:, 0].sum().backward()
    for gradient in (tensor.grad, power.grad):
        assert torch.isfinite(gradient).all()
    masks = masks.detach().numpy()
    eps = np.finfo(dtype).eps
    assert masks.min() >= 0 and masks.max() <= 1
    np.testing.assert_allclose(masks.sum(axis=1), 1, rtol=0, atol=4 * eps)
    np.testing.assert_allclose(masks[:, :, 0, 0], 0.5, rtol=4 * eps)
    # More of a source is never less of its mask.
    assert (np.diff(masks[0, 0], axis=1) >= -4 * eps).all()
    assert (np.diff(masks[0, 1], axis=0) >= -4 * eps).all()
