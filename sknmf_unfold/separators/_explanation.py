"""The terms that ``explain_mask`` returns."""

from __future__ import annotations

from typing import Any

import numpy as np

# In nats, in this order.
TERMS = ("estimates", "evidence", "gru_units")


def by_term(result: Any) -> Any:
    """Name the terms that `networks.masks.log_odds_terms` puts side by side.

    Parameters
    ----------
    result : ndarray of shape (n_frames, 3 * n_freqs), or list of them

    Returns
    -------
    terms : dict of ndarray of shape (n_frames, n_freqs), or list of them

    Examples
    --------
    >>> by_term(np.arange(6.0).reshape(1, 6))["evidence"]
    array([[2., 3.]])
    """
    if isinstance(result, list):
        return [by_term(each) for each in result]
    return dict(zip(TERMS, np.split(result, len(TERMS), axis=1), strict=True))
