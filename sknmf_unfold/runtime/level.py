"""The level of magnitude frames, and frames brought to a reference level.

A frame's level is its mean magnitude. The level of several frames is the mean of their levels,
weighted by themselves, so that pauses do not lower it.
"""

from __future__ import annotations

import numpy as np

# About the level of speech of -26 dBFS in noise as loud, in frames of 32 ms at 16 kHz: what the
# default sparsity weights are made for.
REFERENCE_LEVEL = 0.6
# The least running level, relative to the reference: what is quieter is not raised as far.
FAINTEST = 1e-8
# Bounds of the factor by which all frames are multiplied, which keep them within float32.
LEAST_SCALE, LARGEST_SCALE = 1e-30, 1e30


class TrainingLevel:
    """The level of a training set, and that of each recording in it.

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

    def __init__(self, recordings):
        means = [magnitude.mean(axis=1, dtype=np.float64) for magnitude in recordings]
        # Scaled first, so that no square overflows.
        peak = max((float(x.max()) for x in means), default=0.0) or 1.0
        sums = np.array([[np.square(x / peak).sum(), (x / peak).sum()] for x in means])
        self.level = peak * float(_quotient(*sums.sum(axis=0)))
        self.levels = peak * _quotient(*sums.T)

    @property
    def scale(self):
        """Factor that brings the training set to `REFERENCE_LEVEL`; 1 for silence."""
        return float(_scale_of(self.level, 1.0))

    @property
    def scales(self):
        """The same for each recording; `scale` for a silent one."""
        return _scale_of(self.levels, self.scale)


def _quotient(squares, plain):
    return np.divide(squares, plain, out=np.zeros_like(squares), where=plain > 0)


def _scale_of(level, otherwise):
    level = np.asarray(level)
    scale = np.divide(REFERENCE_LEVEL, level, out=np.full(level.shape, np.inf), where=level > 0)
    return np.clip(np.where(level > 0, scale, otherwise), LEAST_SCALE, LARGEST_SCALE)


class InputLevel:
    """Brings frames to the reference level before anything else is computed of them.

    Parameters
    ----------
    scale : float
        What all magnitudes are multiplied by: what brought the training set to the reference.
    n_frames : int
        After that, each frame is divided by the level of the last so many frames, itself included;
        0 leaves them as they are then.

    Examples
    --------
    >>> frames = np.array([[[0.6], [0.6], [1.2]]])
    >>> InputLevel(scale=1.0, n_frames=2)(frames)[0].ravel().round(2)
    array([0.6 , 0.6 , 0.72])
    """

    def __init__(self, scale=1.0, n_frames=0):
        self.scale, self.n_frames = float(scale), int(n_frames)

    @property
    def changes_nothing(self):
        """Whether frames stay as they are."""
        return self.scale == 1 and not self.n_frames

    def __call__(self, magnitude, past=None):
        """Bring the next frames to the reference level.

        Parameters
        ----------
        magnitude : ndarray of shape (batch, n_frames, n_freqs), float32 or float64
        past : ndarray of shape (batch, any), optional
            What the last call on these recordings returned.

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
            # A single frame, as in streams, for which a view takes longer than its numbers.
            windows = levels[:, np.newaxis]
        else:
            windows = np.lib.stride_tricks.sliding_window_view(levels, self.n_frames, axis=1)
        # Relative to the largest, so that no square overflows.
        peak = np.maximum(windows.max(axis=-1), np.finfo(np.float64).tiny)
        shares = windows / peak[..., np.newaxis]
        squares, plain = np.einsum("btw,btw->bt", shares, shares), shares.sum(axis=-1)
        return np.maximum(peak * _quotient(squares, plain), FAINTEST * REFERENCE_LEVEL)


class States:
    """Two states of some recordings side by side, for a step that carries both.

    Parameters
    ----------
    first, second : array, Tensor or None
        Each of shape (batch, ...).
    """

    def __init__(self, first, second):
        self.first, self.second = first, second

    def __getitem__(self, key):
        return States(*(None if x is None else x[key] for x in (self.first, self.second)))


def at_reference_level(step, level):
    """Make a step take frames of any level.

    Parameters
    ----------
    step : callable
        ``step(magnitude, state) -> (result, state)`` for frames at the reference level.
    level : InputLevel

    Returns
    -------
    step : callable
        The same for frames as they are.
    """
    if level.changes_nothing:
        return step

    def levelled(magnitude, state):
        past, inner = (None, None) if state is None else (state.first, state.second)
        magnitude, past = level(magnitude, past)
        result, inner = step(magnitude, inner)
        return result, States(past, inner)

    return levelled


class MasksAtReferenceLevel:
    """The same for masks of frames that come a few at a time.

    Parameters
    ----------
    masks : FrameMasks or StepMasks
        Estimates masks of frames at the reference level.
    level : InputLevel
    """

    def __init__(self, masks, level):
        self._masks, self._level, self._past = masks, level, None

    def __call__(self, magnitude):
        """Estimate the mask of the next frames, as `FrameMasks` does."""
        magnitude, self._past = self._level(magnitude, self._past)
        return self._masks(magnitude)

    def reset(self):
        """Begin again before the first frame."""
        self._past = None
        self._masks.reset()
