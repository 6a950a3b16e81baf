"""Masks of activations in torch: powers, evidence, gradients; and the same in numpy."""

import numpy as np
import pytest
import torch

from sknmf_unfold.networks.masks import evidence_log_odds, power_mask
from sknmf_unfold.runtime.masks import EvidenceLogOdds, PowerMask
from sknmf_unfold.signal.masks import ratio_masks


def shares(estimates, exponent, log_odds=None):
    """Masks of estimates (2, rows, bins), by dictionaries that leave them as they are."""
    unit = torch.eye(estimates.shape[2], dtype=estimates.dtype)
    return power_mask(torch.cat(list(estimates), 1), unit, unit, exponent, log_odds)


def estimates(dtype="float64", level=1.0):
    return level * np.random.default_rng(0).gamma(0.5, 1.0, (2, 60, 7)).astype(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("level", [1e-4, 1.0, 1e4])
def test_an_exponent_of_1_gives_ratio_masks(dtype, tolerance, level):
    array = estimates(dtype, level)
    masks = shares(torch.from_numpy(array), torch.ones(7).to(getattr(torch, dtype)))
    assert masks.numpy().dtype == dtype
    np.testing.assert_allclose(masks, ratio_masks(array)[0], rtol=0, atol=tolerance)


def test_every_bin_has_its_own_exponent():
    array, exponents = estimates(), np.linspace(0.3, 4, 7)
    masks = shares(torch.from_numpy(array), torch.from_numpy(exponents)).numpy()
    powers = array**exponents
    np.testing.assert_allclose(masks, powers[0] / powers.sum(axis=0), rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [0.01, 0.5, 1.0, 3.0, 100.0])
def test_masks_are_shares_with_a_finite_gradient_at_any_level(exponent, dtype):
    levels = np.array([0, 1e-45, 1e-30, 1e-14, 1e-7, 1, 1e4, 1e30], dtype)
    pairs = np.stack(np.meshgrid(levels, levels))
    tensor = torch.from_numpy(pairs).requires_grad_()
    power = torch.full((8,), exponent, dtype=tensor.dtype, requires_grad=True)
    masks = shares(tensor, power)
    masks.sum().backward()
    for gradient in (tensor.grad, power.grad):
        assert torch.isfinite(gradient).all()
    masks = masks.detach().numpy()
    eps = np.finfo(dtype).eps
    assert masks.min() >= 0 and masks.max() <= 1
    others = shares(torch.from_numpy(pairs[::-1].copy()), power.detach()).numpy()
    np.testing.assert_allclose(masks + others, 1, rtol=0, atol=4 * eps)
    np.testing.assert_allclose(masks[0, 0], 0.5, rtol=4 * eps)
    # More of a source is never less of its mask.
    assert (np.diff(masks, axis=1) >= -4 * eps).all()
    assert (np.diff(masks, axis=0) <= 4 * eps).all()


def loop_mask(activations, target, rest, exponent):
    """The first of two shares, in numpy."""
    n_target = len(target)
    powers = [
        (h @ W) ** exponent
        for h, W in ((activations[:, :n_target], target), (activations[:, n_target:], rest))
    ]
    return powers[0] / (powers[0] + powers[1])


def problem(dtype=torch.float64, n_rows=9):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)

    exponent = torch.tensor(1.7, dtype=dtype)
    return [draw(n_rows, 5), draw(2, 4), draw(3, 4), exponent]


@pytest.mark.parametrize("per_bin", [False, True])
def test_power_mask_is_the_share_of_the_target(per_bin):
    tensors = problem()
    if per_bin:
        tensors[3] = torch.linspace(0.5, 3, 4, dtype=torch.float64)
    expected = loop_mask(*(x.numpy() for x in tensors))
    np.testing.assert_allclose(power_mask(*tensors), expected, rtol=1e-12)
    # With and without a gradient, by different ways.
    for x in tensors:
        x.requires_grad_()
    np.testing.assert_allclose(power_mask(*tensors).detach(), expected, rtol=1e-12)


