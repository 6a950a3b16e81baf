"""Conversion between numpy arrays and torch tensors; devices, and batches of padded sequences.

No other module converts. torch is imported inside functions: importing the package does not load
it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.validation.messages import shown

if TYPE_CHECKING:
    import torch

# Whether this process was forked from one that had loaded torch.
_forked_with_torch = False


def _note_fork():
    global _forked_with_torch
    _forked_with_torch = "torch" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _survive_fork():
    """Keep torch from waiting for threads of its pool, which a forked process does not have."""
    import torch

    if _forked_with_torch and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


def _has_gpu():
    """Whether there is a GPU; a process forked from one that used CUDA cannot use it."""
    import torch

    return torch.cuda.is_available() and not torch.cuda._is_in_bad_fork()


def _is_usable(device):
    """Whether there is such a device, and it stores numbers."""
    import torch

    if device.type in ("cpu", "meta"):
        return device.type == "cpu"
    if device.type == "cuda":
        return _has_gpu() and (device.index or 0) < torch.cuda.device_count()
    try:
        torch.empty(0, device=device)
    # torch has an exception of its own choice for each kind of device that it was built without.
    except Exception:
        return False
    return True


def resolve_device(device: Any, fall_back: bool = False) -> torch.device:
    """Resolve a `device` parameter; "auto" stands for a GPU if there is one, else the CPU.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"``, or an argument of `torch.device`.
    fall_back : bool, default=False
        Whether to return the CPU for a GPU that does not exist, instead of an error.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        If the device is unknown or not on this machine.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    import torch

    _survive_fork()
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if _has_gpu() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"`device` must be 'auto', 'cpu', 'cuda' or another torch device; got {shown(device)}."
        ) from error
    if _is_usable(resolved):
        return resolved
    if fall_back:
        return torch.device("cpu")
    raise ValueError(
        f"`device` is {shown(device)} but torch finds no GPU of that kind; use 'auto' or 'cpu'. (A "
        f"process forked from one that uses a GPU cannot use it: start workers by 'spawn'.)"
    )


def to_tensor(array: ArrayLike, device: torch.device | str) -> torch.Tensor:
    """Convert an array to a tensor, without a copy on a CPU unless the array is read-only."""
    import torch

    array = np.asarray(array)
    # torch warns about read-only memory, such as joblib's memory maps.
    array = np.asarray(array, order="C") if array.flags.writeable else array.copy(order="C")
    return torch.from_numpy(array).to(device)


def empty_like(tensor: torch.Tensor, shape: Sequence[int] | None = None) -> torch.Tensor:
    """Allocate a contiguous tensor of the same dtype and device, uninitialised.

    On a CPU numpy allocates the memory, in large pages: the system provides them many times faster
    than the small pages of torch.
    """
    import torch

    shape = tensor.shape if shape is None else shape
    if tensor.device.type != "cpu":
        return tensor.new_empty(shape)
    # An empty tensor of a dtype knows what numpy calls it.
    return torch.from_numpy(np.empty(shape, tensor.new_empty(0).detach().numpy().dtype))


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Convert a tensor to an array that owns its memory."""
    return tensor.detach().cpu().numpy().copy()


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Convert a tensor to an array, which shares memory with a tensor on a CPU."""
    return tensor.detach().cpu().numpy()


@contextlib.contextmanager
def gradients() -> Iterator[None]:
    """Enable gradients in the block, also under the caller's `no_grad` or inference mode."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        yield


def tree_to_numpy(tree: Any) -> Any:
    """Convert the tensors in nested dicts and lists to arrays."""
    return _map_leaves(tree, lambda leaf: to_numpy(leaf) if hasattr(leaf, "detach") else leaf)


def tree_to_tensors(tree: Any) -> Any:
    """Convert the arrays in nested dicts and lists to tensors."""
    return _map_leaves(
        tree, lambda leaf: to_tensor(leaf, "cpu") if isinstance(leaf, np.ndarray) else leaf
    )


def _map_leaves(tree, function):
    if isinstance(tree, dict):
        return {key: _map_leaves(value, function) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_map_leaves(value, function) for value in tree]
    return function(tree)


def pad(arrays: Sequence[Any], frames_first: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Stack sequences of different lengths, with zeros after their ends.

    Parameters
    ----------
    arrays : list of ndarray or array-like of shape (n_frames, n_freqs)
        There may be none, which gives an empty batch.
    frames_first : bool, default=False
        Whether the first axis is that of the frames.

    Returns
    -------
    batch : ndarray of shape (batch, max_frames, n_freqs), or (max_frames, batch, n_freqs)
    n_frames : ndarray of shape (batch,), int
        The length of each sequence.

    Examples
    --------
    >>> batch, n_frames = pad([np.ones((2, 3)), np.ones((1, 3))])
    >>> batch.shape, n_frames
    ((2, 2, 3), array([2, 1]))
    """
    if len(arrays) == 0:
        return np.zeros((0, 0, 0), np.float32), np.zeros(0, int)
    n_frames = np.array([len(array) for array in arrays])
    shape = (len(arrays), n_frames.max(), arrays[0].shape[1])
    if frames_first:
        batch = np.zeros((shape[1], shape[0], shape[2]), dtype=arrays[0].dtype)
        rows = batch.swapaxes(0, 1)
    else:
        rows = batch = np.zeros(shape, dtype=arrays[0].dtype)
    for row, array in zip(rows, arrays, strict=True):
        row[: len(array)] = array
    return batch, n_frames


def batches_by_length(n_frames: ArrayLike, max_frames: int) -> list[list[int]]:
    """Group sequences of similar length into batches of at most `max_frames` padded frames.

    Parameters
    ----------
    n_frames : array-like of shape (n_sequences,)
        Length of each sequence.
    max_frames : int
        Bound on batch size times longest length; a longer sequence is a batch of its own.

    Returns
    -------
    batches : list of list of int
        Indices into `n_frames`.

    Examples
    --------
    >>> batches_by_length([5, 100, 6, 7], 20)
    [[0, 2], [3], [1]]
    """
    lengths = np.asarray(n_frames)
    batches: list[list[int]] = [[]]
    for index in np.argsort(lengths, kind="stable").tolist():
        # Ascending order: each sequence is the longest of its batch so far.
        if batches[-1] and lengths[index] * (len(batches[-1]) + 1) > max_frames:
            batches.append([])
        batches[-1].append(index)
    return batches
