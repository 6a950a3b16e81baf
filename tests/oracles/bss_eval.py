"""SDR of BSS Eval from its definition: the matrix of delayed references, written out."""

import math
import warnings

import numpy as np


def sdr_by_matrix(reference, estimate, filter_length):
    """SDR in dB by an orthogonal basis of all delayed references, accurate but slow."""
    n_times = len(reference) + filter_length - 1
    delayed = np.zeros((n_times, filter_length))
    for delay in range(filter_length):
        for t in range(len(reference)):
            delayed[t + delay, delay] = reference[t]
    padded = np.zeros(n_times)
    padded[: len(estimate)] = estimate
    basis, _ = np.linalg.qr(delayed)
    target = basis @ (basis.T @ padded)
    return 10 * math.log10(np.sum(target**2) / np.sum((padded - target) ** 2))


def si_sdr_by_loop(reference, estimate):
    """SI-SDR in dB, one sample at a time."""
    energy = sum(float(r) ** 2 for r in reference)
    gain = sum(float(r) * float(e) for r, e in zip(reference, estimate, strict=True)) / energy
    signal = noise = 0.0
    for r, e in zip(reference, estimate, strict=True):
        signal += (gain * float(r)) ** 2
        noise += (float(e) - gain * float(r)) ** 2
    return 10 * math.log10(signal / noise)


def mir_eval_sdr(references, estimates):
    """SDR in dB of each source by mir_eval, with all sources known to it."""
    import mir_eval.separation

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of 0.8: the module is deprecated
        return mir_eval.separation.bss_eval_sources(
            np.atleast_2d(references), np.atleast_2d(estimates), compute_permutation=False
        )[0]
