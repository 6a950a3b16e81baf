import numpy as np
import pytest
import torch

from sknmf_unfold.base.tensors import gradients, to_tensor


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
