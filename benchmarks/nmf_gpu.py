"""Multiplicative updates on a GPU and on the CPU: seconds to learn and to infer.

    python -m benchmarks.nmf_gpu

Magnitudes of generated noisy speech, float32, from the same components. The last number of a line
is the time on the CPU over that on the GPU, transfers included.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from benchmarks._environment import environment, print_environment
from sknmf_unfold import STFT, SparseNMF
from sknmf_unfold.datasets import make_noisy_speech

TASKS = ("fit", "transform")


def frames_of(n_frames, seed):
    """Magnitudes of noisy speech, (n_frames, n_freqs), float32; repeated with other gains."""
    waveforms, _ = make_noisy_speech(100, duration=3.0, random_state=seed)
    frames = np.concatenate([np.asarray(x, np.float32) for x in STFT().fit_transform(waveforms)])
    gains = np.random.RandomState(seed).uniform(0.5, 2.0, (n_frames, 1)).astype(np.float32)
    return np.resize(frames, (n_frames, frames.shape[1])) * gains + np.float32(1e-6)


def seconds(function):
    """Time of a call, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nmf_gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--n-frames", nargs="+", type=int, default=[20_000, 200_000])
    parser.add_argument("--n-components", nargs="+", type=int, default=[100, 1000])
    parser.add_argument("--n-iter", type=int, default=20)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    if args.device == "cuda" and not torch.cuda.is_available():
        print("no GPU: nothing is measured")
        return
    for n_frames in args.n_frames:
        X = frames_of(n_frames, args.seed)
        for n_components in args.n_components:
            for beta in (2, 1, 0):
                compare(X, n_components, beta, args)


def compare(X, n_components, beta, args):
    """Print one line a task: learning, and inference for the learned components."""
    times = []
    for device in ("cpu", args.device):
        nmf = SparseNMF(
            n_components,
            beta_loss=beta,
            solver="mu",
            init="random",
            max_iter=args.n_iter,
            tol=0,
            batch_size=None,
            device=device,
            random_state=args.seed,
        )
        # The start-up of the device is not timed.
        nmf.fit(X[:1000]).transform(X[:1000])
        times.append([seconds(lambda nmf=nmf, task=task: getattr(nmf, task)(X)) for task in TASKS])
    for task, cpu, gpu in zip(TASKS, *times, strict=True):
        name = f"{task}, {len(X)} frames, {n_components} components, beta = {beta}"
        print(f"{name:<60}{cpu:9.3f} s{gpu:9.3f} s{cpu / gpu:9.2f}", flush=True)


if __name__ == "__main__":
    main()
