"""Loops of small GPU kernels, recorded once as a CUDA graph and launched at once.

A loop over frames launches a few small kernels for each, and a GPU is done with one before the next
has been launched. A CUDA graph launches them all together, but only ever on the same memory: so a
recorded loop has arrays of its own, into which its arguments are copied.
"""

from __future__ import annotations

import functools
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

# Set to 0, loops are launched kernel by kernel.
SWITCH = "SKNMF_UNFOLD_CUDA_GRAPHS"
# Recorded loops that are kept, each with arrays as large as those of a chunk of frames.
MAX_GRAPHS = 16
# Largest deviation of a replay from the loop, relative to the largest number.
REPLAY_TOLERANCE = 1e-4


def are_wanted(tensor: torch.Tensor) -> bool:
    """Whether loops over this tensor's frames are recorded.

    Parameters
    ----------
    tensor : Tensor

    Returns
    -------
    wanted : bool
        On a CUDA device, unless the environment variable `SWITCH` is ``"0"`` or a graph is being
        recorded already.
    """
    if not tensor.is_cuda or os.environ.get(SWITCH) == "0":
        return False
    return not torch.cuda.is_current_stream_capturing()


def record(loop: Callable[..., None], buffers: list) -> Callable[[], None]:
    """Record a loop on its arrays.

    Parameters
    ----------
    loop : callable
        Works on tensors in place.
    buffers : list of Tensor or None
        The arrays.

    Returns
    -------
    replay : callable
        Does again what the loop did, on the same arrays.
    """
    graph = torch.cuda.CUDAGraph()
    # Backward passes record in a thread of autograd's, beside what other threads do.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        loop(*buffers)
    return graph.replay


class Replayed:
    """A loop that runs from a recording where one is wanted, and is called elsewhere.

    The first call with some shapes runs the loop, records it, and compares the two. A loop that
    cannot be recorded, or whose recording does something else, is called from then on, and a
    warning says so.

    Parameters
    ----------
    loop : callable
        Takes tensors, or None, and works on them in place. It must not read numbers from the
        device, nor do anything but with these tensors.
    writes : int
        How many of them it writes to, which come first. The others it leaves alone.

    Examples
    --------
    >>> counter = torch.zeros(2)
    >>> Replayed(lambda tensor: tensor.add_(1), writes=1)(counter)
    >>> counter
    tensor([1., 1.])
    """

    def __init__(self, loop: Callable[..., None], writes: int):
        functools.update_wrapper(self, loop)
        self.loop, self.writes = loop, writes
        self._recordings: OrderedDict[tuple, tuple] = OrderedDict()
        # The arrays of a recording serve one call at a time.
        self._lock = threading.Lock()
        self._is_sound = True

    def __call__(self, *tensors: Any) -> None:
        """Run the loop on tensors, in place.

        Parameters
        ----------
        *tensors : Tensor or None
            On one device.
        """
        if not self._is_sound or not are_wanted(tensors[0]):
            self.loop(*tensors)
            return
        with self._lock:
            self._run(tensors)

    def _run(self, tensors):
        """Replay what was recorded for such tensors, or record it."""
        key = (_stream(tensors[0]), *map(_kind, tensors))
        if key not in self._recordings:
            self._record(key, tensors)
            return
        self._recordings.move_to_end(key)
        buffers, replay = self._recordings[key]
        _copy(buffers, tensors)
        replay()
        _copy(tensors[: self.writes], buffers[: self.writes])

    def _record(self, key, tensors):
        """Run the loop, and keep a recording of it that does the same."""
        buffers = [None if x is None else x.clone() for x in tensors]
        self.loop(*tensors)
        try:
            replay = record(self.loop, buffers)
            replay()
            same = _agree(buffers[: self.writes], tensors[: self.writes])
            failure = None if same else "the recording computes something else"
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            failure = str(error).splitlines()[0]
        if failure is not None:
            self._is_sound = False
            self._recordings.clear()
            warnings.warn(
                f"The loop over frames cannot be recorded as a CUDA graph ({failure}); it runs "
                f"kernel by kernel, which takes longer. {SWITCH}=0 avoids the attempt.",
                RuntimeWarning,
                stacklevel=2,
            )
            return
        self._recordings[key] = buffers, replay
        if len(self._recordings) > MAX_GRAPHS:
            self._recordings.popitem(last=False)


def replayed(writes: int) -> Callable[[Callable[..., None]], Replayed]:
    """Decorate a loop, see `Replayed`.

    Parameters
    ----------
    writes : int
        How many of its arguments the loop writes to.

    Returns
    -------
    decorate : callable
    """
    return lambda loop: Replayed(loop, writes)


def _stream(tensor):
    """Return the number of the CUDA stream: graphs of one stream run one after the other."""
    return torch.cuda.current_stream(tensor.device).cuda_stream if tensor.is_cuda else 0


def _kind(tensor):
    """Return the properties of a tensor that a recording depends on."""
    return None if tensor is None else (tensor.shape, tensor.dtype, tensor.device)


def _copy(targets, sources):
    for target, source in zip(targets, sources, strict=True):
        if target is not None:
            target.copy_(source)


def _agree(buffers, tensors):
    """Whether two lists of tensors hold about the same."""
    return all(
        torch.allclose(buffer, x, rtol=0, atol=REPLAY_TOLERANCE * _largest(x), equal_nan=True)
        for buffer, x in zip(buffers, tensors, strict=True)
        if x is not None and x.numel()
    )


def _largest(tensor):
    return float(tensor.abs().nan_to_num().max())
