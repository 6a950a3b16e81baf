"""Memory and time of ``fit`` on 1, 4 and 16 hours of files, and the share of waiting for data.

Each fit is a process of its own (`scale_memory_child`). The files are an hour of the open speech
corpus (`open_speech`) in FLAC, repeated under new names by hard links; without the corpus they are
generated. SparseNMF: 50 components, one pass over all frames. SupervisedNMFSeparator: 50 components
of each source from 20 000 frames, 10 iterations. DRNMFSeparator: the default recipe with remixing,
for one epoch, but one layer of 20 components of each source, batches of 32 and the loss on
magnitudes: a network so fast that reading and mixing take about as long. The last row has the
default size, for which the share of waiting counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks import open_speech
from sknmf_unfold.datasets import make_noisy_speech

RATE = 16_000
KINDS = ("SparseNMF", "SupervisedNMFSeparator", "DRNMFSeparator")
HOURS, QUICK_HOURS = (1, 4, 16), (0.01, 0.02)
# Bound in seconds on a child process.
TIMEOUT = 3600


def table(quick: bool = False) -> str:
    """Fit all estimators on all amounts of files, and print peak memory and time.

    Parameters
    ----------
    quick : bool, default=False
        Whether to take less than a minute of generated speech.

    Returns
    -------
    table : str
        Peak memory in MB, its difference from that of the least data, seconds for an hour of data
        relative to the same, and the share of the time in which the fit waited for frames: of
        DRNMFSeparator in its epoch, of the others in the passes over the frames they learn from.
    """
    hours = QUICK_HOURS if quick else HOURS
    with tempfile.TemporaryDirectory() as folder:
        write_hours(Path(folder), hours, quick)
        rows = [row for kind in KINDS for row in _rows(kind, hours, folder)]
        if not quick:
            rows += _rows("DRNMFSeparator, default size", hours[:1], folder)
    head = f"{'':<30}{'hours':>7}{'peak MB':>9}{'more MB':>9}{'s per h':>9}{'waits':>8}"
    return "\n".join([head, *rows])


def write_hours(folder: Path, hours: tuple[float, ...], quick: bool) -> None:
    """Write the least hours of pairs once, and link them under new names for the others.

    Parameters
    ----------
    folder : Path
        Gets a folder for each number of hours, with ``noisy`` and ``clean``.
    hours : tuple of float
        Ascending, each a multiple of the first.
    quick : bool
        Whether the recordings are generated.
    """
    first = folder / str(hours[0])
    for name, waveforms in zip(("noisy", "clean"), _recordings(hours[0], quick), strict=True):
        (first / name).mkdir(parents=True)
        for i, x in enumerate(waveforms):
            soundfile.write(first / name / f"{i:05}.flac", x, RATE, subtype="PCM_16")
    for n in hours[1:]:
        for path in sorted(first.rglob("*.flac")):
            copies = folder / str(n) / path.parent.name
            copies.mkdir(parents=True, exist_ok=True)
            for i in range(round(n / hours[0])):
                os.link(path, copies / f"{path.stem}-{i}.flac")


def _recordings(hours, quick):
    """Load or generate mixtures and targets of about so many hours."""
    if quick or not (open_speech.cache_folder() / "manifest.json").exists():
        n = max(round(hours * 3600 / 4), 2)
        return make_noisy_speech(n, duration=(2, 6), random_state=0)
    X, Y = open_speech.load("tenth")
    n = int(np.searchsorted(np.cumsum([len(x) for x in X]), hours * 3600 * RATE)) + 1
    return X[:n], Y[:n]


def _rows(kind, hours, folder):
    results = [fit_in_child(kind, Path(folder) / str(n)) for n in hours]
    rows = []
    for n, result in zip(hours, results, strict=True):
        more = result["peak_mb"] - results[0]["peak_mb"]
        pace = (result["seconds"] / n) / (results[0]["seconds"] / hours[0])
        share = result["waited"] / result["timed"]
        figures = f"{result['peak_mb']:>9.0f}{more:>+9.0f}{pace:>9.2f}{share:>8.1%}"
        rows.append(f"{kind:<30}{n:>7}{figures}")
    return rows


def fit_in_child(kind: str, folder: Path) -> dict[str, float]:
    """Fit an estimator in a process of its own.

    Parameters
    ----------
    kind : str
        One of `KINDS`, or the last with its default size.
    folder : Path
        With ``noisy`` and ``clean``.

    Returns
    -------
    result : dict
        ``peak_mb``, ``seconds``, ``waited`` for frames, of ``timed`` seconds.
    """
    command = [sys.executable, "-m", "benchmarks.scale_memory_child", kind, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    return json.loads(done.stdout.splitlines()[-1])
