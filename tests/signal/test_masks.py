"""Ratio masks: shares that sum to one, silence, gradients and bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sknmf_unfold.signal import ratio_masks
from sknmf_unfold.signal.masks import SILENCE
from tests._refusals import refuses


def masks_loop(estimates, silence=1e-12):
    """Each source's share of the sum; what the sum lacks to `silence` is shared equally."""
    n_sources, n_frames, n_bins = estimates.shape
    masks = np.zeros(estimates.shape)
    for t in range(n_frames):
        for f in range(n_bins):
            total = sum(float(estimates[s, t, f]) for s in range(n_sources))
            lacking = max(silence - total, 0.0)
            for s in range(n_sources):
                share = float(estimates[s, t, f]) + lacking / n_sources
                masks[s, t, f] = share / (total + lacking)
    return masks


SPECIAL = [0.0, 5e-324, 1e-310, 1e-45, 1e-20, 4e-13, 1e-12, 1e-8, 1.0, 1e4, 1e30]


def estimates_of(dtype):
    values = st.sampled_from(SPECIAL) | st.floats(0, 1e30)
    values = values.map(lambda value: float(np.array(value, dtype)))
    shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
    return shapes.flatmap(lambda shape: hnp.arrays(dtype, shape, elements=values))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_are_shares(dtype):
    eps = np.finfo(dtype).eps

    @settings(deadline=None, derandomize=True)
    @given(estimates_of(dtype))
    def check(estimates):
        before = estimates.copy()
        masks = ratio_masks(estimates)
        assert masks.dtype == dtype
        assert masks.min() >= 0
        assert masks.max() <= 1
        np.testing.assert_allclose(masks.sum(axis=0), 1, rtol=0, atol=4 * eps)
        np.testing.assert_allclose(masks, masks_loop(estimates), rtol=0, atol=4 * eps)
        tensor = ratio_masks(torch.from_numpy(estimates))
        assert tensor.dtype == getattr(torch, dtype)
        np.testing.assert_allclose(tensor.numpy(), masks, rtol=0, atol=4 * eps)
        np.testing.assert_array_equal(estimates, before)

    check()


def test_above_silence_a_mask_is_the_plain_quotient():
    estimates = np.random.default_rng(0).uniform(1e-9, 1e4, size=(3, 20, 5))
    np.testing.assert_array_equal(ratio_masks(estimates), estimates / estimates.sum(axis=0))


def test_silence_is_shared_equally():
    for n_sources in (1, 2, 3):
        masks = ratio_masks(np.zeros((n_sources, 2, 3), dtype="float32"))
        np.testing.assert_allclose(masks, 1 / n_sources, rtol=1e-7)


def test_towards_silence_a_mask_moves_to_an_equal_share_without_a_step():
    # One source alone: its share falls from 1 at SILENCE in a straight line to 1/2 at 0.
    for part in (1.0, 0.75, 0.5, 0.0):
        masks = ratio_masks(np.array([[[part * SILENCE]], [[0.0]]]))
        np.testing.assert_allclose(masks[:, 0, 0], [0.5 + part / 2, 0.5 - part / 2], rtol=1e-14)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_axis_of_the_sources(axis):
    estimates = np.random.default_rng(0).uniform(size=(3, 4, 5, 6))
    expected = np.moveaxis(ratio_masks(np.moveaxis(estimates, axis, 0)), 0, axis)
    np.testing.assert_array_equal(ratio_masks(estimates, axis=axis), expected)
    tensor = ratio_masks(torch.from_numpy(estimates), axis=axis).numpy()
    np.testing.assert_allclose(tensor, expected, rtol=1e-14)


@pytest.mark.parametrize("level", [1e-8, 1.0, 1e4])
def test_masks_do_not_depend_on_the_level(level):
    estimates = np.random.default_rng(0).uniform(0.1, 1, size=(2, 10, 5))
    np.testing.assert_allclose(ratio_masks(level * estimates), ratio_masks(estimates), rtol=1e-14)


def test_torch_gradients_are_finite_at_silence():
    estimates = torch.zeros(2, 3, 4, requires_grad=True)
    masks = ratio_masks(estimates)
    # As in the loss: a silent mixture is multiplied by the mask.
    (masks[0] * torch.zeros(3, 4)).square().sum().backward()
    assert torch.isfinite(estimates.grad).all()


# What is refused, and what is not


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_whole_numbers_and_lists_are_estimates(dtype):
    estimates = np.array([[[1, 0, 1]], [[1, 1, 0]]]).astype(dtype)
    for holder in (estimates, estimates.tolist(), torch.from_numpy(estimates)):
        masks = ratio_masks(holder)
        assert str(masks.dtype).removeprefix("torch.") == "float64"
        np.testing.assert_array_equal(masks, [[[0.5, 0.0, 1.0]], [[0.5, 1.0, 0.0]]])


def test_gradients_go_through():
    estimates = torch.tensor([[[3.0]], [[1.0]]], requires_grad=True)
    ratio_masks(estimates)[0].sum().backward()
    np.testing.assert_allclose(estimates.grad.numpy().ravel(), [1 / 16, -3 / 16])


def with_value(value):
    estimates = np.ones((2, 3, 4))
    estimates[1, 2, 3] = value
    return estimates


@pytest.mark.parametrize("pack", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf, -np.inf])
def test_what_is_no_magnitude(pack, value):
    refuses("`estimates` must be magnitudes, >= 0", lambda: ratio_masks(pack(with_value(value))))


def test_sums_that_overflow():
    huge = np.full((2, 1, 1), 1.5e308)
    refuses("so must be their sums", lambda: ratio_masks(huge))


@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (0, 3, 4), (2, 0, 4)])
def test_shapes_that_are_none(shape):
    for pack in (np.zeros, torch.zeros):
        refuses("must have the shape", lambda pack=pack: ratio_masks(pack(shape)))


def test_other_types_and_axes():
    estimates = np.ones((2, 3, 4))
    for other in (estimates + 1j, torch.ones((2, 3, 4), dtype=torch.complex64)):
        refuses("`estimates` has dtype", lambda other=other: ratio_masks(other), TypeError)
    for other in (estimates.astype(object), estimates.astype(str)):
        refuses("`estimates` has dtype", lambda other=other: ratio_masks(other), TypeError)
    for axis in (3, -4):
        refuses("`axis` must be a whole number >= -3", lambda a=axis: ratio_masks(estimates, a))
    refuses("`axis` must be", lambda: ratio_masks(estimates, (0, 1)), TypeError)
    refuses("`estimates` cannot become", lambda: ratio_masks([[[1.0]], [[1.0, 2.0]]]), TypeError)
