"""Facts of a fit that all processes of a group must agree on before they train together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from sknmf_unfold._version import __version__
from sknmf_unfold.base.tensors import resolve_device
from sknmf_unfold.training.ranks import find_ranks
from sknmf_unfold.validation.sequences import Sequences

from ._checkpoints import UNRELATED_PARAMETERS, resumes_fit

if TYPE_CHECKING:
    from ._fit_data import FitData

# Samples of a recording that are compared: few, since processors may round them differently.
N_COMPARED = 1000


def agree_on_fit(separator: Any, data: FitData) -> None:
    """Raise in all processes of a group unless they fit the same model on the same data.

    Parameters
    ----------
    separator : TrainedSeparator
        Its parameters are checked.
    data : FitData

    Raises
    ------
    ValueError
        Names the parameters and the properties of the data that differ.
    """
    ranks = find_ranks()
    if ranks.n > 1:
        ranks.agree(facts_of(separator, data))


def facts_of(separator: Any, data: FitData) -> dict[str, str]:
    """Describe a fit, without reading more than a part of one recording.

    Parameters
    ----------
    separator : TrainedSeparator
    data : FitData

    Returns
    -------
    facts : dict of str
        Parameters, versions and the shape of the data.
    """
    import torch

    facts = {
        "the estimator": type(separator).__name__,
        "the version of sknmf_unfold": __version__,
        "the version of torch": str(torch.__version__),
        "the kind of device": resolve_device(separator.device).type,
        "whether training continues from a fitted model": str(resumes_fit(separator)),
    }
    for name, value in separator.get_params(deep=False).items():
        if name not in UNRELATED_PARAMETERS:
            facts[f"`{name}`"] = _described(value)
    facts |= _facts_of_data("X", "y", data.mixtures, data.targets)
    if data.validation is not None:
        facts |= _facts_of_data("`validation_data`[0]", "`validation_data`[1]", *data.validation)
    if data.dataset is not None:
        facts["the number of `training_mixtures`"] = str(len(data.dataset))
    return facts


def _described(value):
    from sknmf_unfold.training.fingerprints import fingerprint

    # Rank 0 alone draws and fits: what others have drawn or fitted is of no use.
    if isinstance(value, (BaseEstimator, np.random.RandomState)):
        return type(value).__name__
    try:
        return fingerprint(value)
    except TypeError:
        return type(value).__name__


def _facts_of_data(X: str, y: str, mixtures: Sequences, targets: Sequences) -> dict[str, str]:
    from sknmf_unfold.training.fingerprints import fingerprint

    # Targets are as long as their mixtures.
    return {
        f"the kind of {X}": f"{mixtures.kind} of {mixtures.dtype}",
        f"the number of recordings of {X}": str(len(mixtures)),
        f"the number of bins of {X}": str(mixtures.n_freqs),
        f"the STFT of {X}": str(mixtures.settings),
        f"the lengths of {X}": fingerprint(mixtures.n_frames.astype(np.int64)),
        f"the level of {X}[0]": _level(mixtures),
        f"the level of {y}[0]": _level(targets),
    }


def _level(sequences):
    """Describe the level of the first recording in three digits, without reading a file."""
    item = sequences.items[0]
    if sequences.kind == "spectrograms":
        item = item.source if hasattr(item, "source") else item.waveform
    if not isinstance(item, np.ndarray):
        return type(item).__name__
    values = item.ravel()
    values = values[:: -(-len(values) // N_COMPARED)].astype(float)
    return f"{np.sqrt(np.mean(values**2)):.3g}"
