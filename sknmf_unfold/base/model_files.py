"""Model files: skops, which runs no code when it is loaded, and pickles, where they are wanted."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import joblib
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.options import check_path

from .atomic_files import replacing
from .compact_models import canonical_bytes, compact_copy, sha256

# A skops file is a zip archive.
SKOPS_SIGNATURE = b"PK\x03\x04"
# First bytes of pickles, plain or compressed by zlib, gzip, bz2, lzma, xz or lz4, as by joblib.
PICKLE_SIGNATURES = (
    b"\x80",
    *(b"\x78" + level for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
    b"\x1f\x8b",
    b"BZ",
    b"\x5d\x00",
    b"\xfd7zXZ",
    b"\x04\x22\x4d\x18",
)
MODEL_SIGNATURES = (SKOPS_SIGNATURE, *PICKLE_SIGNATURES)
PICKLE_SUFFIXES = (".joblib", ".pkl", ".pickle")
# Types of a skops file that skops itself does not know: all other ones are those of scikit-learn,
# numpy and plain Python that skops trusts. Names, because this layer imports no estimators.
TRUSTED_TYPES = (
    "sknmf_unfold.nmf.sparse_nmf.SparseNMF",
    "sknmf_unfold.separators.baselines.LSTMSeparator",
    "sknmf_unfold.separators.baselines.RNNSeparator",
    "sknmf_unfold.separators.deep_nmf.DeepNMFSeparator",
    "sknmf_unfold.separators.drnmf.DRNMFSeparator",
    "sknmf_unfold.separators.supervised_nmf.SupervisedNMFSeparator",
    "sknmf_unfold.signal.stft_transformer.STFT",
)


def begins_as_model(path: Path) -> bool:
    """Tell by its first bytes whether a file may be a model; where there is none, it is not.

    Examples
    --------
    >>> begins_as_model(Path(__file__))
    False
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(max(map(len, MODEL_SIGNATURES))).startswith(MODEL_SIGNATURES)


def save_model(pipe: BaseEstimator, path: str | os.PathLike) -> None:
    """Save a model, a pipeline or one of its steps, in a file.

    Parameters
    ----------
    pipe : Pipeline or other estimator
        Fitted or not.
    path : str or os.PathLike
        The file. The suffixes ``.joblib``, ``.pkl`` and ``.pickle`` make it a pickle, any other
        one, usually ``.skops``, a skops file.

    Raises
    ------
    ValueError
        If a skops file cannot hold the model, for example because a parameter is a function.
    OSError
        If it cannot be written, for example because the disk is full.

    Notes
    -----
    An existing file is replaced when the new one is complete: after an error, an interrupt or a
    kill it is unchanged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sknmf_unfold import SparseNMF, load_model, save_model
    >>> nmf = SparseNMF(2, random_state=0).fit([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "nmf.skops"
    ...     save_model(nmf, path)
    ...     load_model(path)
    SparseNMF(n_components=2, random_state=0)
    """
    name = check_path("path", path)
    is_pickle = name.suffix.lower() in PICKLE_SUFFIXES
    content = None if is_pickle else skops_bytes(pipe)
    with replacing(name) as unfinished:
        if content is None:
            joblib.dump(pipe, unfinished)
        else:
            unfinished.write_bytes(content)


def load_model(path: str | os.PathLike, *, trust_pickle: bool = False) -> Any:
    """Load a model from a file; a skops file runs no code, whoever made it.

    Parameters
    ----------
    path : str or os.PathLike
        The file; its content decides what it is, not its suffix.
    trust_pickle : bool, default=False
        Whether to load pickles (``.joblib``, ``.pkl``) too. A pickle can run any code when it is
        loaded: trust those that you made yourself.

    Returns
    -------
    pipe : Pipeline or other estimator

    Raises
    ------
    ValueError
        If the file is no model, is damaged, holds objects of other types than those of this
        package, scikit-learn and numpy, or is a pickle that is not trusted.
    OSError
        If it cannot be read.

    See Also
    --------
    save_model : Save a model; has an example.
    """
    name = check_path("path", path)
    content = name.read_bytes()
    is_skops = content.startswith(SKOPS_SIGNATURE)
    if not is_skops and not trust_pickle:
        _refuse_unless_skops(name, content)
    try:
        return model_of_skops(content) if is_skops else joblib.load(io.BytesIO(content))
    except Exception as error:
        raise ValueError(f"{name} is not a model that can be loaded: {_line(error)}") from error


