"""Time of a training step against the number of frames, components, layers and sequences.

    python -m benchmarks.network_scaling --plot docs/network_scaling.png

Dictionaries and magnitudes are random; in each line one size differs from K = 2, N = 200, 32
sequences of 250 frames. Each line has the time, and the part of it that the matrix products alone
would take.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks._environment import environment, print_environment
from benchmarks.network import N_FREQS, best, peak, step
from benchmarks.network_peers import operations
from sknmf_unfold.networks.drnmf import DRNMF
from sknmf_unfold.networks.initial_weights import unfold

BASE = {"layers": 2, "components": 200, "sequences": 32, "frames": 250}
SIZES = {
    "frames": (31, 62, 125, 250, 500, 1000),
    "components": (50, 100, 200, 400, 800, 1600),
    "layers": (1, 2, 4, 8),
    "sequences": (2, 4, 8, 16, 32, 64, 128),
}


def seconds_of(layers, components, sequences, frames, generator):
    """Measure the time of a step."""
    dictionary = torch.rand(components, N_FREQS, generator=generator) ** 4
    dictionary /= dictionary.norm(dim=1, keepdim=True)
    values = unfold(
        dictionary, layers, 1.0, 1 / float(torch.linalg.matrix_norm(dictionary, 2) ** 2)
    )
    network = DRNMF(values, learn_sparsity=True, learn_mask_exponent=True)
    # Frames first in memory, as batches are.
    rows = [torch.rand(frames, sequences, N_FREQS, generator=generator) for _ in range(2)]
    batch = *(x.transpose(0, 1) for x in rows), torch.full((sequences,), frames)
    return best(lambda: step(network, batch), 3)


def draw(curves, path):
    """Draw a panel for each size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(curves), sharey=True)
    for axis, (name, points) in zip(axes, curves.items(), strict=True):
        sizes, times, products = zip(*points, strict=True)
        axis.loglog(sizes, times, "o-", label="step")
        axis.loglog(sizes, products, "--", label="products alone")
        axis.set_xlabel(f"number of {name}")
        axis.set_xticks(sizes, sizes, fontsize=7)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("seconds")
    axes[0].legend()
    figure.savefig(path, dpi=110)


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network_scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--plot", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    generator, speed, curves = torch.Generator().manual_seed(args.seed), peak(), {}
    print(f"large products {speed / 1e9:.0f} GFLOP/s")
    for name, sizes in SIZES.items():
        for size in sizes:
            shape = BASE | {name: size}
            seconds = seconds_of(**shape, generator=generator)
            layers, components = shape["layers"], shape["components"]
            count = operations(layers, components, N_FREQS, components <= N_FREQS, training=True)
            products = count * shape["sequences"] * shape["frames"] / speed
            curves.setdefault(name, []).append((size, seconds, products))
            part = f"{products / seconds:8.2f}"
            print(f"{size:>6} {name:<12}{1000 * seconds:10.1f} ms, products {part}", flush=True)
    if args.plot is not None:
        draw(curves, args.plot)


if __name__ == "__main__":
    main()
