"""Models that the package carries: their names, files and checksums.

The folder ``pretrained`` beside this module has a file ``<name>.skops`` for each of them, and
``checksums.json`` with the SHA-256 digests.
"""

from __future__ import annotations

import json
import warnings
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline

from sknmf_unfold.base.compact_models import sha256
from sknmf_unfold.base.model_files import model_of_skops
from sknmf_unfold.validation.options import check_choice

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PRETRAINED_NAMES = ("speech", "speech-low-latency")
CHECKSUMS = "checksums.json"


def load_pretrained(name: str = "speech") -> Pipeline:
    """Load a model that the package carries: speech and noise, separated without any training.

    Parameters
    ----------
    name : {"speech", "speech-low-latency"}, default="speech"
        ``"speech-low-latency"`` returns a sample at most 32 ms after its input, see
        `streaming.StreamingSeparator`.

    Returns
    -------
    pipe : Pipeline
        Fitted, of the steps ``"stft"`` and ``"sep"``; a new object in every call. Its STFT has the
        sampling rate of the recordings that it takes. With ``set_params(sep__warm_start=True)``
        its ``fit`` starts from these weights.

    Raises
    ------
    ValueError
        If there is no model of that name, or its file is damaged.
    FileNotFoundError
        If this installation has no such file.

    Examples
    --------
    >>> from sknmf_unfold.datasets import load_example, load_pretrained
    >>> pipe = load_pretrained()  # doctest: +SKIP
    >>> [enhanced] = pipe.predict([load_example()])  # doctest: +SKIP
    """
    check_choice("name", name, PRETRAINED_NAMES)
    folder = _folder()
    path = folder / f"{name}.skops"
    if not path.is_file():
        raise FileNotFoundError(
            f"This installation of sknmf_unfold has no model {name!r}: there is no file {path}. "
            f"Install a release of the package, or train a model with 'sknmf-unfold fit'."
        )
    content = path.read_bytes()
    if json.loads((folder / CHECKSUMS).read_text()).get(name) != sha256(content):
        raise ValueError(f"{path} does not match its checksum: install the package again.")
    with warnings.catch_warnings():
        # Every release is tested with the models that it carries, whatever version stored them.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return model_of_skops(content)


def write_checksums() -> Path:
    """Write the checksums of all models in the package's folder.

    Returns
    -------
    path : Path
        The file with the checksums.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    folder = Path(str(_folder()))
    digests = {path.stem: sha256(path.read_bytes()) for path in sorted(folder.glob("*.skops"))}
    path = folder / CHECKSUMS
    path.write_text(json.dumps(digests, indent=2) + "\n")
    return path


def _folder() -> Traversable:
    """Return the folder of the model files."""
    return resources.files("sknmf_unfold.datasets") / "pretrained"
