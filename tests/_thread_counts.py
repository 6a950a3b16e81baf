"""Numbers of threads in a task; its own module, which processes of tests load quickly."""

from sknmf_unfold.base.workers import product_workers, worker_threads


def count_threads(_=None):
    """Threads of training and of an NMF."""
    import torch  # noqa: F401

    with worker_threads(8) as workers:
        n_threads = workers.n_threads
    with product_workers() as workers:
        return n_threads, workers.n_threads
