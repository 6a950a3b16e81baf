"""Time to an objective on sparse data: `SparseNMF` and scikit-learn's `NMF` on tf-idf of texts.

    python -m benchmarks.nmf_text
    python -m benchmarks.nmf_text --n-components 100 --dense

The texts are the docstrings of numpy, scipy and scikit-learn, one a row. Both learn without a
penalty from random components. scikit-learn runs `--iterations` iterations; ours stops within 0.1 %
of the objective that it reached, or after 500: the two end in different local minima. The last
number of a line is our time as a ratio to theirs.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import time
import warnings

import numpy as np
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks._environment import environment, print_environment
from sknmf_unfold.nmf import cd, mu
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.matrices import unit_rows
from sknmf_unfold.nmf.problem import Problem, Stopping
from sknmf_unfold.validation.sparse_tables import check_sparse_table

MODULES = (
    "numpy",
    *(f"scipy.{name}" for name in ("linalg", "optimize", "signal", "sparse", "special", "stats")),
    *(
        f"sklearn.{name}"
        for name in ("cluster", "decomposition", "ensemble", "linear_model", "metrics", "svm")
    ),
)
PATHS = (("frobenius", "cd"), ("frobenius", "mu"), ("kullback-leibler", "mu"))
MAX_ITERATIONS = 500
# Of scikit-learn's objective.
GOAL = 1.001


def texts():
    """Docstrings of all that the modules have, each once."""
    found = (v for name in MODULES for v in vars(importlib.import_module(name)).values())
    return sorted({inspect.getdoc(v) or "" for v in found if callable(v)})


def theirs(X, beta_loss, solver, args):
    """Seconds and objective of scikit-learn."""
    settings = {"solver": solver, "beta_loss": beta_loss, "random_state": args.seed, "tol": 0}
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        nmf = NMF(args.n_components, init="random", max_iter=args.iterations, **settings).fit(X)
    return time.perf_counter() - start, nmf.reconstruction_err_**2 / 2


def ours(X, beta, solver, goal, args):
    """Seconds, objective and iterations of ours, at the goal or after all iterations."""
    rng, n_iter = np.random.RandomState(args.seed), []

    def stop(value, components):
        n_iter.append(value)
        return value <= GOAL * goal

    learn = cd.factorize if solver == "cd" else mu.learn
    start = time.perf_counter()
    W = unit_rows(rng.uniform(0.1, 1.0, (args.n_components, X.shape[1])))
    W, H, _ = learn(X, W, Problem(beta, 0.0), rng, Stopping(MAX_ITERATIONS, 0, stop))
    return time.perf_counter() - start, objective(X, W, H, beta, 0.0), len(n_iter)


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nmf_text",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--n-components", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100, help="of scikit-learn")
    parser.add_argument("--dense", action="store_true", help="time ours on dense data, too")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    table = TfidfVectorizer(min_df=2).fit_transform(texts())
    X = check_sparse_table(NMF(), table, reset=True)
    print(f"{X.shape[0]} x {X.shape[1]}, {X.nnz / np.prod(X.shape):.2%} non-zeros, float64")
    for beta_loss, solver in PATHS:
        seconds, goal = theirs(table, beta_loss, solver, args)
        print(f"{beta_loss}, scikit-learn {solver:<10} {seconds:8.2f} s  objective {goal:.6g}")
        for kind, data in {"sparse": X, "dense": X.toarray() if args.dense else None}.items():
            if data is not None:
                beta = 2.0 if beta_loss == "frobenius" else 1.0
                taken, value, n_iter = ours(data, beta, solver, goal, args)
                print(
                    f"{beta_loss}, ours {solver}, {kind:<12} {taken:8.2f} s  objective "
                    f"{value:.6g} after {n_iter} iterations {taken / seconds:8.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
