"""A fit on a folder of files, in a process of its own, for `scale_memory`.

It prints its peak memory, its time, and how long it waited for frames, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.datasets import AudioFiles
from sknmf_unfold.nmf import file_frames, online


def peak_mb():
    """Read the peak of the resident memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def make(kind):
    """Make the estimator of a row of the table."""
    if kind == "SparseNMF":
        return SparseNMF(50, max_iter=1, random_state=0)
    nmf = SupervisedNMFSeparator(50, max_iter=10, random_state=0)
    if kind == "SupervisedNMFSeparator":
        return nmf
    if kind.endswith("default size"):
        return DRNMFSeparator(max_epochs=1, random_state=0, device="cpu")
    small = {"nmf": nmf.set_params(n_components=20), "n_layers": 1, "batch_size": 32}
    small |= {"loss": "signal_approximation", "max_epochs": 1, "random_state": 0, "device": "cpu"}
    return DRNMFSeparator(**small)


def record(tables, passes):
    """Keep the tables of frames of files, and the times of passes of an NMF over them."""
    init = file_frames.FileFrames.__init__

    def kept(self, *args, **kwargs):
        init(self, *args, **kwargs)
        tables.append(self)

    def timed(function):
        def call(*args, **kwargs):
            start = time.perf_counter()
            result = function(*args, **kwargs)
            passes.append(time.perf_counter() - start)
            return result

        return call

    file_frames.FileFrames.__init__ = kept
    online.factorize = timed(online.factorize)


def main():
    """Fit, and print the result."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    X, Y = (AudioFiles(sorted((folder / name).iterdir())) for name in ("noisy", "clean"))
    estimator, tables, passes = make(kind), [], []
    record(tables, passes)
    spectrograms = STFT().fit_transform(X)
    start = time.perf_counter()
    estimator.fit(spectrograms, Y)
    seconds = time.perf_counter() - start
    if hasattr(estimator, "history_"):
        waited = estimator.history_["data_wait_seconds"][-1]
        timed = estimator.history_["seconds"][-1]
    else:
        waited, timed = sum(table.waited for table in tables), sum(passes) or seconds
    result = {"peak_mb": peak_mb(), "seconds": seconds, "waited": waited, "timed": timed}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
