"""Measures of components: frequencies, duration of the envelope, change since the NMF."""

from __future__ import annotations

import numpy as np

# Levels further below the loudest bin count as this far below.
CHANGE_RANGE_DB = 60.0


def centroids(components: np.ndarray) -> np.ndarray:
    """Compute the spectral centroid of each component in bins, ``sum(f * w) / sum(w)``.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_freqs)
        Non-negative.

    Returns
    -------
    centroids : ndarray of shape (n_components,)
        0 for a row of zeros.

    Examples
    --------
    >>> centroids(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]))
    array([1.5, 0. ])
    """
    totals = components.sum(axis=1)
    return components @ np.arange(components.shape[1]) / np.where(totals > 0, totals, 1.0)


def effective_frames(envelopes: np.ndarray) -> np.ndarray:
    """Compute over how many frames the energy of each envelope is spread.

    It is ``sum(a**2)**2 / sum(a**4)`` of the amplitudes a: 1 if one frame has all the energy, the
    context if all frames have the same.

    Parameters
    ----------
    envelopes : ndarray of shape (n_components, context)

    Returns
    -------
    n_frames : ndarray of shape (n_components,)
        0 for a row of zeros.

    Examples
    --------
    >>> effective_frames(np.array([[0.0, 0.0, 2.0], [1.0, 1.0, 1.0]]))
    array([1., 3.])
    """
    energies = (envelopes / np.maximum(envelopes.max(axis=1, keepdims=True), 1e-30)) ** 2
    return energies.sum(axis=1) ** 2 / np.maximum((energies**2).sum(axis=1), 1e-30)


def levels_db(components: np.ndarray, loudest: float) -> np.ndarray:
    """Compute levels in dB relative to the loudest bin of all, at least -`CHANGE_RANGE_DB`.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_freqs)
        Non-negative.
    loudest : float

    Returns
    -------
    levels : ndarray of shape (n_components, n_freqs)
    """
    floor = 10 ** (-CHANGE_RANGE_DB / 20)
    return 20 * np.log10(np.maximum(components / (loudest or 1.0), floor))


def change_db(after: np.ndarray, before: np.ndarray, loudest: float | None = None) -> np.ndarray:
    """Compute the change of each bin of each component in dB.

    Bins more than `CHANGE_RANGE_DB` below the loudest one count as that far below, so that bins
    that are negligible before and after have not changed.

    Parameters
    ----------
    after, before : ndarray of shape (n_components, n_freqs)
        Non-negative.
    loudest : float, optional
        By default the largest bin of both dictionaries.

    Returns
    -------
    change : ndarray of shape (n_components, n_freqs)
        Positive where a component has become louder.

    Examples
    --------
    >>> change_db(np.array([[1.0, 1e-9]]), np.array([[0.1, 1e-5]]))
    array([[20.,  0.]])
    """
    loudest = max(after.max(), before.max()) if loudest is None else loudest
    return levels_db(after, loudest) - levels_db(before, loudest)


def mean_change_db(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Compute the log-spectral distance of each component: the root mean square of `change_db`.

    Parameters
    ----------
    after, before : ndarray of shape (n_components, n_freqs)
        Non-negative.

    Returns
    -------
    distances : ndarray of shape (n_components,)
        In dB, 0 for a component that has not changed.
    """
    return np.sqrt(np.mean(change_db(after, before) ** 2, axis=1))
