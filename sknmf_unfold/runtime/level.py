"""Levels of magnitude frames, and the scaling of frames to a reference level.

A frame's level is its mean magnitude. The level of several frames is the mean of their levels,
weighted by themselves, so that pauses do not lower it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .masks import MaskEstimator

# About the level of speech of -26 dBFS in noise as loud, in frames of 32 ms at 16 kHz, to which the
# default sparsity weights belong.
REFERENCE_LEVEL = 0.6
# Lowest running level, relative to the reference; quieter frames are raised less.
MIN_RELATIVE_LEVEL = 1e-8
# Bounds of the factor of all frames, which keep them within the range of float32.
MIN_SCALE, MAX_SCALE = 1e-30, 1e30


class TrainingLevel:
    """Level of a training set and of each recording in it.

    Parameters
    ----------
    recordings : iterable of ndarray of shape (n_frames, n_freqs)
        Magnitudes.

    Attributes
    ----------
    level : float
        Of all recordings together; 0 for silence.
    levels : ndarray of shape (n_recordings,), float64
        Of each recording.

    Examples
    --------
    >>> training = TrainingLevel([np.array([[3.0, 5.0], [0.0, 0.0]]), np.array([[2.0, 2.0]])])
    >>> training.level, training.levels
    (3.3333333333333335, array([4., 2.]))
    """

    def __init__(self, recordings: Iterable[np.ndarray]):
        means = [magnitude.mean(axis=1, dtype=np.float64) for magnitude in recordings]
        # Scaled first, so that no square overflows.
        peak = max((float(x.max()) for x in means), default=0.0) or 1.0
        sums = np.array([[np.square(x / peak).sum(), (x / peak).sum()] for x in means])
        self._set_levels(peak, sums)

    @classmethod
    def of_sums(cls, sums: np.ndarray) -> TrainingLevel:
        """Make the level of recordings that are not in memory together.

        Parameters
        ----------
        sums : ndarray of shape (n_recordings, 3), float64
            A row of `frame_sums` for each.

        Returns
        -------
        level : TrainingLevel

        Examples
        --------
        >>> recordings = [np.array([[3.0, 5.0], [0.0, 0.0]]), np.array([[2.0, 2.0]])]
        >>> sums = np.array([frame_sums([magnitude]) for magnitude in recordings])
        >>> TrainingLevel.of_sums(sums).levels
        array([4., 2.])
        """
        peaks, squares, plain = sums.T
        peak = float(peaks.max(initial=0.0)) or 1.0
        shares = peaks / peak
        training = cls.__new__(cls)
        training._set_levels(peak, np.stack([shares**2 * squares, shares * plain], axis=1))
        return training

    def _set_levels(self, peak, sums):
        self.level = peak * float(_quotient(*sums.sum(axis=0)))
        self.levels = peak * _quotient(*sums.T)

    @property
    def scale(self) -> float:
        """Factor that brings the training set to `REFERENCE_LEVEL`; 1 for silence."""
        return float(_scale_of(self.level, 1.0))

    @property
    def scales(self) -> np.ndarray:
        """The same for each recording; `scale` for a silent one."""
        return _scale_of(self.levels, self.scale)

    def scaling(self, by_recording: bool) -> Callable[[np.ndarray, Any], np.ndarray]:
        """Make the function that brings recordings to the reference level.

        Parameters
        ----------
        by_recording : bool
            Whether each recording is brought to that level, or all by one factor.

        Returns
        -------
        scaled : callable
            ``scaled(magnitude, indices)`` takes magnitudes (recordings, n_frames, n_freqs) and the
            indices of their recordings, as `Sequences.frames` calls it.
        """
        scales = self.scales if by_recording else np.full_like(self.scales, self.scale)

        def scaled(magnitude, indices):
            return magnitude * scales[indices, np.newaxis, np.newaxis].astype(magnitude.dtype)

        return scaled


def frame_sums(blocks: Iterable[np.ndarray]) -> tuple[float, float, float]:
    """Sum the levels of the frames of a recording, for `TrainingLevel.of_sums`.

    Parameters
    ----------
    blocks : iterable of ndarray of shape (n_frames, n_freqs)
        Its magnitudes.

    Returns
    -------
    peak : float
        The largest level of a frame; 1 for silence.
    squares, plain : float
        Sums of the squares of the levels, and of the levels, relative to the peak.
    """
    means = np.concatenate([block.mean(axis=1, dtype=np.float64) for block in blocks])
    peak = float(means.max(initial=0.0)) or 1.0
    means /= peak
    return peak, float(np.square(means).sum()), float(means.sum())


def _quotient(squares, plain):
    return np.divide(squares, plain, out=np.zeros_like(squares), where=plain > 0)


def _scale_of(level, otherwise):
    level = np.asarray(level)
    scale = np.divide(REFERENCE_LEVEL, level, out=np.full(level.shape, np.inf), where=level > 0)
    return np.clip(np.where(level > 0, scale, otherwise), MIN_SCALE, MAX_SCALE)


class InputLevel:
    """Scales frames to the reference level.

    Parameters
    ----------
    scale : float
        Factor of all magnitudes, which brought the training set to the reference level.
    n_frames : int
        Number of frames of the running level: each frame is then divided by the level of the last
        frames, itself included. 0 for no running level.

    Examples
    --------
    >>> frames = np.array([[[0.6], [0.6], [1.2]]])
    >>> InputLevel(scale=1.0, n_frames=2)(frames)[0].ravel().round(2)
    array([0.6 , 0.6 , 0.72])
    """

    def __init__(self, scale: float = 1.0, n_frames: int = 0):
        self.scale, self.n_frames = float(scale), int(n_frames)

    @property
    def is_identity(self) -> bool:
        """Whether frames are left as they are."""
        return self.scale == 1 and not self.n_frames

    def __call__(
        self, magnitude: np.ndarray, past: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Scale the next frames to the reference level.

        Parameters
        ----------
        magnitude : ndarray of shape (batch, n_frames, n_freqs), float32 or float64
        past : ndarray of shape (batch, any), optional
            Second result of the last call on these recordings.

        Returns
        -------
        magnitude : ndarray of shape (batch, n_frames, n_freqs)
        past : ndarray of shape (batch, n_frames - 1), float64, or None
            Levels of the frames before the next ones, the latest last; zeros before the first.
        """
        if not self.n_frames:
            return magnitude * magnitude.dtype.type(self.scale), None
        levels = magnitude.mean(axis=-1, dtype=np.float64) * self.scale
        if past is None:
            past = np.zeros((len(levels), self.n_frames - 1))
        levels = np.concatenate([past, levels], axis=1)
        gains = self.scale * REFERENCE_LEVEL / self._running(levels)
        past = levels[:, levels.shape[1] - self.n_frames + 1 :]
        return magnitude * gains.astype(magnitude.dtype)[..., np.newaxis], past

    def _running(self, levels):
        """Measure the running level from the levels of all frames and those before them."""
        if levels.shape[1] == self.n_frames:
            # A single frame, as in streams, where a view of windows takes longer than its sums.
            windows = levels[:, np.newaxis]
        else:
            windows = np.lib.stride_tricks.sliding_window_view(levels, self.n_frames, axis=1)
        # Relative to the largest, so that no square overflows.
        peak = np.maximum(windows.max(axis=-1), np.finfo(np.float64).tiny)
        shares = windows / peak[..., np.newaxis]
        squares, plain = np.einsum("btw,btw->bt", shares, shares), shares.sum(axis=-1)
        return np.maximum(peak * _quotient(squares, plain), MIN_RELATIVE_LEVEL * REFERENCE_LEVEL)


