"""Unfolded multiplicative updates of deep NMF, in numpy."""

from __future__ import annotations

import numpy as np


class DeepNMFInference:
    """Activations by multiplicative updates, the last ones with dictionaries of their own.

    Parameters
    ----------
    dictionaries : list of ndarray of shape (n_components, n_freqs)
        Dictionary of each update.
    beta : float
        Of the divergence that the updates lower, from 1 to 2.
    sparsity : float
        Weight of the l1 penalty.

    References
    ----------
    .. [1] Le Roux, Hershey, Weninger, "Deep NMF for speech separation", ICASSP 2015.

    Examples
    --------
    >>> infer = DeepNMFInference([np.eye(2)] * 50, beta=2.0, sparsity=0.0)
    >>> infer(np.array([[3.0, 1.0]])).round(6)
    array([[3., 1.]])
    """

    def __init__(self, dictionaries: list[np.ndarray], beta: float, sparsity: float):
        self._dictionaries, self._beta, self._sparsity = dictionaries, beta, sparsity

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Infer the activations of frames, each alone.

        Parameters
        ----------
        frames : ndarray of shape (n_frames, n_freqs)
            Magnitudes.

        Returns
        -------
        activations : ndarray of shape (n_frames, n_components)
        """
        first = self._dictionaries[0]
        level = frames.sum(axis=1, keepdims=True) / first.sum()
        activations = np.repeat(level, len(first), axis=1)
        for components in self._dictionaries:
            activations = self._update(activations, frames, components)
        return activations

    def _update(self, activations, frames, components):
        """Multiply by the ratio of the negative to the positive part of the gradient."""
        # Negligible beside any level, and large enough to divide by.
        floor = np.finfo(frames.dtype).eps ** 2
        model = activations @ components + floor
        if self._beta == 1:
            negative, positive = (frames / model) @ components.T, components.sum(axis=1)
        elif self._beta == 2:
            negative, positive = frames @ components.T, model @ components.T
        else:
            power = model ** (self._beta - 1)
            negative, positive = (frames / model * power) @ components.T, power @ components.T
        scale = frames.dtype.type(self._sparsity + floor)
        return activations * negative / (positive + scale)
