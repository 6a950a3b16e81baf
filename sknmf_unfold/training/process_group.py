"""Communication with the other processes of a torch.distributed process group.

Numbers are float64 and objects are bytes, which travel on the CPU where the backend can do that
(gloo) and through the GPU otherwise (NCCL).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.base.loaded import loaded_torch

if TYPE_CHECKING:
    import torch

# Wait before Python ends: a thread of gloo drops the tensors of an operation after the operation is
# done, and would end the process with an error later.
EXIT_SECONDS = 0.2
# Whether this process was forked from a member of a group, whose connections are not its own.
_forked_from_member = False


def _note_fork():
    global _forked_from_member
    _forked_from_member = group_size() > 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


@functools.cache
def _wait_at_exit():
    atexit.register(time.sleep, EXIT_SECONDS)


class LostRankError(RuntimeError):
    """Another process of the group has ended, or cannot be reached."""


def group_size() -> int:
    """Count the processes of the default group; 1 where there is none.

    Returns
    -------
    n : int
        Torch is not loaded for it: where it is not loaded there is no group.
    """
    if _forked_from_member:
        return 1
    distributed = getattr(loaded_torch(), "distributed", None)
    # Some builds of torch come without processes.
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 1
    return distributed.get_world_size()


def own_gpu() -> int:
    """Return the number of this process's GPU, by its rank on this machine (``LOCAL_RANK``).

    Returns
    -------
    index : int
        Where a scheduler shows each process a single GPU, that one.
    """
    import torch

    local_rank = os.environ.get("LOCAL_RANK")
    rank = torch.distributed.get_rank() if local_rank is None else int(local_rank)
    return rank % torch.cuda.device_count()


@contextlib.contextmanager
def on_own_gpu() -> Iterator[None]:
    """Let ``"cuda"`` stand for this process's GPU inside; nothing without a GPU.

    Yields
    ------
    None
    """
    import torch

    if not torch.cuda.is_available():
        yield
        return
    with torch.cuda.device(own_gpu()):
        yield


class ProcessGroup:
    """The default group of torch.distributed.

    Every method is called by all of its processes, in the same order.

    Attributes
    ----------
    n : int
        Number of processes.
    index : int
        Number of this one, from 0 on.
    """

    def __init__(self) -> None:
        import torch
        import torch.distributed as distributed

        _wait_at_exit()
        self._distributed: Any = distributed
        self.n, self.index = distributed.get_world_size(), distributed.get_rank()
        backend = str(distributed.get_backend())
        self._has_nccl = backend != "gloo"
        on_gpu = backend == "nccl"
        self._device = torch.device("cuda", own_gpu()) if on_gpu else torch.device("cpu")

    def gather_numbers(self, numbers: list[float]) -> np.ndarray:
        """Collect numbers of all processes.

        Parameters
        ----------
        numbers : list of float
            Equally many in every process.

        Returns
        -------
        rows : ndarray of shape (n, len(numbers)), float64
        """
        import torch

        mine = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        return self._gather(mine).numpy()

    def gather_bytes(self, content: bytes) -> list[bytes]:
        """Collect the bytes of all processes.

        Parameters
        ----------
        content : bytes
            Of any length.

        Returns
        -------
        contents : list of bytes
        """
        import torch

        sizes = self.gather_numbers([len(content)])[:, 0].astype(int)
        padded = torch.frombuffer(bytearray(content.ljust(max(*sizes, 1), b" ")), dtype=torch.uint8)
        rows = self._gather(padded.to(self._device))
        return [row[:size].numpy().tobytes() for row, size in zip(rows, sizes, strict=True)]

    def broadcast_bytes(self, content: bytes, size: int) -> bytes:
        """Send the bytes of process 0 to all.

        Parameters
        ----------
        content : bytes
            Only those of process 0 count.
        size : int
            Their number.

        Returns
        -------
        content : bytes
        """
        import torch

        buffer = torch.zeros(size, dtype=torch.uint8)
        if self.index == 0:
            buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return self.broadcast(buffer).numpy().tobytes()

    def broadcast(self, tensor: torch.Tensor) -> torch.Tensor:
        """Send a tensor of process 0 to all.

        Parameters
        ----------
        tensor : Tensor
            Of one shape and dtype in all processes.

        Returns
        -------
        tensor : Tensor
            On the device of the argument.
        """
        buffer = tensor.to(self._device_for(tensor)).contiguous()
        with self._naming_lost():
            self._distributed.broadcast(buffer, src=0)
        return buffer.to(tensor.device)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Add up the tensors of all processes.

        Parameters
        ----------
        tensor : Tensor
            Of one shape and dtype in all processes. Its memory may be used.

        Returns
        -------
        total : Tensor
            The same bits in every process.
        """
        buffer = tensor.to(self._device_for(tensor)).contiguous()
        with self._naming_lost():
            self._distributed.all_reduce(buffer)
        return buffer.to(tensor.device)

    def _gather(self, tensor):
        """Stack the tensors of all processes, on the CPU."""
        import torch

        rows = [torch.empty_like(tensor) for _ in range(self.n)]
        with self._naming_lost():
            self._distributed.all_gather(rows, tensor)
        return torch.stack(rows).cpu()

    def _device_for(self, tensor):
        is_direct = tensor.device.type == "cuda" and self._has_nccl
        return tensor.device if is_direct else self._device

    @contextlib.contextmanager
    def _naming_lost(self) -> Iterator[None]:
        """Raise errors of the connection as one that says what they mean."""
        try:
            yield
        except RuntimeError as error:
            line = str(error).partition("\n")[0]
            raise LostRankError(
                f"Process {self.index} of {self.n} waited for the others, and one of them has "
                f"ended or did not answer within the timeout of the process group. Its own output "
                f"says why. Started by torchrun --max-restarts and with `checkpoint_dir`, the fit "
                f"resumes. ({line})"
            ) from error
