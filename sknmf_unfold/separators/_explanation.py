"""The terms that ``explain_mask`` returns, and the part that each component has in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.runtime.masks import activation_shares

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


def power_weights(magnitude: np.ndarray) -> np.ndarray:
    """Compute weights of frames and bins that are in proportion to their power.

    Parameters
    ----------
    magnitude : ndarray of shape (n_frames, n_freqs)

    Returns
    -------
    weights : ndarray of shape (n_frames, n_freqs)
        Their sum is 1; they are equal in silence.

    Examples
    --------
    >>> power_weights(np.array([[1.0, 3.0]])), power_weights(np.zeros((1, 2)))
    (array([[0.1, 0.9]]), array([[0.5, 0.5]]))
    """
    # The largest magnitude is 1: squares neither overflow nor vanish.
    power = (np.asarray(magnitude, dtype=float) / (magnitude.max() or 1.0)) ** 2
    return power / power.sum() if power.any() else np.full(power.shape, 1 / power.size)


def estimate_contributions(
    activations: np.ndarray,
    output_components: np.ndarray,
    exponent: float,
    floor: float,
    weights: np.ndarray,
) -> np.ndarray:
    r"""Divide the term of the estimates among the components, in the weighted mean.

    With the estimate :math:`y_i = h_i W_i` of component i, the sums Y of the target's and V of the
    interference's estimates, and L their logarithmic mean, the term is

    .. math:: p \log \frac{Y}{V} = \sum_i \pm p \, \frac{y_i}{L(Y, V)}, \qquad
        L(Y, V) = \frac{Y - V}{\log Y - \log V},

    with plus for components of the target and minus for those of the interference.

    Parameters
    ----------
    activations : ndarray of shape (n_frames, n_components)
        The target's components first.
    output_components : ndarray of shape (n_components, n_freqs)
    exponent : float
        The exponent p of the mask.
    floor : float
        Added to both estimates by the mask.
    weights : ndarray of shape (n_frames, n_freqs)
        Weights of the mean; their sum is 1.

    Returns
    -------
    contributions : ndarray of shape (n_components,)
        In nats; their sum is the weighted mean of the term.

    Examples
    --------
    >>> h, W, ones = np.array([[3.0, 1.0]]), np.ones((2, 1)), np.ones((1, 1))
    >>> estimate_contributions(h, W, 1.0, 0.0, ones).round(3)
    array([ 1.648, -0.549])
    """
    activations, dictionary = (np.asarray(x, dtype=float) for x in (activations, output_components))
    n_target = len(dictionary) // 2
    parts = slice(n_target), slice(n_target, None)
    target, rest = (activations[:, part] @ dictionary[part] + floor for part in parts)
    slopes = (weights * _inverse_logarithmic_mean(target, rest)) @ dictionary.T
    slopes[:, n_target:] *= -1
    return exponent * (activations * slopes).sum(axis=0)


def evidence_contributions(
    activations: np.ndarray, evidence: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Divide the term of the evidence among the components, in the weighted mean.

    Component i adds its share of the activations times its weight of evidence,
    ``h_i / (norm(h) + 1) * E_i``.

    Parameters
    ----------
    activations : ndarray of shape (n_frames, n_components)
    evidence : ndarray of shape (n_components, n_freqs)
    weights : ndarray of shape (n_frames, n_freqs)
        Weights of the mean; their sum is 1.

    Returns
    -------
    contributions : ndarray of shape (n_components,)
        In nats; their sum is the weighted mean of the term.

    Examples
    --------
    >>> activations, evidence = np.array([[3e6, 4e6]]), np.array([[1.0, 2.0], [-1.0, 0.0]])
    >>> evidence_contributions(activations, evidence, np.full((1, 2), 0.5)).round(3)
    array([ 0.9, -0.4])
    """
    shares = activation_shares(np.asarray(activations, dtype=float))
    return (shares * (weights @ np.asarray(evidence, dtype=float).T)).sum(axis=0)


def _inverse_logarithmic_mean(one, other):
    """Compute ``(log(a) - log(b)) / (a - b)``, which is 1 / a where both are equal."""
    difference = one - other
    close = np.abs(difference) <= 1e-6 * np.maximum(one, other)
    ratio = (np.log(one) - np.log(other)) / np.where(close, 1.0, difference)
    return np.where(close, 2.0 / (one + other), ratio)
