"""Initial components and activations."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from sklearn.decomposition._nmf import _initialize_nmf

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.tables import check_components

from .matrices import dense, unit_rows
from .mu_updates import MIN_ENTRY

INITS = ("random", "nndsvd", "nndsvda", "nndsvdar", "exemplar")
# Frames that a singular value decomposition is computed of.
MAX_SVD_FRAMES = 5000
# Values of `init` with the decompositions of scikit-learn that they start from.
DECOMPOSITIONS = {"nndsvd": "nndsvda", "nndsvda": "nndsvda", "nndsvdar": "nndsvdar"}


def initial_components(
    init: str | ArrayLike, X: np.ndarray | csr_array, n_components: int, rng: np.random.RandomState
) -> np.ndarray:
    """Make the initial components.

    Parameters
    ----------
    init : {"random", "nndsvd", "nndsvda", "nndsvdar", "exemplar"} or array-like
        See `SparseNMF`.
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    n_components : int
    rng : numpy.random.RandomState

    Returns
    -------
    W : ndarray of shape (n_components, n_freqs)
        Rows of unit norm, in the dtype of X. Only given ones have zeros: multiplicative updates
        never change a zero.

    Raises
    ------
    ValueError
        If `init` is none of these, has the wrong shape, or `n_components` is more than a
        decomposition has.

    References
    ----------
    .. [1] Boutsidis, Gallopoulos, "SVD based initialization: a head start for nonnegative matrix
       factorization", Pattern Recognition 41(4), 2008: "nndsvd".
    """
    if not isinstance(init, str):
        W = check_components("init", init, X.shape[1])
        if len(W) != n_components:
            raise ValueError(
                f"`init` has {len(W)} rows but n_components={n_components} are wanted."
            )
    elif init == "random":
        W = rng.uniform(0.1, 1.0, size=(n_components, X.shape[1]))
    elif init in DECOMPOSITIONS:
        W = _decomposed(init, X, n_components, rng)
    elif init == "exemplar":
        W = _exemplars(X, n_components, rng)
    else:
        names = ", ".join(repr(name) for name in INITS)
        raise ValueError(
            f"`init` must be one of {names} or an array of shape (n_components, n_freqs); "
            f"got {shown(init)}."
        )
    return unit_rows(W).astype(X.dtype)


def initial_activations(X: np.ndarray | csr_array, W: np.ndarray) -> np.ndarray:
    """Give all components of a frame the same activation, the best in the least-squares sense.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    total = W.sum(axis=0)
    scale = X @ total / max(float(total @ total), MIN_ENTRY)
    return np.maximum(np.repeat(scale[:, np.newaxis], len(W), axis=1), MIN_ENTRY)


def _decomposed(init, X, n_components, rng):
    if X.shape[0] > MAX_SVD_FRAMES:
        X = X[np.sort(rng.choice(X.shape[0], MAX_SVD_FRAMES, replace=False))]
    if n_components > min(X.shape):
        raise ValueError(
            f"`init`={init!r} has at most min(n_frames, n_freqs) = {min(X.shape)} components; got "
            f"n_components={n_components}. Use 'random' or 'exemplar'."
        )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _, W = _initialize_nmf(X, n_components, init=DECOMPOSITIONS[init], random_state=rng)
    # The others have none, except in silence.
    return W if init != "nndsvd" and W.min() > 0 else _without_zeros(W, rng)


def _exemplars(X, n_components, rng):
    """Draw frames, loud ones more often, each once if there are enough."""
    levels = dense(X.max(axis=1)).ravel().astype(np.float64)
    weights = levels / max(levels.sum(), np.finfo(np.float64).tiny)
    candidates = np.count_nonzero(weights)
    drawn = rng.choice(
        X.shape[0], min(n_components, candidates), replace=False, p=weights if candidates else None
    )
    missing = n_components - len(drawn)
    W = np.vstack([unit_rows(dense(X[drawn])), rng.uniform(0.1, 1.0, size=(missing, X.shape[1]))])
    return _without_zeros(W, rng)


def _without_zeros(W, rng):
    W = np.where(np.isfinite(W), W, 0.0)
    levels = np.maximum(W.mean(axis=1, keepdims=True), np.finfo(W.dtype).tiny)
    return W + 0.1 * levels * rng.uniform(0.1, 1.0, size=W.shape)
