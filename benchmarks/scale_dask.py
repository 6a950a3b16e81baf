"""SparseNMF on Dask arrays: time with 1, 2 and 4 worker processes, and in memory.

Ratios of times to those of one worker, and to the fit of the same frames in memory with full
batches on one thread, in one run; and the largest differences of the components.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import textwrap
import time

import numpy as np

from benchmarks._threads import limited_to
from sknmf_unfold import SparseNMF

BETAS = (2, 1, 0)
N_FREQS = 257
# Frames, frames of a chunk, components, iterations, and numbers of workers.
FULL = (80_000, 5_000, 50, 20, (1, 2, 4))
QUICK = (400, 100, 4, 2, (1, 2))
HEADER = (
    f"{'beta':>4} {'workers':>7} {'fit, x1':>8} {'fit, x memory':>13} {'transform, x1':>13} "
    f"{'difference to 1':>15} {'to memory':>9} {'objective, x memory':>19}"
)


def chunk_of(index: int, n_frames: int) -> np.ndarray:
    """Make the frames of a chunk: ten components and some noise."""
    W = np.random.default_rng(0).gamma(0.3, 1.0, (10, N_FREQS))
    rng = np.random.default_rng([1, index])
    H, noise = rng.gamma(0.3, 3.0, (n_frames, 10)), rng.gamma(0.5, 1.0, (n_frames, N_FREQS))
    return (H @ W + 0.02 * noise).astype("float32")


def array(n_frames: int, length: int):
    """Make the Dask array of the chunks."""
    import dask
    import dask.array as da

    make = dask.delayed(chunk_of)
    parts = [make(i, length) for i in range(n_frames // length)]
    shape = (length, N_FREQS)
    return da.concatenate([da.from_delayed(part, shape, "float32") for part in parts])


@contextlib.contextmanager
def cluster(n_workers: int):
    """Start worker processes of one thread each."""
    from distributed import Client, LocalCluster

    settings = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=n_workers, local_directory=folder, **settings) as local,
        Client(local) as client,
    ):
        yield client


def timed(call):
    """Return the result of a call, and its time in seconds."""
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def in_memory(models: dict, n_frames: int, length: int) -> dict:
    """Fit to the same frames in memory, on one thread."""
    X = np.concatenate([chunk_of(i, length) for i in range(n_frames // length)])
    with limited_to(1):
        return {beta: timed(lambda nmf=nmf: nmf.fit(X)) for beta, nmf in models.items()}


def on_workers(models: dict, n_workers: int, n_frames: int, length: int) -> dict:
    """Fit and transform with some workers: (model, seconds of fit, seconds of transform)."""
    from distributed import wait

    results = {}
    with cluster(n_workers):
        X = array(n_frames, length).persist()
        wait(X)
        # Workers import the package first.
        SparseNMF(2, max_iter=1).fit(X)
        for beta, nmf in models.items():
            fitted, seconds = timed(lambda nmf=nmf: nmf.fit(X))
            _, of_transform = timed(lambda nmf=nmf: wait(nmf.transform(X).persist()))
            results[beta] = fitted, seconds, of_transform
    return results


def make_models(n_components: int, n_iter: int) -> dict:
    """Make the estimators, one for each divergence."""
    settings = {"sparsity": 0.1, "batch_size": None, "max_iter": n_iter, "tol": 0}
    return {
        beta: SparseNMF(n_components, beta_loss=beta, random_state=0, **settings) for beta in BETAS
    }


def row(beta: float, n_workers: int, result: tuple, one: tuple, memory: tuple) -> str:
    """Write a row of the table."""
    nmf, seconds, of_transform = result
    differences = [np.abs(nmf.components_ - m.components_).max() for m in (one[0], memory[0])]
    objective = nmf.objective_curve_[-1] / memory[0].objective_curve_[-1]
    return (
        f"{beta:4g} {n_workers:7d} {seconds / one[1]:8.2f} {seconds / memory[1]:13.2f} "
        f"{of_transform / one[2]:13.2f} {differences[0]:15.1e} {differences[1]:9.1e} "
        f"{objective:19.5f}"
    )


def table(quick: bool = False) -> str:
    """Run fits and transforms; return their table.

    Parameters
    ----------
    quick : bool, default=False
        Whether to run on tiny data.

    Returns
    -------
    table : str
    """
    n_frames, length, n_components, n_iter, numbers = QUICK if quick else FULL
    size = n_frames, length
    memory = in_memory(make_models(n_components, n_iter), *size)
    results = {n: on_workers(make_models(n_components, n_iter), n, *size) for n in numbers}
    title = (
        f"SparseNMF on a Dask array of {n_frames} frames in chunks of {length}, {n_components} "
        f"components, {n_iter} iterations, {os.cpu_count()} cores. Times as multiples of those of "
        f"one worker, and of a fit in memory on one thread; largest differences of components. For "
        f"beta other than 2 the fit in memory starts from other activations."
    )
    rows = [
        row(beta, n, results[n][beta], results[numbers[0]][beta], memory[beta])
        for beta in BETAS
        for n in numbers
    ]
    return "\n".join([*textwrap.wrap(title, 110), "", HEADER, *rows])
