"""The NMF solvers that benchmarks compare, each as a curve of objective against time, beta = 2.

A curve is a list of pairs (seconds, 1/2 ||X - H W||^2). All start from the same components and
activations. Each point of another library is a run of its own, from the start.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import torch
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning

from sknmf_unfold.nmf import cd, mu
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.initial import initial_activations
from sknmf_unfold.nmf.problem import Problem, Stopping


class GoalReached(Exception):
    """The goal was reached."""


def ours(X, W, solver, *, max_iter, goal=0.0, sparsity=0.0, seed=0):
    """Ours, by the name of its solver."""
    curve, start = [], time.perf_counter()

    def report(value, components):
        curve.append((time.perf_counter() - start, value))
        if value <= goal:
            raise GoalReached

    problem, stopping = Problem(2, sparsity), Stopping(max_iter, 0, report)
    try:
        if solver == "cd":
            cd.factorize(X, W, problem, np.random.RandomState(seed), stopping)
        else:
            mu.factorize(X, W, initial_activations(X, W), problem, stopping)
    except GoalReached:
        pass
    return curve


def scikit_learn(X, W, solver, n_iters):
    """scikit-learn's `NMF`, ``solver="cd"`` or ``"mu"``."""

    def run(H, W, n_iter):
        settings = {"solver": solver, "max_iter": n_iter, "tol": 0, "init": "custom"}
        H, W, _ = non_negative_factorization(X, W=H, H=W, n_components=len(W), **settings)
        return H, W

    return _curve(X, W, run, n_iters)


def torchnmf(X, W, n_iters):
    """Multiplicative updates of torchnmf."""
    from torchnmf.nmf import NMF

    def run(H, W, n_iter):
        model = NMF(W=torch.from_numpy(W.T.copy()), H=torch.from_numpy(H))
        model.fit(torch.from_numpy(X), beta=2, max_iter=n_iter, tol=0)
        return model.H.detach().numpy(), model.W.detach().numpy().T

    return _curve(X, W, run, n_iters)


def nimfa(X, W, n_iters):
    """Multiplicative updates of nimfa."""
    # nimfa 1.4 uses a name that numpy 2 has removed.
    vars(np).setdefault("mat", np.asmatrix)
    import nimfa

    def run(H, W, n_iter):
        settings = {"update": "euclidean", "objective": "fro", "max_iter": n_iter}
        fit = nimfa.Nmf(X, W=H, H=W, rank=len(W), **settings)().fit
        return np.asarray(fit.W, dtype=X.dtype), np.asarray(fit.H, dtype=X.dtype)

    return _curve(X, W, run, n_iters)


def _curve(X, W, run, n_iters):
    H, curve = initial_activations(X, W), []
    # Imports by the first call are not timed.
    run(H.copy(), W.copy(), 1)
    for n_iter in n_iters:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = run(H.copy(), W.copy(), n_iter)
        seconds = time.perf_counter() - start
        curve.append((seconds, objective(X, result[1], result[0], 2, 0.0)))
    return curve


def seconds_an_iteration(run, n_iter=20):
    """Time an iteration of ``run(n_iter)``: the difference between many and few, the best of 3."""
    run(1)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run(2)
        few = time.perf_counter() - start
        start = time.perf_counter()
        run(2 + n_iter)
        times.append((time.perf_counter() - start - few) / n_iter)
    return min(times)
