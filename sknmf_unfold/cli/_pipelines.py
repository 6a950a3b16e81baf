"""The pipeline that the command `fit` trains: a new one, or one that trains on from a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator

from ._model_files import resolve_model
from ._settings import distribute

ESTIMATORS = {"drnmf": DRNMFSeparator, "nmf": SupervisedNMFSeparator}
# Removes offsets; a higher cutoff would shift the phases of voices.
HIGHPASS_HZ = 10.0
# Parameters of training, which another fit of the same model may change. All others describe the
# model.
TRAINING_PARAMETERS = frozenset(
    "batch_size checkpoint_dir device gain_db learning_rate loss max_epochs patience random_state "
    "remix sequence_length speed_factors validation_fraction verbose".split()
)


def new_pipeline(
    estimator: str, settings: dict[str, Any], conditions: Iterable[str] = ()
) -> tuple[Pipeline, dict[str, Any]]:
    """Make a pipeline that is not fitted yet.

    Parameters
    ----------
    estimator : str
        A key of `ESTIMATORS`.
    settings : dict
        Parameters of separator, STFT and mixtures by name.
    conditions : iterable of str
        Names of the parameters of mixtures, which precede those of the separator.

    Returns
    -------
    pipe : Pipeline
    mixing : dict
        The settings of mixtures.

    Raises
    ------
    ValueError
        If there is no parameter of a name.
    """
    separator = ESTIMATORS[estimator](random_state=0, verbose=1)
    stft = STFT(highpass=HIGHPASS_HZ)
    names = {"separator": separator.get_params(deep=False), "STFT": stft.get_params()}
    parts = distribute(settings, _owners(names, conditions))
    separator.set_params(**parts["separator"])
    stft.set_params(**parts["STFT"])
    return Pipeline([("stft", stft), ("sep", separator)]), parts.get("mixtures", {})


def started_pipeline(
    start: str, trust_pickle: bool, settings: dict[str, Any], conditions: Iterable[str] = ()
) -> tuple[Pipeline, dict[str, Any]]:
    """Load a fitted pipeline whose next fit trains on from its weights.

    Parameters
    ----------
    start : str
        Name of a shipped model, or a file.
    trust_pickle : bool
        Whether the file may be a pickle.
    settings : dict
        Parameters of training and mixtures by name.
    conditions : iterable of str
        Names of the parameters of mixtures, which precede those of the separator.

    Returns
    -------
    pipe : Pipeline
        Fitted.
    mixing : dict
        The settings of mixtures.

    Raises
    ------
    ValueError
        If the training of the model cannot resume, there is no parameter of a name, or it belongs
        to the model.
    """
    pipe = resolve_model(start, trust_pickle)
    stft, separator = pipe[0], pipe[-1]
    parameters = separator.get_params(deep=False)
    if "warm_start" not in parameters:
        raise ValueError(
            f"--start-from {start}: a {type(separator).__name__} is not trained epoch by epoch, so "
            f"that no training can resume from it; leave --start-from out."
        )
    names = {"separator": parameters, "STFT": stft.get_params()}
    parts = distribute(settings, _owners(names, conditions))
    for name in [*parts["separator"].keys() - TRAINING_PARAMETERS, *parts["STFT"]]:
        value = (parameters | stft.get_params())[name]
        raise ValueError(
            f"`{name}` belongs to the model {start} (there: {value!r}) and cannot change with "
            f"--start-from; leave it out, or train without --start-from."
        )
    # The model may come from another machine and its folders.
    here = {"device": "auto", "checkpoint_dir": None, "random_state": 0, "verbose": 1}
    separator.set_params(**here | parts["separator"], warm_start=True)
    return pipe, parts.get("mixtures", {})


def _owners(names, conditions):
    """List the owners of parameters; of a name that two have, the first one is meant."""
    conditions = list(conditions)
    return ({"mixtures": conditions} if conditions else {}) | names
