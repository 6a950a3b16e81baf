"""Local clusters of Dask, and the bytes that they send."""

from __future__ import annotations

import contextlib
import os
from unittest import mock

import dask
import distributed.comm.tcp as tcp
from distributed import Client, LocalCluster

# Any port that is free, and no messages but errors.
SETTINGS = {"dashboard_address": ":0", "silence_logs": 50}
# Dask lets its processes return memory at once, and large arrays then cost page faults.
TRIM = "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_"


@contextlib.contextmanager
def cluster_of(n_workers=2, n_slots=1, keeps_memory=True, **settings):
    """Start workers of Dask on this machine, which end with the context.

    Parameters
    ----------
    n_workers : int, default=2
    n_slots : int, default=1
        Number of tasks that each of them runs at once.
    keeps_memory : bool, default=True
        Whether its processes manage memory as others do, and not as Dask wants them to.
    **settings : object
        Arguments of `distributed.LocalCluster`.

    Yields
    ------
    client : distributed.Client
    """
    # Dask sets the variables of its processes in this one, too.
    with (
        mock.patch.dict(os.environ),
        dask.config.set({TRIM: None} if keeps_memory else {}),
        LocalCluster(
            n_workers=n_workers, threads_per_worker=n_slots, **(SETTINGS | settings)
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


class Sent:
    """Number of bytes that this process has sent to schedulers and workers."""

    n_bytes = 0


@contextlib.contextmanager
def counted_bytes():
    """Count the bytes that this process sends inside the context.

    Yields
    ------
    sent : Sent
    """
    sent, write = Sent(), tcp.TCP.write

    async def counting(self, *args, **kwargs):
        n_bytes = await write(self, *args, **kwargs)
        sent.n_bytes += n_bytes
        return n_bytes

    with mock.patch.object(tcp.TCP, "write", counting):
        yield sent
