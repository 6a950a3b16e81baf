"""Denoisers of fitted pipelines: shipped models, and files."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np

from benchmarks.denoisers_systems import CORPUS_RATE, Denoiser, package_bytes
from sknmf_unfold.base.model_files import load_model
from sknmf_unfold.datasets import load_pretrained
from sknmf_unfold.streaming import StreamingSeparator


def ours(name_or_path: str) -> Denoiser:
    """Make a denoiser of a fitted pipeline.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped model, a file, or ``LABEL=FILE`` to name it in the tables. Pickles are
        loaded too: only give files that you trust.

    Returns
    -------
    denoiser : Denoiser
    """
    label, path = split_label(name_or_path)
    pipe = _load(path)

    def stream(waveform):
        running = StreamingSeparator(pipe)
        hop = pipe[0].hop_length
        chunks = [running.process(waveform[i : i + hop]) for i in range(0, len(waveform), hop)]
        return np.concatenate([*chunks, running.flush()])

    return Denoiser(
        label,
        lambda waveform: pipe.predict([waveform])[0],
        joblib.hash(pipe),
        getattr(pipe[0], "sample_rate", CORPUS_RATE),
        n_parameters(pipe[-1]),
        path.stat().st_size
        if path.exists()
        else package_bytes("sknmf_unfold", f"datasets/pretrained/{path}.*"),
        stream,
    )


def split_label(text: str) -> tuple[str, Path]:
    """Split ``LABEL=FILE``; without a label the file's stem is taken.

    Examples
    --------
    >>> split_label("best=models/a=1.skops")[0], split_label("models/a=1.skops")[0]
    ('best', 'a=1')
    """
    label, equals, file = text.partition("=")
    if equals and "/" not in label and not Path(text).exists():
        return label, Path(file)
    return (Path(text).stem if Path(text).suffix else text), Path(text)


def n_parameters(separator) -> int | None:
    """Count the weights of a fitted separator, a network or a sparse NMF."""
    if hasattr(separator, "n_parameters_"):
        return separator.n_parameters_
    components = getattr(separator, "components_", None)
    return None if components is None else int(components.size)


def _load(path):
    """Load a file, or a shipped model by name."""
    return load_model(path, trust_pickle=True) if path.exists() else load_pretrained(str(path))