@pytest.mark.parametrize("per_bin", [False, True])
def test_gradients_of_power_mask_are_those_of_finite_differences(per_bin):
    tensors = problem()
    if per_bin:
        tensors[3] = torch.linspace(0.5, 3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(power_mask, [x.requires_grad_() for x in tensors])


def test_log_odds_multiply_the_odds_of_the_target():
    tensors = problem()
    log_odds = torch.linspace(-3, 3, 36, dtype=torch.float64).reshape(9, 4)
    before, after = power_mask(*tensors), power_mask(*tensors, log_odds)
    expected = before / (1 - before) * torch.exp(log_odds)
    torch.testing.assert_close(after / (1 - after), expected, rtol=1e-10, atol=0)
    tensors = [x.requires_grad_() for x in (*tensors, log_odds)]
    torch.testing.assert_close(power_mask(*tensors), after, rtol=1e-12, atol=0)
    assert torch.autograd.gradcheck(power_mask, tensors)


def test_evidence_is_that_of_any_level_and_of_no_silence():
    activations, evidence = problem()[0], torch.randn(5, 4, dtype=torch.float64)
    loud, louder = (evidence_log_odds(g * activations, evidence, 5) for g in (1e6, 1e8))
    torch.testing.assert_close(loud, louder, rtol=1e-4, atol=1e-5)
    assert float(loud.abs().max()) > 0.1
    assert float(evidence_log_odds(1e-6 * activations, evidence, 5).abs().max()) < 1e-5
    silent = torch.zeros(2, 5, dtype=torch.float64, requires_grad=True)
    evidence_log_odds(silent, evidence, 5).sum().backward()
    assert torch.isfinite(silent.grad).all()


@pytest.mark.parametrize("level", [0.0, 1.0, 1e4])
def test_evidence_in_numpy_is_the_same(level):
    activations, evidence = level * problem(torch.float32)[0], torch.randn(5, 4)
    log_odds = EvidenceLogOdds(evidence.numpy())(activations.numpy()[np.newaxis])[0]
    assert log_odds.dtype == np.float32
    expected = evidence_log_odds(activations, evidence, 5)
    np.testing.assert_allclose(log_odds, expected, rtol=0, atol=1e-5)


def test_the_evidence_of_units_counts_by_their_activity():
    activations = problem()[0]
    units = torch.randn(len(activations), 3, dtype=torch.float64)
    hidden = torch.cat([activations, units], dim=-1)
    evidence = torch.randn(8, 4, dtype=torch.float64)
    alone = evidence_log_odds(hidden[:, :5], evidence[:5], 5)
    both = evidence_log_odds(hidden, evidence, 5)
    torch.testing.assert_close(both - alone, hidden[:, 5:] @ evidence[5:], rtol=0, atol=1e-12)


def test_power_mask_of_silence_is_a_half_with_a_finite_gradient():
    tensors = problem(torch.float32)
    tensors[0].zero_()
    mask = power_mask(*(x.requires_grad_() for x in tensors))
    assert torch.equal(mask, torch.full_like(mask, 0.5))
    mask.sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in tensors)


def test_power_mask_leaves_its_arguments_alone():
    for needs_gradient in (False, True):
        tensors = [x.requires_grad_(needs_gradient) for x in problem()]
        copies = [x.detach().clone() for x in tensors]
        mask = power_mask(*tensors)
        if needs_gradient:
            mask.sum().backward()
        assert all(torch.equal(x, copy) for x, copy in zip(tensors, copies, strict=True))


def test_frames_of_streams_get_the_same_share_in_numpy():
    tensors = problem(torch.float32)
    estimates = [tensors[0][:, :2] @ tensors[1], tensors[0][:, 2:] @ tensors[2]]
    share = PowerMask(np.float32(1.7))(*(x.numpy() for x in estimates))
    assert share.dtype == np.float32
    np.testing.assert_allclose(share, power_mask(*tensors), rtol=0, atol=1e-6)
