"""Models of the commands: shipped ones by name, and files that `fit` writes."""

from __future__ import annotations

from pathlib import Path

from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT
from sknmf_unfold.base import model_files
from sknmf_unfold.base.atomic_files import check_writable
from sknmf_unfold.base.model_files import begins_as_model, save_model
from sknmf_unfold.base.versions import is_fitted
from sknmf_unfold.datasets.pretrained import PRETRAINED_NAMES, load_pretrained

__all__ = ["check_model_output", "resolve_model", "save_model", "save_unfinished"]


def check_model_output(path: Path) -> None:
    """Raise unless a model can be written to a path, where at most a model is replaced.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        If no file of that name can be created.
    ValueError
        If the file exists and is not a model, for example a recording.

    Examples
    --------
    >>> check_model_output(Path(__file__))
    Traceback (most recent call last):
    ...
    ValueError: ..._model_files.py is there already and is not a model; choose another ...
    """
    check_writable(path)
    if path.is_file() and path.stat().st_size and not begins_as_model(path):
        raise ValueError(
            f"{path} is there already and is not a model; choose another name for -o, or move it "
            f"away."
        )


def save_unfinished(pipe: Pipeline, path: Path) -> str:
    """Save the best model of an interrupted fit, if there is one.

    Parameters
    ----------
    pipe : Pipeline
        Its separator has fitted attributes once an epoch is complete.
    path : Path
        File of the model, which stays as it is where no epoch improved the model.

    Returns
    -------
    message : str
        A line for the user.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    separator = pipe[-1]
    if not is_fitted(separator) or getattr(separator, "best_epoch_", 0) == 0:
        return f"Interrupted before there was a trained model; nothing was written to {path}"
    save_model(pipe, path)
    return (
        f"Interrupted after {separator.history_['epoch'][-1]} epochs; the unfinished model, of "
        f"epoch {separator.best_epoch_}, is in {path}"
    )


def resolve_model(name_or_path: str | Path, trust_pickle: bool = False) -> Pipeline:
    """Load a shipped model by its name, or a model from a file.

    Parameters
    ----------
    name_or_path : str or Path
        A name of `datasets.load_pretrained`, which always means the shipped model (``./speech``
        is a file of that name), or a file.
    trust_pickle : bool, default=False
        Whether to load a pickle, which can run any code.

    Returns
    -------
    pipe : Pipeline
        It begins with an `STFT`, and can predict.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a model, another kind of model, or a pickle that is not trusted.

    Examples
    --------
    >>> resolve_model("no_such_model")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no_such_model is neither a file nor one of the models 'speech', ...
    """
    if str(name_or_path) in PRETRAINED_NAMES:
        return load_pretrained(str(name_or_path))
    path = Path(name_or_path)
    if not path.exists():
        names = ", ".join(repr(name) for name in PRETRAINED_NAMES)
        raise FileNotFoundError(f"{path} is neither a file nor one of the models {names}.")
    pipe = model_files.load_model(path, trust_pickle=trust_pickle)
    whole = isinstance(pipe, Pipeline) and len(pipe) > 1
    if not (whole and isinstance(pipe[0], STFT) and hasattr(pipe, "predict")):
        raise ValueError(
            f"{path} holds a {type(pipe).__name__}, not a pipeline that begins with STFT and ends "
            f"with a separator."
        )
    return pipe
