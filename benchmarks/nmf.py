"""Time to an objective: this package's NMF solvers and scikit-learn's, side by side in one run.

    python -m benchmarks.nmf --n-components 100

Magnitudes of real speech from the open corpus, float32; every solver starts from the same
components. Printed are seconds to reach a goal, and the ratio to the peer that set the goal.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from sknmf_unfold import STFT, SparseNMF
from sknmf_unfold.nmf.alternating import factorize as by_coordinates
from sknmf_unfold.nmf.coordinate import solve_activations
from sknmf_unfold.nmf.multiplicative import (
    factorize,
    initial_activations,
    objective,
    unit_rows,
)


def frames_of(waveforms, n_frames, rng):
    """Magnitude frames of recordings in random order, (n_frames, n_freqs), float32."""
    stft, parts, total = STFT(), [], 0
    for index in rng.permutation(len(waveforms)):
        parts.append(np.asarray(stft.transform([waveforms[index]])[0], dtype=np.float32))
        total += len(parts[-1])
        if total >= n_frames:
            break
    return np.concatenate(parts)[:n_frames]


class Reached(Exception):
    """The goal was reached."""


def seconds_to(goal, solve):
    """Seconds until the objective that `solve` reports to its argument is at most `goal`."""
    start = time.perf_counter()

    def report(value, components):
        if value <= goal:
            raise Reached

    try:
        solve(report)
    except Reached:
        return time.perf_counter() - start
    return float("inf")


def compare_factorizations(X, W, args):
    """Without penalty against scikit-learn's coordinate descent, with it against updates."""
    H = initial_activations(X, W)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs, components, _ = non_negative_factorization(
            X, W=H.copy(), H=W.copy(), n_components=len(W), init="custom", solver="cd",
            max_iter=args.sweeps, tol=0,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    goal = objective(X, components, theirs, 2, 0.0)
    settings = {"max_iter": 1000, "tol": 0, "rng": np.random.RandomState(args.seed)}
    ours = seconds_to(goal, lambda f: by_coordinates(X, W, sparsity=0.0, callback=f, **settings))
    row(f"scikit-learn cd, {args.sweeps} iterations, lambda = 0", seconds, goal)
    row("coordinate descent to the same objective", ours, goal, ours / seconds)
    start = time.perf_counter()
    curve = factorize(X, W, H, beta=2, sparsity=1.0, max_iter=200, tol=0)[2]
    seconds = time.perf_counter() - start
    settings["rng"] = np.random.RandomState(args.seed)
    ours = seconds_to(
        curve[-1], lambda f: by_coordinates(X, W, sparsity=1.0, callback=f, **settings)
    )
    row("200 multiplicative steps, lambda = 1", seconds, curve[-1])
    row("coordinate descent to the same objective", ours, curve[-1], ours / seconds)


def compare_inference(X, W):
    """Activations for fixed components against scikit-learn's 200 multiplicative updates."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs, _, _ = non_negative_factorization(
            X, H=W, n_components=len(W), update_H=False, solver="mu", max_iter=200, tol=0
        )
    seconds = time.perf_counter() - start
    row("scikit-learn mu, 200 updates", seconds, objective(X, W, theirs, 2, 0.0))
    for tol in (2e-2, 1e-2, 1e-3):
        start = time.perf_counter()
        H = solve_activations(X, W, sparsity=0.0, tol=tol)
        ours = time.perf_counter() - start
        row(f"coordinate descent, tol {tol:g}", ours, objective(X, W, H, 2, 0.0), ours / seconds)


def row(name, seconds, value, ratio=None):
    """Print one line."""
    ratio = "" if ratio is None else f"{ratio:8.3f}"
    print(f"{name:<52} {seconds:8.2f} s  objective {value:12.6g} {ratio}", flush=True)


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nmf", description=__doc__)
    parser.add_argument("--n-components", type=int, default=100)
    parser.add_argument("--n-frames", type=int, default=20_000)
    parser.add_argument("--sweeps", type=int, default=100, help="of scikit-learn's solver")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    noisy, clean = open_speech.load("tenth", cache=args.cache)
    rng = np.random.RandomState(args.seed)
    X = frames_of(clean, args.n_frames, rng)
    W = unit_rows(rng.uniform(0.1, 1.0, (args.n_components, X.shape[1]))).astype(np.float32)
    print(f"\nclean speech, {X.shape[0]} x {X.shape[1]}, r = {args.n_components}; last: ratio")
    compare_factorizations(X, W, args)
    components = SparseNMF(2 * args.n_components, solver="cd", max_frames=5000, random_state=0)
    X = frames_of(noisy, args.n_frames, rng)
    W = components.fit(X).components_
    print(f"\nnoisy speech, {X.shape[0]} x {X.shape[1]}, N = {len(W)} fixed; last: ratio")
    compare_inference(X, W)


if __name__ == "__main__":
    main()
