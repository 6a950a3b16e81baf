"""Sweeps of coordinate descent in numpy, torch and numba, on one core.

    python -m pip install numba
    python -m benchmarks.sweeps

A sweep sets the activations of each component in turn to their best value; the data are random.
The rates, in GFLOP/s, count ``2 n_components ** 2`` operations a frame; the rate of a large matrix
product is printed for comparison. "through bins" is the other form of numpy's sweep, with products
by the dictionary in place of the Gram matrix, which takes fewer operations with many components;
its rate counts as many operations as the others.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks._environment import environment, print_environment
from sknmf_unfold.nmf.blocks import Workspace
from sknmf_unfold.nmf.sweeps import GROUP_COMPONENTS, GramSweep, ResidualSweep

# Frames of a group; numba keeps so many times four components in registers.
LANES = 16


def by_torch(couplings, H, targets):
    """Sweep as numpy does, with torch's operations."""
    rest, all_ = torch.from_numpy(couplings._rest), torch.from_numpy(couplings.gram)
    influence, buffer = torch.empty(H.shape[1]), torch.empty((GROUP_COMPONENTS, H.shape[1]))
    for start in range(0, len(H), GROUP_COMPONENTS):
        rows = slice(start, min(start + GROUP_COMPONENTS, len(H)))
        new, before = H[rows], all_[rows, rows]
        best = buffer[: len(new)]
        torch.matmul(rest[rows], H, out=best)
        torch.sub(targets[rows], best, out=best)
        torch.clamp(best[0], min=0, out=new[0])
        for i in range(1, len(new)):
            torch.mv(new[:i].T, before[i, :i], out=influence)
            torch.sub(best[i], influence, out=influence)
            torch.clamp(influence, min=0, out=new[i])


def compile_numba():
    """Compile a sweep over groups of frames, (n_groups, n_components, LANES)."""
    import numba

    @numba.njit(fastmath=True, nogil=True)
    def sweep(H, targets, outer, couplings):
        a, b = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        c, d = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        zero = np.float32(0)
        for g in range(H.shape[0]):
            h, best = H[g], targets[g]
            for n in range(0, len(couplings), 4):
                for i in range(LANES):
                    a[i], b[i], c[i], d[i] = (
                        best[n, i],
                        best[n + 1, i],
                        best[n + 2, i],
                        best[n + 3, i],
                    )
                for m in range(len(couplings)):
                    p, q, r, s = outer[n, m], outer[n + 1, m], outer[n + 2, m], outer[n + 3, m]
                    for i in range(LANES):
                        a[i] -= p * h[m, i]
                        b[i] -= q * h[m, i]
                        c[i] -= r * h[m, i]
                        d[i] -= s * h[m, i]
                for i in range(LANES):
                    w = max(a[i], zero)
                    x = max(b[i] - couplings[n + 1, n] * w, zero)
                    y = max(c[i] - couplings[n + 2, n] * w - couplings[n + 2, n + 1] * x, zero)
                    z = d[i] - couplings[n + 3, n] * w - couplings[n + 3, n + 1] * x
                    z = max(z - couplings[n + 3, n + 2] * y, zero)
                    h[n, i], h[n + 1, i], h[n + 2, i], h[n + 3, i] = w, x, y, z

    return sweep


def best_seconds(function, repeats=10):
    """Measure the shortest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(n_components, n_frames, rng, sweep):
    """Measure the GFLOP/s of all forms, after a check that they agree."""
    W = rng.gamma(0.3, 1.0, (n_components, 257)).astype(np.float32)
    X = rng.gamma(0.3, 1.0, (n_frames, 257)).astype(np.float32)
    couplings, workspace = GramSweep(W, 0.0), Workspace()
    bins, of_bins = ResidualSweep(W, 0.0), Workspace()
    targets, data = couplings.targets(X, workspace), bins.targets(X, of_bins)
    start = np.maximum(0.1 * targets, 0)
    for_numpy, for_bins, for_torch = start.copy(), start.copy(), torch.from_numpy(start.copy())
    groups = [
        np.ascontiguousarray(array.reshape(n_components, -1, LANES).transpose(1, 0, 2))
        for array in (start, targets)
    ]
    outer = couplings.gram.copy()
    for n in range(0, n_components, 4):
        outer[n : n + 4, n : n + 4] = np.triu(outer[n : n + 4, n : n + 4], 1)
    runs = {
        "numpy": lambda: couplings.run(for_numpy, targets, workspace),
        "through bins": lambda: bins.run(for_bins, data, of_bins),
        "torch": lambda: by_torch(couplings, for_torch, torch.from_numpy(targets)),
        "numba": lambda: sweep(*groups, outer, couplings.gram),
    }
    for run in runs.values():
        run()
    for_numba = groups[0].transpose(1, 0, 2).reshape(n_components, -1)
    for other in (for_bins, for_torch.numpy(), for_numba):
        np.testing.assert_allclose(other, for_numpy, atol=1e-3 * for_numpy.max())
    operations = 2 * n_components**2 * n_frames
    return {name: operations / best_seconds(run) / 1e9 for name, run in runs.items()}


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument("--n-components", type=int, nargs="+", default=[100, 200, 1000, 2000])
    parser.add_argument("--n-frames", type=int, default=4096, help="of a block")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    torch.set_num_threads(1)
    rng = np.random.RandomState(args.seed)
    sweep = compile_numba()
    with threadpool_limits(1):
        square = rng.rand(2000, 2000).astype(np.float32)
        print(f"matrix product {2 * 2000**3 / best_seconds(lambda: square @ square) / 1e9:.0f}")
        for n_components in args.n_components:
            rates = compare(n_components, args.n_frames, rng, sweep)
            rates = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
            print(f"{n_components} components: {rates}", flush=True)


if __name__ == "__main__":
    main()
