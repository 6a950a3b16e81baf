"""Time to an objective: this package's NMF solvers, scikit-learn's, torchnmf and nimfa.

    python -m benchmarks.nmf --plot docs/nmf_objective.png
    python -m benchmarks.nmf --n-components 1000 --parts factorize
    python -m benchmarks.nmf --n-components 1000 --parts transform --n-frames 2000

Magnitudes of real speech from the open corpus, float32; every solver starts from the same
components. The last number of a line is its ratio to the peer that set the goal. `transform`
infers the activations of twice as many components, of noisy speech.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning

from benchmarks import nmf_solvers, open_speech
from benchmarks._environment import environment, print_environment
from sknmf_unfold import STFT, SparseNMF
from sknmf_unfold.nmf import mu
from sknmf_unfold.nmf.cd_inference import solve_activations
from sknmf_unfold.nmf.divergence import objective
from sknmf_unfold.nmf.initial import initial_activations
from sknmf_unfold.nmf.matrices import unit_rows
from sknmf_unfold.nmf.problem import Problem, Stopping

# Iterations at which the curves of other libraries have points.
CURVE_ITERATIONS = (2, 5, 10, 20, 50)
PARTS = ("factorize", "sparse", "transform", "divergences", "inits")


def frames_of(waveforms, n_frames, rng):
    """Magnitude frames of recordings in random order, (n_frames, n_freqs), float32."""
    stft, parts, total = STFT(), [], 0
    for index in rng.permutation(len(waveforms)):
        parts.append(np.asarray(stft.transform([waveforms[index]])[0], dtype=np.float32))
        total += len(parts[-1])
        if total >= n_frames:
            break
    return np.concatenate(parts)[:n_frames]


def row(name, seconds, value, ratio=None):
    """Print one line."""
    ratio = "" if ratio is None else f"{ratio:8.3f}"
    print(f"{name:<52} {seconds:8.2f} s  objective {value:12.6g} {ratio}", flush=True)


def compare_factorizations(X, W, args):
    """Without penalty: seconds to the objective of scikit-learn's coordinate descent."""
    steps = [n for n in CURVE_ITERATIONS if n < args.sweeps and args.plot] + [args.sweeps]
    theirs = nmf_solvers.scikit_learn(X, W, "cd", steps)
    (seconds, goal), n_iter = theirs[-1], args.sweeps
    row(f"scikit-learn cd, {n_iter} iterations", seconds, goal)
    curve = nmf_solvers.ours(X, W, "cd", max_iter=2000, goal=goal, seed=args.seed)
    row("coordinate descent to the same objective", *curve[-1], curve[-1][0] / seconds)
    if args.plot is None:
        return
    further = nmf_solvers.ours(X, W, "cd", max_iter=100, seed=args.seed)
    curves = {"scikit-learn, cd": theirs, "coordinate descent": further}
    for name, run in {
        "multiplicative updates": lambda: nmf_solvers.ours(X, W, "mu", max_iter=4 * n_iter),
        "scikit-learn, mu": lambda: nmf_solvers.scikit_learn(X, W, "mu", [*steps, 4 * n_iter]),
        "torchnmf": lambda: nmf_solvers.torchnmf(X, W, steps),
        "nimfa": lambda: nmf_solvers.nimfa(X, W, steps),
    }.items():
        curves[name] = run()
        row(f"{name}, to the end of its curve", *curves[name][-1])
    plot(curves, args.plot, f"{X.shape[0]} x {X.shape[1]}, {len(W)} components")


def plot(curves, path, title):
    """Draw objective against time, both logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.loglog(*zip(*curve, strict=True), label=name)
    axes.set(xlabel="Time (s)", ylabel="Objective", title=f"Clean speech, {title}")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, dpi=110)


def compare_sparse(X, W, args):
    """With penalty: seconds to the objective of 200 multiplicative steps."""
    seconds, goal = nmf_solvers.ours(X, W, "mu", max_iter=200, sparsity=1.0)[-1]
    row("200 multiplicative steps", seconds, goal)
    settings = {"max_iter": 2000, "goal": goal, "sparsity": 1.0, "seed": args.seed}
    reached = nmf_solvers.ours(X, W, "cd", **settings)[-1]
    row("coordinate descent to the same objective", *reached, reached[0] / seconds)


def compare_inference(X, W):
    """Activations for fixed components against scikit-learn's 200 multiplicative updates."""
    for sparsity in (0.0, 1.0):
        # scikit-learn multiplies its penalty by the number of bins.
        settings = {"alpha_W": sparsity / X.shape[1], "l1_ratio": 1.0, "max_iter": 200, "tol": 0}
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs, _, _ = non_negative_factorization(
                X, H=W, n_components=len(W), update_H=False, solver="mu", **settings
            )
        seconds = time.perf_counter() - start
        goal = objective(X, W, theirs, 2, sparsity)
        row(f"scikit-learn mu, 200 updates, lambda = {sparsity:g}", seconds, goal)
        for tol in (0.1, 5e-2, 2e-2, 1e-2, 5e-3, 1e-3):
            start = time.perf_counter()
            H = solve_activations(X, W, sparsity=sparsity, tol=tol)
            ours = time.perf_counter() - start
            value = objective(X, W, H, 2, sparsity)
            verdict = "at least as good" if value <= goal else "worse"
            row(f"coordinate descent, tol {tol:g}: {verdict}", ours, value, ours / seconds)
            factor = ours / (len(X) * STFT().hop_length / STFT().sample_rate)
            print(f"{'':<52} real-time factor {factor:.5f}")


