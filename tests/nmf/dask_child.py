"""Fits on a real cluster of processes, run as ``python dask_child.py NAME`` by test_dask_cluster.

Prints one line of JSON.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile

import dask
import dask.array as da
import distributed.utils
import numpy as np

from sknmf_unfold import SparseNMF
from sknmf_unfold.nmf import dask_fit

BETAS = (2, 1, 0)
N_FRAMES, CHUNK = 1200, 240


def frames(dtype="float32"):
    rng = np.random.RandomState(0)
    X = rng.gamma(0.3, 3.0, (N_FRAMES, 4)) @ rng.gamma(0.3, 1.0, (4, 20))
    return (X + 0.02 * rng.gamma(0.5, 1.0, X.shape)).astype(dtype)


def nmf(beta, **settings):
    return SparseNMF(4, beta_loss=beta, sparsity=0.01, max_iter=6, random_state=0, **settings)


@contextlib.contextmanager
def cluster(n_workers, **settings):
    settings = {"threads_per_worker": 1, "dashboard_address": ":0"} | settings
    with (
        tempfile.TemporaryDirectory() as folder,
        distributed.LocalCluster(n_workers=n_workers, local_directory=folder, **settings) as local,
        distributed.Client(local) as client,
    ):
        yield client


def array():
    # Lazy on the workers, and so recomputable: no data of this process are sent.
    rows = da.arange(N_FRAMES, chunks=CHUNK)[:, np.newaxis]
    return rows.map_blocks(chunk_of, chunks=(rows.chunks[0], (20,)), dtype="float32")


def chunk_of(rows):
    return frames()[rows[:, 0]]


def workers(n_workers):
    """Components of each divergence, and the bytes that were gathered."""
    with cluster(int(n_workers)) as client:
        sizes, gather = [], client.gather

        def spy(*args, **kwargs):
            result = gather(*args, **kwargs)
            sizes.append(sum(x.nbytes for x in leaves(result) if isinstance(x, np.ndarray)))
            return result

        client.gather = spy
        fitted = [nmf(beta).fit(array()) for beta in BETAS]
        largest = max(sizes)
        lazy = [each.transform(array()).sum(axis=0) for each in fitted]
        activations = [each.tolist() for each in dask.compute(*lazy)]
    return {
        "components": [each.components_.tolist() for each in fitted],
        "activations": activations,
        "largest": largest,
    }


def leaves(value):
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def threads(_):
    """As `workers`, in threads of this process."""
    with cluster(2, processes=False):
        fitted = [nmf(beta).fit(array()) for beta in BETAS]
    return {"components": [each.components_.tolist() for each in fitted]}


def kill(beta):
    """Components of a fit during which a worker is killed, and those without."""
    pids, make = [], dask_fit.reporter

    def reporter(bar, task):
        report, values = make(bar, task), []

        def report_and_kill(value, components):
            values.append(value)
            if len(values) == 3:
                os.kill(pids[0], signal.SIGKILL)
            return report(value, components)

        return report_and_kill

    with cluster(2) as client:
        pids.extend(client.run(os.getpid).values())
        dask_fit.reporter = reporter
        fitted = nmf(float(beta), tol=0).fit(array())
        left = list(client.run(os.getpid).values())
    dask_fit.reporter = make
    with dask.config.set(scheduler="synchronous"):
        undisturbed = nmf(float(beta), tol=0).fit(array())
    return {
        "components": fitted.components_.tolist(),
        "undisturbed": undisturbed.components_.tolist(),
        "curve": fitted.objective_curve_.tolist(),
        "undisturbed curve": undisturbed.objective_curve_.tolist(),
        "killed": pids[0] not in left,
    }


def bad(_):
    """Messages of errors in the workers."""

    def spoilt(rows):
        x = chunk_of(rows)
        x[rows[:, 0] == 700, 5] = np.nan
        return x

    rows = da.arange(N_FRAMES, chunks=CHUNK)[:, np.newaxis]
    X = rows.map_blocks(spoilt, chunks=(rows.chunks[0], (20,)), dtype="float32")
    messages = []
    with cluster(2):
        fitted = nmf(2).fit(array())
        for call in (lambda: nmf(2).fit(X), lambda: fitted.transform(X).compute()):
            try:
                call()
            except ValueError as error:
                messages.append(str(error))
    return {"messages": messages}


if __name__ == "__main__":
    # Workers are forked from a process that has imported these once.
    getattr(distributed.utils, "get_mp_context", int)()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distributed", "dask.array", "sknmf_unfold.nmf.sparse_nmf"])
    command, argument = sys.argv[1:]
    print(json.dumps(globals()[command](argument)), flush=True)
