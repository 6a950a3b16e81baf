"""Masks: each source's share of a mixture."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.parameters import check_number
from sknmf_unfold.validation.recordings import as_array

# Below this summed magnitude (of an unnormalised STFT of audio in [-1, 1]) no source is active, and
# the mask moves to an equal share instead of a quotient of rounding errors.
SILENCE = 1e-12


@default_settings()
def ratio_masks(estimates: Any, axis: int = 0) -> Any:
    """Wiener-like masks: each source's share of the summed estimates.

    ``masks = estimates / estimates.sum(axis)``, and ``1 / sources`` where every estimate is 0.

    Parameters
    ----------
    estimates : array-like or torch.Tensor of shape (sources, frames, bins)
        Non-negative magnitude estimates; more axes are allowed. Whole numbers are converted to
        float64.
    axis : int, default=0
        The axis of the sources.

    Returns
    -------
    masks : ndarray or torch.Tensor of shape (sources, frames, bins)
        In [0, 1]; sum to 1 over sources, also where all estimates are 0.

    Raises
    ------
    ValueError, TypeError
        If the estimates are negative or not finite, are no numbers or have fewer than 3 axes, or
        if there is no such axis.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sknmf_unfold.signal import ratio_masks
    >>> ratio_masks(np.array([[[3.0, 0.0]], [[1.0, 0.0]]]))
    array([[[0.75, 0.5 ]],
           [[0.25, 0.5 ]]])
    """
    estimates = _check_estimates(estimates)
    check_number("axis", axis, low=-estimates.ndim, high=estimates.ndim - 1, integer=True)
    with np.errstate(over="ignore"):
        total = estimates.sum(axis)
    # A sum is NaN or infinite where a term is, or where it overflows.
    if not bool((estimates >= 0).all()) or not bool((total < np.inf).all()):
        raise ValueError(
            "`estimates` must be magnitudes, >= 0 and finite, and so must be their sums over the "
            "sources; some are not."
        )
    return trusted_ratio_masks(estimates, axis)


def _check_estimates(estimates: Any) -> Any:
    """Convert estimates to floats with at least 3 axes; a tensor remains a tensor."""
    is_tensor = hasattr(estimates, "is_floating_point")
    array: Any = estimates if is_tensor else as_array(estimates, "`estimates`")
    if array.ndim < 3 or 0 in array.shape:
        raise ValueError(
            f"`estimates` must have the shape (sources, frames, bins), none of them 0; got "
            f"{tuple(array.shape)}."
        )
    real = not array.is_complex() if is_tensor else array.dtype.kind in "fiub"
    if not real:
        raise TypeError(f"`estimates` has dtype {array.dtype}; wanted magnitudes, >= 0.")
    if is_tensor:
        return array if array.is_floating_point() else array.double()
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def trusted_ratio_masks(estimates: Any, axis: int = 0) -> Any:
    """Compute `ratio_masks` of checked estimates, as inside loops.

    Parameters
    ----------
    estimates : ndarray or torch.Tensor of shape (sources, frames, bins)
        Non-negative and finite.
    axis : int, default=0
        The axis of the sources.

    Returns
    -------
    masks : ndarray or torch.Tensor of shape (sources, frames, bins)

    Examples
    --------
    >>> trusted_ratio_masks(np.array([[[3.0]], [[1.0]]])).ravel()
    array([0.75, 0.25])
    """
    total = estimates.sum(axis, keepdims=True)
    floored = total.clip(SILENCE)
    return (estimates + (floored - total) / estimates.shape[axis]) / floored
