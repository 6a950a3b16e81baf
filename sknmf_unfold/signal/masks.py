"""Masks: each source's share of a mixture."""

from __future__ import annotations

from sknmf_unfold._global_settings import default_settings

# Below this summed estimate (in units of an unnormalised STFT of audio in [-1, 1]) no source has
# said anything, and the mask moves to an equal share instead of dividing rounding errors.
SILENCE = 1e-12


@default_settings()
def ratio_masks(estimates, axis=0):
    """Wiener-like masks: each source's share of the summed estimates.

    ``masks = estimates / estimates.sum(axis)``, and ``1 / sources`` where every estimate is 0.

    Parameters
    ----------
    estimates : ndarray or torch.Tensor of shape (sources, frames, bins)
        Non-negative magnitude estimates; more axes are allowed.
    axis : int, default=0
        The axis of the sources.

    Returns
    -------
    masks : ndarray or torch.Tensor of shape (sources, frames, bins)
        In [0, 1]; sum to 1 over sources, also where all estimates are 0.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.

    Examples
    --------
    >>> import numpy as np
    >>> ratio_masks(np.array([[[3.0, 0.0]], [[1.0, 0.0]]]))
    array([[[0.75, 0.5 ]],
           [[0.25, 0.5 ]]])
    """
    total = estimates.sum(axis, keepdims=True)
    floored = total.clip(SILENCE)
    return (estimates + (floored - total) / estimates.shape[axis]) / floored
