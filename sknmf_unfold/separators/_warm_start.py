"""Where DR-NMF starts from: the dictionaries of an NMF estimator, fitted or not."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold._messages import shown
from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.nmf.silencing import silencing_of

from .supervised_nmf import SupervisedNMFSeparator

# Frames that tell whether a dictionary can be active on the data.
MAX_FRAMES = 5000


def starting_components(nmf, sequences, targets, settings):
    """Dictionaries of target and interference below each other, equally many components each.

    Parameters
    ----------
    nmf : SupervisedNMFSeparator, SparseNMF, FrozenEstimator of one of them, or None
        Used as it is where fitted. An unfitted separator is cloned, gets `settings` and is fitted;
        None stands for a default one. A `SparseNMF` is the target's dictionary; the interference's
        is learned beside it.
    sequences, targets : Sequences
        Checked training data.
    settings : dict
        ``n_components``, ``sparsity``, ``random_state`` and ``verbose`` for what is fitted here.

    Returns
    -------
    components : ndarray of shape (2 * n_components, n_freqs)

    Raises
    ------
    TypeError
        If `nmf` is something else.
    ValueError
        If its components have another number of bins than the data.
    """
    nmf = getattr(nmf, "estimator", nmf)
    if nmf is not None and not isinstance(nmf, (SupervisedNMFSeparator, SparseNMF)):
        raise TypeError(
            f"`nmf` must be a SupervisedNMFSeparator, a SparseNMF, one of them in a "
            f"FrozenEstimator, or None; got {shown(nmf)}."
        )
    if isinstance(nmf, SparseNMF):
        components = _beside_target(nmf, sequences, targets, settings)
    elif nmf is not None and _is_fitted(nmf):
        components = nmf.components_
        _check_bins(components, sequences.n_freqs)
        # One that is fitted here warns by itself.
        if settings.get("beta_loss", 2) in (2, "frobenius"):
            frames = _some_frames(sequences)
            silencing_of(frames, components, settings["sparsity"]).warn(pause_too=True)
    else:
        nmf = SupervisedNMFSeparator() if nmf is None else clone(nmf)
        nmf = nmf.set_params(**settings)
        components = nmf.fit(sequences.as_input(), targets.as_input()).components_
    _check_bins(components, sequences.n_freqs)
    return components


def _some_frames(sequences):
    """Frames of the first recordings, enough to know how loud they are."""
    parts, n_frames = [], 0
    for frames in sequences:
        parts.append(frames)
        n_frames += len(frames)
        if n_frames >= MAX_FRAMES:
            break
    return np.concatenate(parts)[:MAX_FRAMES]


def _beside_target(nmf, sequences, targets, settings):
    if not _is_fitted(nmf):
        nmf = clone(nmf).set_params(**settings).fit(targets.as_input())
    _check_bins(nmf.components_, sequences.n_freqs)
    settings = settings | {"n_components": len(nmf.components_)}
    separator = SupervisedNMFSeparator(**settings)
    return separator.fit_interference(sequences.as_input(), nmf.components_).components_


def _check_bins(components, n_freqs):
    if components.shape[1] != n_freqs:
        raise ValueError(
            f"`nmf` was fitted on {components.shape[1]} bins but X has {n_freqs}; fit it on the "
            f"same STFT."
        )


def _is_fitted(estimator):
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
