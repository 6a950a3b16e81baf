"""Small estimators that are fitted in milliseconds, for tests whose subject is not the size."""

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator

NMF = {"n_components": 3, "sparsity": 0.1, "max_iter": 5, "random_state": 0}


def stft(**settings):
    return STFT(**({"n_fft": 64, "hop_length": 16} | settings))


def nmf(**settings):
    return SparseNMF(**(NMF | settings))


def supervised(**settings):
    return SupervisedNMFSeparator(**(NMF | {"n_iter": 5} | settings))


def drnmf(**settings):
    """One epoch, from an NMF of as many components."""
    size = {"n_components": settings.get("n_components", 3)}
    start = {"nmf": supervised(**size), "sparsity": 0.1, "max_epochs": 1, "random_state": 0}
    return DRNMFSeparator(**(size | start | settings))
