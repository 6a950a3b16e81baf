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
    log_odds : EvidenceLogOdds, optional
        What else speaks for the target.
    """

    uses_torch = False

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
        more = []
        if self._log_odds is not None:
            more.append(self._log_odds(activations).reshape(target.shape))
        return self._share(target, rest, *more).reshape(magnitude.shape)

    def reset(self):
        """Begin again before the first frame."""
        self._infer.reset()
        if self._log_odds is not None:
            self._log_odds.reset()


class PowerShare:
    """The function of `power_masks` for two estimates in numpy.

    Parameters
    ----------
    exponent : float
        Positive.

    Examples
    --------
    >>> PowerShare(2.0)(np.array([3.0, 0.0]), np.array([1.0, 0.0]))
    array([0.9, 0.5])
    """

    def __init__(self, exponent):
        self._exponent = exponent

    def __call__(self, target, rest, log_odds=None):
        """Compute the target's mask.

        Parameters
        ----------
        target, rest : ndarray of shape (n_frames, n_freqs)
            Estimates of magnitudes.
        log_odds : ndarray of shape (n_frames, n_freqs), optional
            Added to those of the estimates.

        Returns
        -------
        mask : ndarray of shape (n_frames, n_freqs)
        """
        floor = np.finfo(target.dtype).eps ** 2
        powers = self._exponent * (np.log(target + floor) - np.log(rest + floor))
        return expit(powers if log_odds is None else powers + log_odds)


class EvidenceLogOdds:
    """What `networks.masks.evidence_log_odds` computes, frame by frame in numpy.

    Parameters
    ----------
    evidence : ndarray of shape (n_components, n_freqs)
    quiet : float
        `networks.masks.QUIET`.
    gates : RunningGates, optional
        GRU units that listen to the components.
    gru_evidence : ndarray of shape (n_units, n_freqs), optional
        What they say.
    """

    def __init__(self, evidence, quiet, gates=None, gru_evidence=None):
        self._evidence, self._quiet = evidence, quiet
        self._gates, self._gated_evidence = gates, gru_evidence

    def __call__(self, activations):
        """Compute the log odds of the next frames.

        Parameters
        ----------
        activations : ndarray of shape (n_streams, n_frames, n_components)

        Returns
        -------
        log_odds : ndarray of shape (n_streams, n_frames, n_freqs)
        """
        norms = np.sqrt(np.einsum("stn,stn->st", activations, activations))
        shares = activations / (norms + self._quiet)[..., np.newaxis]
        log_odds = shares @ self._evidence
        if self._gates is not None:
            log_odds += self._gates(shares) @ self._gated_evidence
        return log_odds

    def reset(self):
        """Begin again before the first frame."""
        if self._gates is not None:
            self._gates.reset()