class States:
    """Two states of recordings, for a step that carries both.

    Parameters
    ----------
    first, second : array, Tensor or None
        Each of shape (batch, ...).
    """

    def __init__(self, first: Any, second: Any):
        self.first, self.second = first, second

    def __getitem__(self, key):
        return States(*(None if x is None else x[key] for x in (self.first, self.second)))


def at_reference_level(step: Callable, level: InputLevel) -> Callable:
    """Make a step that takes frames of any level.

    Parameters
    ----------
    step : callable
        ``step(magnitude, state) -> (result, state)`` for frames at the reference level.
    level : InputLevel

    Returns
    -------
    step : callable
        The same for frames of any level.
    """
    if level.is_identity:
        return step

    def levelled(magnitude, state):
        past, step_state = (None, None) if state is None else (state.first, state.second)
        magnitude, past = level(magnitude, past)
        result, step_state = step(magnitude, step_state)
        return result, States(past, step_state)

    return levelled


class MasksAtReferenceLevel:
    """Masks of streams of frames of any level.

    Parameters
    ----------
    masks : MaskEstimator
        Estimates masks of frames at the reference level.
    level : InputLevel
    """

    def __init__(self, masks: MaskEstimator, level: InputLevel):
        self._masks, self._level = masks, level
        self._past: np.ndarray | None = None

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Estimate the mask of the next frames, see `MaskEstimator`."""
        magnitude, self._past = self._level(magnitude, self._past)
        return self._masks(magnitude)

    def reset(self) -> None:
        """Return to the state before the first frame."""
        self._past = None
        self._masks.reset()
