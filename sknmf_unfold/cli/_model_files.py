"""Model files: written by the command `fit`, read by the other commands."""

from __future__ import annotations

from pathlib import Path

import joblib
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT
from sknmf_unfold.base.atomic_files import check_writable, replacing
from sknmf_unfold.base.versions import is_fitted

# First bytes of pickles, plain or compressed by zlib, gzip, bz2, lzma, xz or lz4, as by joblib.
MODEL_SIGNATURES = (
    b"\x80",
    *(b"\x78" + level for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
    b"\x1f\x8b",
    b"BZ",
    b"\x5d\x00",
    b"\xfd7zXZ",
    b"\x04\x22\x4d\x18",
)


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
    if not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(8)
    if start and not start.startswith(MODEL_SIGNATURES):
        raise ValueError(
            f"{path} is there already and is not a model; choose another name for -o, or move it "
            f"away."
        )


def save_model(pipe: Pipeline, path: Path) -> None:
    """Save a fitted pipeline; an existing model is replaced at the end, or not at all.

    Parameters
    ----------
    pipe : Pipeline
    path : Path

    Raises
    ------
    OSError
        If it cannot be written, for example because the disk is full.
    """
    with replacing(path) as unfinished:
        joblib.dump(pipe, unfinished)


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


def load_model(path: Path) -> Pipeline:
    """Load a pipeline that `fit` saved; raise ``ValueError`` for any other file."""
    try:
        pipe = joblib.load(path)
    except OSError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} is not a model saved by 'fit' ({reason}).") from error
    whole = isinstance(pipe, Pipeline) and len(pipe) > 1
    if not (whole and isinstance(pipe[0], STFT) and hasattr(pipe, "predict")):
        raise ValueError(
            f"{path} holds a {type(pipe).__name__}, not a pipeline that begins with STFT and ends "
            f"with a separator."
        )
    return pipe


def resolve_model(name_or_path: str, trust_pickle: bool) -> Pipeline:
    """Load a model file."""
    return load_model(Path(name_or_path))