def compare_divergences(X, W):
    """Seconds of one multiplicative iteration, for beta = 2, 1, 0."""
    # The peers take no zeros for beta = 0.
    X = np.maximum(X, np.float32(1e-6))
    H = initial_activations(X, W)
    print(f"{'':<10} {'ours':>9} {'scikit-learn':>13} {'torchnmf':>9}   ratios")
    for beta in (2, 1, 0):
        times = [
            1000 * nmf_solvers.seconds_an_iteration(run)
            for run in (
                lambda n, b=beta: mu.factorize(X, W, H, Problem(b, 0.0), Stopping(n, 0)),
                lambda n, b=beta: _scikit_learn_steps(X, W, H, b, n),
                lambda n, b=beta: _torchnmf_steps(X, W, H, b, n),
            )
        ]
        ratios = "  ".join(f"{times[0] / each:.2f}" for each in times[1:])
        print(
            f"beta = {beta}   {times[0]:6.1f} ms {times[1]:10.1f} ms {times[2]:6.1f} ms   {ratios}"
        )


def _scikit_learn_steps(X, W, H, beta, n_iter):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        settings = {"solver": "mu", "beta_loss": beta, "max_iter": n_iter, "tol": 0}
        non_negative_factorization(
            X, W=H.copy(), H=W.copy(), n_components=len(W), init="custom", **settings
        )


def _torchnmf_steps(X, W, H, beta, n_iter):
    from torchnmf.nmf import NMF

    model = NMF(W=torch.from_numpy(W.T.copy()), H=torch.from_numpy(H.copy()))
    model.fit(torch.from_numpy(X), beta=beta, max_iter=n_iter, tol=0)


def compare_inits(X, held_out, args):
    """Error of held-out frames by starting point, and by batches instead of all at once."""
    rows = {(init, None): {"init": init} for init in ("random", "nndsvd", "exemplar")}
    rows |= {("random", size): {"batch_size": size} for size in (1024, 4096)}
    for (init, batch_size), settings in rows.items():
        settings = {"sparsity": 0.0, "random_state": args.seed, "batch_size": None} | settings
        start = time.perf_counter()
        nmf = SparseNMF(args.n_components, transform_tol=1e-3, **settings).fit(X)
        seconds = time.perf_counter() - start
        error = objective(held_out, nmf.components_, nmf.transform(held_out), 2, 0.0)
        how = "all at once" if batch_size is None else f"batches of {batch_size}"
        row(f"init {init}, {how}, {nmf.n_iter_} iterations; held out", seconds, error)


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nmf",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--n-components", type=int, default=100)
    parser.add_argument("--n-frames", type=int, default=20_000)
    parser.add_argument("--sweeps", type=int, default=100, help="of scikit-learn's solver")
    parser.add_argument("--plot", type=Path, default=None, help="draw the curves of all solvers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    noisy, clean = open_speech.load("tenth", cache=args.cache)
    rng = np.random.RandomState(args.seed)
    X = frames_of(clean, args.n_frames + 5000, rng)
    X, held_out = X[: args.n_frames], X[args.n_frames :]
    W = unit_rows(rng.uniform(0.1, 1.0, (args.n_components, X.shape[1]))).astype(np.float32)
    for part in args.parts:
        print(f"\n{part}: {X.shape[0]} x {X.shape[1]}, r = {args.n_components}")
        if part == "factorize":
            compare_factorizations(X, W, args)
        elif part == "sparse":
            compare_sparse(X, W, args)
        elif part == "divergences":
            compare_divergences(X, W)
        elif part == "inits":
            compare_inits(X, held_out, args)
        else:
            settings = {"sparsity": 0.0, "init": "exemplar", "max_iter": 30, "random_state": 0}
            mixtures = frames_of(noisy, args.n_frames, rng)
            dictionary = SparseNMF(2 * args.n_components, **settings).fit(X).components_
            compare_inference(mixtures, dictionary)


if __name__ == "__main__":
    main()
