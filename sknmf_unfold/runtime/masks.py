"""The target's mask from activations, in numpy, frame by frame; in torch it is `networks.masks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy.special import expit

from sknmf_unfold.signal.masks import trusted_ratio_masks
from sknmf_unfold.validation.parameters import check_number

from .gru import RunningGRU

# Added to the norm of the activations of a frame, in the units of magnitudes: below it a frame is
# about silent, and evidence fades.
EVIDENCE_FADE_NORM = 1.0


class MaskEstimator(Protocol):
    """Estimates the target's mask of the next frames; keeps its state from call to call."""

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Map magnitudes to masks, both of shape (n_streams, n_frames, n_freqs)."""

    def reset(self) -> None:
        """Return to the state before the first frame."""


class Inference(Protocol):
    """Infers the activations of the next frames; keeps its state from call to call."""

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Map magnitudes (n_streams, n_frames, n_freqs) to activations of n_components."""

    def reset(self) -> None:
        """Return to the state before the first frame."""


class FramewiseInference:
    """Inference of activations that treats every frame alone.

    Parameters
    ----------
    infer : callable
        ``infer(frames) -> activations``, of shapes (n_frames, n_freqs), (n_frames, n_components).

    Examples
    --------
    >>> infer = FramewiseInference(np.sqrt)
    >>> infer(np.full((2, 3, 1), 4.0)).shape
    (2, 3, 1)
    """

    def __init__(self, infer: Callable[[np.ndarray], np.ndarray]):
        self._infer = infer

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Infer the activations of the next frames, see `Inference`."""
        rows = magnitude.reshape(-1, magnitude.shape[-1])
        return self._infer(rows).reshape(*magnitude.shape[:2], -1)

    def reset(self) -> None:
        """Do nothing: there is no state."""


class RunningMasks:
    """The target's mask from activations and output dictionaries.

    Parameters
    ----------
    infer : Inference
        Infers activations.
    target, interference : ndarray of shape (n_components, n_freqs)
        Dictionaries that turn the first and the other activations into estimates of magnitudes.
    mask : callable
        ``mask(target, interference) -> mask`` of such estimates; with `log_odds` its third argument
        is what that computes.
    log_odds : EvidenceLogOdds, optional
        Further log-odds of the target.
    """

    def __init__(
        self,
        infer: Inference,
        target: np.ndarray,
        interference: np.ndarray,
        mask: Callable[..., np.ndarray],
        log_odds: EvidenceLogOdds | None = None,
    ):
        self._infer, self._target, self._interference = infer, target, interference
        self._mask, self._log_odds = mask, log_odds

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Estimate the mask of the next frames, see `MaskEstimator`."""
        activations = self._infer(magnitude)
        rows = activations.reshape(-1, activations.shape[-1])
        n_target = len(self._target)
        target, rest = rows[:, :n_target] @ self._target, rows[:, n_target:] @ self._interference
        more = []
        if self._log_odds is not None:
            more.append(self._log_odds(activations).reshape(target.shape))
        return self._mask(target, rest, *more).reshape(magnitude.shape)

    def reset(self) -> None:
        """Return to the state before the first frame."""
        self._infer.reset()
        if self._log_odds is not None:
            self._log_odds.reset()


