"""The running level of magnitudes, to hear quiet recordings as loud ones: frame after frame.

The level is the mean of the frames' magnitudes weighted by themselves, which pauses do not lower,
and by how long ago they were.
"""

from __future__ import annotations

import numpy as np
import torch

# Frames whose sums are computed by one matrix product.
CHUNK = 128
# Least level, relative to that of training: what is quieter is not raised as far.
LEAST = 1e-6


def mean_level(sequences):
    """Compute the level of a training set.

    Parameters
    ----------
    sequences : iterable of ndarray of shape (n_frames, n_freqs)
        Magnitudes.

    Returns
    -------
    level : float
        Mean of the frames' mean magnitudes, weighted by themselves; 1 for silence.

    Examples
    --------
    >>> mean_level([np.array([[3.0, 5.0], [0.0, 0.0]]), np.array([[2.0, 2.0]])])
    3.3333333333333335
    """
    sums = np.zeros(2)
    for magnitude in sequences:
        means = magnitude.mean(axis=1, dtype=np.float64)
        sums += np.square(means).sum(), means.sum()
    return float(sums[0] / sums[1]) if sums[1] else 1.0


def at_level(magnitude, sums, level, decay):
    """Bring frames to a level, each by what has been heard so far.

    Parameters
    ----------
    magnitude : Tensor of shape (batch, frames, bins)
    sums : Tensor of shape (batch, 2)
        What an earlier call returned; zeros at the beginning.
    level : Tensor of shape ()
        The level to bring them to.
    decay : Tensor of shape ()
        What is left of the weight of a frame one frame later.

    Returns
    -------
    magnitude : Tensor of shape (batch, frames, bins)
    sums : Tensor of shape (batch, 2)
        Of squared means and of means, after the last frame.

    Examples
    --------
    >>> frames = torch.tensor([[[1.0], [1.0], [0.0], [3.0]]])
    >>> at_level(frames, torch.zeros(1, 2), torch.tensor(6.0), torch.tensor(0.5))[0].flatten()
    tensor([6.0000, 6.0000, 0.0000, 6.4800])
    """
    means = magnitude.mean(dim=-1)
    terms = torch.stack([means.square(), means], dim=1)
    ages = torch.arange(min(CHUNK, terms.shape[-1]), device=magnitude.device)
    # Of each frame, by row, in the sums up to each frame from it on.
    weights = (decay ** (ages - ages[:, None]).clamp(min=0)).triu()
    parts = []
    for part in terms.split(CHUNK, dim=-1):
        n_frames = part.shape[-1]
        carried = sums[..., None] * decay ** (ages[:n_frames] + 1)
        parts.append(part @ weights[:n_frames, :n_frames] + carried)
        sums = parts[-1][..., -1]
    squares, plain = torch.cat(parts, dim=-1).unbind(1)
    tiny = torch.finfo(magnitude.dtype).tiny
    heard = torch.maximum(squares / plain.clamp(min=tiny), LEAST * level)
    return magnitude * (level / heard)[..., None], sums


class AtLevel:
    """Frames as they come, each brought to a level, for an inference that needs that.

    Parameters
    ----------
    infer : callable
        A `FrameByFrame` or what is like it.
    level, decay : float
        See `at_level`.
    n_streams : int
    dtype : dtype
        Of the frames.
    """

    def __init__(self, infer, level, decay, n_streams, dtype):
        self._infer, self._decay = infer, np.asarray(decay, dtype)
        self._level, self._least = np.asarray(level, dtype), np.asarray(LEAST * level, dtype)
        self._sums, self._tiny = np.zeros((2, n_streams), dtype), np.finfo(dtype).tiny

    def reset(self):
        """Begin again before the first frame."""
        self._sums[...] = 0
        self._infer.reset()

    def __call__(self, magnitude):
        """Infer the activations of the next frames, as `FrameByFrame` does."""
        means = magnitude.mean(axis=-1).T
        scales = np.empty_like(means)
        for mean, scale in zip(means, scales, strict=True):
            self._sums *= self._decay
            self._sums += mean * mean, mean
            squares, plain = self._sums
            heard = np.maximum(squares / np.maximum(plain, self._tiny), self._least)
            np.divide(self._level, heard, out=scale)
        return self._infer(magnitude * scales.T[..., np.newaxis])
