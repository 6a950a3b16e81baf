"""First dictionaries of trained separators, from an NMF estimator, fitted or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from sknmf_unfold.base.versions import is_fitted
from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.nmf.silencing import silencing_of
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import MAX_COMPONENTS, check_size, check_sparsity
from sknmf_unfold.validation.sequences import Sequences

from ._trained_separator import TrainedSeparator
from .supervised_nmf import SupervisedNMFSeparator

if TYPE_CHECKING:
    from typing_extensions import Self

# Frames on which a dictionary is tested for being silenced by the sparsity weight.
MAX_TESTED_FRAMES = 5000
# Of each source, if neither the separator nor an NMF estimator has a number.
DEFAULT_N_COMPONENTS = 100


class StartsFromNMF(TrainedSeparator):
    """A trained separator with the parameters `nmf`, `n_components`, `sparsity` and `verbose`."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of `nmf` by ``nmf__<parameter>``.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        nested = [name for name in params if name.startswith("nmf__")]
        nmf = params.get("nmf", self.nmf)
        if nested and not hasattr(nmf, "set_params"):
            raise ValueError(
                f"`{nested[0]}` is a parameter of `nmf`, but nmf is {shown(nmf)}; give it "
                f"nmf=SupervisedNMFSeparator()."
            )
        return super().set_params(**params)

    def _check_n_components(self):
        """Return the number of components, as far as it is known before the fit."""
        if self.n_components is None:
            return DEFAULT_N_COMPONENTS
        return check_size("n_components", self.n_components, high=MAX_COMPONENTS)

    def _starting_components(self, sequences, targets, seed, **settings):
        n_components = None if self.n_components is None else self._check_n_components()
        settings |= {"n_components": n_components, "sparsity": check_sparsity(self.sparsity)}
        settings |= {"verbose": self.verbose, "random_state": seed}
        settings["level_frames"] = self.level_frames_
        components = starting_components(self.nmf, sequences, targets, settings)
        if settings.get("beta_loss", 2) in (2, "frobenius"):
            frames = _some_frames(sequences, self._input_level)
            silencing_of(frames, components, settings["sparsity"]).warn(pause_too=True)
        return components


def starting_components(
    nmf: Any, sequences: Sequences, targets: Sequences, settings: dict[str, Any]
) -> np.ndarray:
    """Find the dictionaries of target and interference, equally many components of each.

    Parameters
    ----------
    nmf : SupervisedNMFSeparator, SparseNMF, FrozenEstimator of one of them, or None
        A fitted one is used as it is. An unfitted one is cloned and fitted, with its own
        parameters; None stands for a separator with `settings`. A `SparseNMF` is the target's
        dictionary; the interference's is learned beside it, with `settings`.
    sequences, targets : Sequences
        Checked training data.
    settings : dict
        ``n_components`` (None or that of `nmf`), ``sparsity``, ``verbose`` and others of a
        `SupervisedNMFSeparator`, and ``random_state``, which `nmf` gets if it has none.

    Returns
    -------
    components : ndarray of shape (2 * n_components, n_freqs)

    Raises
    ------
    TypeError
        If `nmf` is something else.
    ValueError
        If its components have another number of bins than the data, are not equally many for both
        sources, or are of another number than ``n_components``.
    """
    nmf = getattr(nmf, "estimator", nmf)
    if nmf is None:
        n_components = settings["n_components"] or DEFAULT_N_COMPONENTS
        nmf = SupervisedNMFSeparator(**(settings | {"n_components": n_components}))
    elif not isinstance(nmf, (SupervisedNMFSeparator, SparseNMF)):
        raise TypeError(
            f"`nmf` must be a SupervisedNMFSeparator, a SparseNMF, one of them in a "
            f"FrozenEstimator, or None; got {shown(nmf)}."
        )
    elif is_fitted(nmf):
        _check_fitted(nmf, sequences.n_freqs, settings["n_components"])
    else:
        _check_number_of(nmf.n_components, settings["n_components"])
        nmf = clone(nmf)
        if nmf.random_state is None:
            nmf.set_params(random_state=settings["random_state"])
    if isinstance(nmf, SparseNMF):
        return _beside_target(nmf, sequences, targets, settings)
    if not is_fitted(nmf):
        nmf.fit_checked(sequences, targets)
    return nmf.components_


def _some_frames(sequences, level):
    """Return frames of the first recordings, at the reference level."""
    parts, n_frames = [], 0
    for frames in sequences:
        parts.append(level(frames[np.newaxis])[0][0])
        n_frames += len(frames)
        if n_frames >= MAX_TESTED_FRAMES:
            break
    return np.concatenate(parts)[:MAX_TESTED_FRAMES]


def _beside_target(nmf, sequences, targets, settings):
    if not is_fitted(nmf):
        nmf.fit(targets)
    settings = settings | {"n_components": len(nmf.components_)}
    separator = SupervisedNMFSeparator(**settings)
    return separator.fit_interference(sequences, nmf.components_).components_


def _check_fitted(nmf, n_freqs, n_components):
    """Raise unless the dictionaries of a fitted estimator suit the data and the separator."""
    components = nmf.components_
    if components.shape[1] != n_freqs:
        raise ValueError(
            f"`nmf` was fitted on {components.shape[1]} bins but X has {n_freqs}; fit it on the "
            f"same STFT."
        )
    n_target = len(getattr(nmf, "target_components_", components))
    n_rest = len(getattr(nmf, "interference_components_", components))
    if n_target != n_rest:
        raise ValueError(
            f"`nmf` has {n_target} components of the target and {n_rest} of the interference; fit "
            f"it with equally many of both."
        )
    _check_number_of(n_target, n_components)


def _check_number_of(n_nmf, n_components):
    if n_components not in (None, n_nmf):
        raise ValueError(
            f"`n_components` is {n_components} but `nmf` has {n_nmf} components for each "
            f"source; leave n_components=None to take those of nmf, or make both the same."
        )
