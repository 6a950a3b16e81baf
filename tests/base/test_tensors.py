"""Conversion between arrays and tensors, devices, padding and batches of sequences."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sknmf_unfold.base.tensors import (
    batches_by_length,
    gradients,
    pad,
    resolve_device,
    to_numpy,
    to_tensor,
)

MAGNITUDES = [np.random.default_rng(n).random((n, 6)) for n in (4, 1, 7)]
TABLE = np.random.default_rng(0).random((10, 6))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_read_only_memory_map_is_copied_without_a_warning(tmp_path, order):
    path = tmp_path / "array.npy"
    np.save(path, np.arange(6.0).reshape(2, 3, order=order))
    mapped = np.load(path, mmap_mode="r")
    tensor = to_tensor(mapped, "cpu")
    tensor += 1
    np.testing.assert_array_equal(mapped.ravel(order), np.arange(6.0))


def test_writeable_memory_is_shared():
    array = np.zeros(3)
    to_tensor(array, "cpu").fill_(1)
    np.testing.assert_array_equal(array, np.ones(3))


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_gradients_inside_whatever_is_around(around):
    with around():
        with gradients():
            weight = torch.ones(2, requires_grad=True)
            (weight**2).sum().backward()
        assert not torch.is_grad_enabled()
    assert weight.grad.tolist() == [2.0, 2.0]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 200))
def test_batches_hold_each_sequence_once_and_no_more_frames_than_asked(n_frames, max_frames):
    batches = batches_by_length(n_frames, max_frames)
    assert sorted(i for batch in batches for i in batch) == list(range(len(n_frames)))
    lengths = [[n_frames[i] for i in batch] for batch in batches]
    for length in lengths:
        assert length
        assert len(length) == 1 or len(length) * max(length) <= max_frames
    for shorter, longer in itertools.pairwise(lengths):
        # Sorted, and none of the next batch would have fitted.
        assert max(shorter) <= min(longer)
        assert (len(shorter) + 1) * min(longer) > max_frames


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pad(dtype):
    arrays = [array.astype(dtype) for array in MAGNITUDES]
    batch, n_frames = pad(arrays)
    assert batch.shape == (3, 7, 6)
    assert batch.dtype == dtype
    assert n_frames.tolist() == [4, 1, 7]
    for row, array in zip(batch, arrays, strict=True):
        np.testing.assert_array_equal(row[: len(array)], array)
        np.testing.assert_array_equal(row[len(array) :], 0)


def test_tensors_and_back():
    device = torch.device("cpu")
    for view in (TABLE, TABLE.T, TABLE[::-1], TABLE.astype("f4"), np.arange(3)):
        array = view.copy(order="K")
        tensor = to_tensor(array, device)
        back = to_numpy(tensor)
        assert back.dtype == view.dtype
        assert back.flags.owndata and back.flags.writeable
        # No memory is shared with the tensor.
        tensor += 1
        np.testing.assert_array_equal(back, view)
    np.testing.assert_array_equal(to_tensor(TABLE.copy()[::-1], device), TABLE[::-1])
    np.testing.assert_array_equal(to_numpy(torch.ones(2, requires_grad=True)), 1)


def test_what_must_not_be_written_to_is_copied():
    read_only = TABLE.copy()
    read_only.flags.writeable = False
    to_tensor(read_only, torch.device("cpu")).zero_()
    np.testing.assert_array_equal(read_only, TABLE)


def test_devices(monkeypatch):
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(
        ValueError, match=r"`device` is 'cuda:1' but torch finds no GPU of that kind; use 'auto'"
    ):
        resolve_device("cuda:1")
    assert resolve_device("cuda", fall_back=True) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    for device in ("cuda:2", "meta"):
        with pytest.raises(
            ValueError, match=r"torch finds no GPU of that kind; use 'auto' or 'cpu'"
        ):
            resolve_device(device)
    for device in ("gpu", 1.5, None, "cpu:"):
        with pytest.raises(ValueError, match=r"`device` must be 'auto', 'cpu', .*; got "):
            resolve_device(device)
