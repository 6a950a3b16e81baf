"""Clusters of Dask in this process, and the bytes that it sends."""

from contextlib import contextmanager

import distributed.comm.tcp as tcp
import pytest
from distributed import Client, LocalCluster


@contextmanager
def cluster_here(n_workers=2, n_slots=1, **settings):
    """Workers of Dask in this process, which end with the context."""
    # Port 0 is any that is free; nothing is logged but errors.
    settings = {"dashboard_address": ":0", "silence_logs": 50, "processes": False} | settings
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=n_slots, **settings) as cluster,
        Client(cluster) as client,
    ):
        yield client


class Sent:
    """Number of bytes that this process has sent to workers and schedulers, or among them."""

    n_bytes = 0


@contextmanager
def counted_bytes():
    """Count the bytes that are sent inside the context."""
    sent, write = Sent(), tcp.TCP.write

    async def counting(self, *args, **kwargs):
        n_bytes = await write(self, *args, **kwargs)
        sent.n_bytes += n_bytes
        return n_bytes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tcp.TCP, "write", counting)
        yield sent