def store_pretrained(pipe: Pipeline, path: str | os.PathLike) -> str:
    """Store a fitted pipeline for shipping: rounded, small, and the same bytes from any process.

    Weights are rounded to the 11 significant bits of half precision. What prediction does not need
    is dropped, see `compact_models.compact_copy`. The file is a skops file, which `load_model` and
    skops itself load. Its bytes depend on the pipeline and on the versions of this package,
    scikit-learn, skops, numpy and zlib alone.

    Parameters
    ----------
    pipe : Pipeline
        Of estimators of this package, fitted. It is not changed.
    path : str or os.PathLike
        The file.

    Returns
    -------
    digest : str
        SHA-256 digest of the file, in hexadecimal digits.

    Raises
    ------
    TypeError, ValueError
        If `pipe` is something else, or not fitted.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.pipeline import Pipeline
    >>> from sknmf_unfold import STFT, SupervisedNMFSeparator
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> X, Y = make_noisy_speech(2, duration=0.5, random_state=0)
    >>> separator = SupervisedNMFSeparator(2, max_iter=5, random_state=0)
    >>> pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(store_pretrained(pipe, pathlib.Path(folder) / "model.skops"))
    64
    """
    name = check_path("path", path)
    content = canonical_bytes(skops_bytes(compact_copy(pipe)))
    # Rounded weights must satisfy what is checked of any model.
    model_of_skops(content)
    with replacing(name) as unfinished:
        unfinished.write_bytes(content)
    return sha256(content)


def skops_bytes(pipe: BaseEstimator) -> bytes:
    """Make the content of a skops file.

    Parameters
    ----------
    pipe : Pipeline or other estimator

    Returns
    -------
    content : bytes
        A zip archive, compressed.

    Raises
    ------
    ValueError
        If it would not be loaded again; names the parameter and its value.
    """
    reason = _reason_against_skops(pipe)
    if isinstance(reason, bytes):
        return reason
    for name, value in _own_parameters(pipe):
        if not isinstance(_reason_against_skops(value), bytes):
            raise ValueError(
                f"`{name}` is {shown(value)} ({type(value).__name__}), which a .skops file cannot "
                f"hold. Prediction needs no parameters of training: set_params({name}=None) before "
                f"saving. Or save to a .joblib file, which holds anything, but runs code when it "
                f"is loaded."
            )
    raise ValueError(
        f"A .skops file cannot hold this {type(pipe).__name__}: {reason}. It holds estimators of "
        f"this package and of scikit-learn; set_callbacks() without arguments removes callbacks. "
        f"A .joblib file holds anything, but runs code when it is loaded."
    )


def model_of_skops(content: bytes) -> Any:
    """Load the model of a skops file.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    pipe : Pipeline or other estimator

    Raises
    ------
    ValueError
        If it holds objects of types that are not trusted; they are not made.
    Exception
        Of any kind, if it is damaged.
    """
    # A second to import: it imports all of scikit-learn.
    from skops.io import loads
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return loads(content, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise ValueError(
            f"it holds {', '.join(_foreign_types(content))}, which is not of this package, "
            f"scikit-learn or numpy and could run code. Nothing of it was run."
        ) from error


def _foreign_types(content):
    """List the types of a skops file that are not trusted."""
    from skops.io import get_untrusted_types

    return sorted(set(get_untrusted_types(data=content)) - set(TRUSTED_TYPES))


def _reason_against_skops(value):
    """Return the content of a skops file; where it would be refused, the reason as text."""
    import zipfile

    from skops.io import dumps

    try:
        content = dumps(value, compression=zipfile.ZIP_DEFLATED)
    # What skops does not know fails in many ways.
    except Exception as error:
        return _line(error)
    return f"it has a {', '.join(foreign)}" if (foreign := _foreign_types(content)) else content


def _own_parameters(pipe):
    """List the parameters of a model's parts that are neither estimators nor lists of them."""
    items = pipe.get_params().items() if hasattr(pipe, "get_params") else ()
    return [(k, v) for k, v in items if k != "steps" and not hasattr(v, "get_params")]


def _refuse_unless_skops(name, content):
    if content.startswith(PICKLE_SIGNATURES):
        raise ValueError(
            f"{name} is a pickle, which can run any code when it is loaded. If you trust who made "
            f"it, pass trust_pickle=True (--trust-pickle on the command line), and save it as "
            f".skops."
        )
    raise ValueError(f"{name} is not a model: neither a .skops file nor a pickle.")


def _line(error):
    """Return the message of an error, or its name, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
