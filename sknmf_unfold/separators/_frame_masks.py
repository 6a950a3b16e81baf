"""Masks for frames as they come, of several streams side by side."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


class FrameMasks:
    """The target's mask from activations that are inferred frame by frame.

    Parameters
    ----------
    infer : FrameByFrame
        Infers activations.
    target, rest : ndarray of shape (n_components, n_freqs)
        What turns the first and the other activations into estimates of magnitudes.
    share : callable
        ``share(target, rest) -> mask`` of such estimates; with `log_odds` a third argument is what
        it computes.
    log_odds : callable, optional
        ``log_odds(activations)`` of rows of activations.
    """

    def __init__(self, infer, target, rest, share, log_odds=None):
        self._infer, self._target, self._rest, self._share = infer, target, rest, share
        self._log_odds = log_odds

    def __call__(self, magnitude):
        """Estimate the mask of the next frames.

        Parameters
        ----------
        magnitude : ndarray of shape (n_streams, n_frames, n_freqs)

        Returns
        -------
        mask : ndarray of shape (n_streams, n_frames, n_freqs)
        """
        activations = self._infer(magnitude)
        rows = activations.reshape(-1, activations.shape[-1])
        n_target = len(self._target)
        target, rest = rows[:, :n_target] @ self._target, rows[:, n_target:] @ self._rest
        more = () if self._log_odds is None else (self._log_odds(rows),)
        return self._share(target, rest, *more).reshape(magnitude.shape)

    def reset(self):
        """Begin again before the first frame."""
        self._infer.reset()


class StepMasks:
    """The same of a separator's step for blocks of frames.

    Parameters
    ----------
    step : callable
        ``step(magnitude, state) -> (mask, state)``, see `run_in_blocks`.
    """

    def __init__(self, step):
        self._step, self._state = step, None

    def __call__(self, magnitude):
        """Estimate the mask of the next frames, as `FrameMasks` does."""
        mask, self._state = self._step(magnitude, self._state)
        return mask

    def reset(self):
        """Begin again before the first frame."""
        self._state = None


def power_share(exponent):
    """Make the function of `power_masks` for two estimates in numpy.

    Parameters
    ----------
    exponent : float
        Positive.

    Returns
    -------
    share : callable
        ``share(target, rest, log_odds=0.0) -> mask``.

    Examples
    --------
    >>> power_share(2.0)(np.array([3.0, 0.0]), np.array([1.0, 0.0]))
    array([0.9, 0.5])
    """

    def share(target, rest, log_odds=None):
        floor = np.finfo(target.dtype).eps ** 2
        powers = exponent * (np.log(target + floor) - np.log(rest + floor))
        return expit(powers if log_odds is None else powers + log_odds)

    return share


def evidence_votes(evidence, quiet):
    """Make the function of `networks.masks.evidence_log_odds` in numpy.

    Parameters
    ----------
    evidence : ndarray of shape (n_components, n_freqs)
    quiet : float
        `networks.masks.QUIET`.

    Returns
    -------
    log_odds : callable
        ``log_odds(activations)`` of activations of shape (rows, n_components).
    """

    def log_odds(activations):
        norms = np.sqrt(np.einsum("ij,ij->i", activations, activations))
        return (activations / (norms + quiet)[:, np.newaxis]) @ evidence

    return log_odds