class FlooredMasks:
    """Masks that attenuate by at most some decibels.

    Parameters
    ----------
    masks : MaskEstimator
    floor : float
        Lowest mask, see `mask_floor`.
    """

    def __init__(self, masks: MaskEstimator, floor: float):
        self._masks, self._floor = masks, floor

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Estimate the mask of the next frames, see `MaskEstimator`."""
        return np.maximum(self._masks(magnitude), self._floor)

    def reset(self) -> None:
        """Return to the state before the first frame."""
        self._masks.reset()


def mask_floor(max_attenuation: float | None) -> float | None:
    """Convert the parameter `max_attenuation` to the lowest mask.

    Parameters
    ----------
    max_attenuation : float or None
        In dB, at least 0; None for no bound.

    Returns
    -------
    floor : float or None
        ``10 ** (-max_attenuation / 20)``; None for no bound.

    Raises
    ------
    TypeError, ValueError
        If it is not a finite number of at least 0.

    Examples
    --------
    >>> mask_floor(20), mask_floor(None)
    (0.1, None)
    >>> mask_floor(-6)
    Traceback (most recent call last):
    ...
    ValueError: `max_attenuation` must be a finite number >= 0; got -6.
    """
    if max_attenuation is None:
        return None
    return 10 ** (-check_number("max_attenuation", max_attenuation, low=0) / 20)


def ratio_mask(target: np.ndarray, interference: np.ndarray) -> np.ndarray:
    """Compute the ratio mask of the target.

    Parameters
    ----------
    target, interference : ndarray of shape (n_frames, n_freqs)
        Estimates of magnitudes.

    Returns
    -------
    mask : ndarray of shape (n_frames, n_freqs)

    Examples
    --------
    >>> ratio_mask(np.array([3.0, 0.0]), np.array([1.0, 0.0]))
    array([0.75, 0.5 ])
    """
    return trusted_ratio_masks(np.stack([target, interference]))[0]


class PowerMask:
    """The mask ``target ** p / (target ** p + interference ** p)``.

    Parameters
    ----------
    exponent : float
        The power p, positive.

    Examples
    --------
    >>> PowerMask(2.0)(np.array([3.0, 0.0]), np.array([1.0, 0.0]))
    array([0.9, 0.5])
    """

    def __init__(self, exponent: float | np.ndarray):
        self._exponent = exponent

    def __call__(
        self, target: np.ndarray, interference: np.ndarray, log_odds: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the target's mask.

        Parameters
        ----------
        target, interference : ndarray of shape (n_frames, n_freqs)
            Estimates of magnitudes.
        log_odds : ndarray of shape (n_frames, n_freqs), optional
            Added to those of the estimates.

        Returns
        -------
        mask : ndarray of shape (n_frames, n_freqs)
        """
        floor = np.finfo(target.dtype).eps ** 2
        powers = self._exponent * (np.log(target + floor) - np.log(interference + floor))
        return expit(powers if log_odds is None else powers + log_odds)


def activation_shares(activations: np.ndarray) -> np.ndarray:
    """Divide the activations of each frame by their norm plus `EVIDENCE_FADE_NORM`.

    Parameters
    ----------
    activations : ndarray of shape (..., n_components)

    Returns
    -------
    shares : ndarray of shape (..., n_components)

    Examples
    --------
    >>> activation_shares(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.5       , 0.66666667],
           [0.        , 0.        ]])
    """
    norms = np.sqrt(np.einsum("...n,...n->...", activations, activations))
    offset = activations.dtype.type(EVIDENCE_FADE_NORM)
    return activations / (norms + offset)[..., np.newaxis]


class EvidenceLogOdds:
    """Log-odds of the target from the evidence of components and GRU units.

    The activations of a frame h enter as the shares ``h / (norm(h) + 1)``, which do not depend on
    the level of the frame.

    Parameters
    ----------
    evidence : ndarray of shape (n_components, n_freqs)
        Weight of evidence of each component, in nats.
    gru : RunningGRU, optional
        Units that take the shares.
    gru_evidence : ndarray of shape (n_units, n_freqs), optional
        Weight of evidence of each unit, in nats.
    """

    def __init__(
        self,
        evidence: np.ndarray,
        gru: RunningGRU | None = None,
        gru_evidence: np.ndarray | None = None,
    ):
        self._evidence, self._gru, self._gru_evidence = evidence, gru, gru_evidence

    def __call__(self, activations: np.ndarray) -> np.ndarray:
        """Compute the log-odds of the next frames.

        Parameters
        ----------
        activations : ndarray of shape (n_streams, n_frames, n_components)

        Returns
        -------
        log_odds : ndarray of shape (n_streams, n_frames, n_freqs)
            In nats.
        """
        shares = activation_shares(activations)
        log_odds = shares @ self._evidence
        if self._gru is not None:
            log_odds += self._gru(shares) @ self._gru_evidence
        return log_odds

    def reset(self) -> None:
        """Return to the state before the first frame."""
        if self._gru is not None:
            self._gru.reset()
