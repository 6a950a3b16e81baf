"""Speed of DR-NMF in training, inference and streaming, beside its peers.

    python -m benchmarks.network
    python -m benchmarks.network_scaling

The data are generated speech. A model is KxN, layers by components of both sources. Each line ends
with a ratio: of the speed to that of a large matrix product, or of our time to a peer's in the same
run. The LSTMs have K layers, of 54 units for N = 200 and 250 for N = 2000, as in the paper.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from benchmarks._environment import environment, print_environment
from benchmarks.network_peers import LSTM, AutogradRecurrence, lstm_step, operations
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.base.tensors import batches_by_length, pad
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.networks import cuda_graphs
from sknmf_unfold.separators._blocks import run_in_blocks
from sknmf_unfold.streaming import StreamingSeparator
from sknmf_unfold.training.batch_loss import framewise_loss
from sknmf_unfold.validation.sequences import check_sequences

N_FREQS = 257
# Units of the LSTM that the paper compares with so many components.
LSTM_UNITS = {200: 54, 2000: 250}
# Products of components and frames on which scikit-learn's updates are timed, in proportion.
MU_ACTIVATIONS = 1_000_000


def best(function, repeats=5):
    """Shortest of some runs, after one that does not count, in seconds."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def peak(device="cpu"):
    """Speed of a large matrix product in operations a second."""
    a, b, out = (torch.rand(2048, 2048, device=device) for _ in range(3))
    if device != "cpu":
        return 20 * 2 * 2048**3 / best(waited(lambda: [torch.mm(a, b, out=out) for _ in range(20)]))
    return 2 * 2048**3 / best(lambda: torch.mm(a, b, out=out), 10)


def row(name, seconds, text="", ratio=None):
    """Print one line."""
    ratio = "" if ratio is None else f"{ratio:8.3f}"
    print(f"{name:<58}{1000 * seconds:10.2f} ms  {text:<32}{ratio}", flush=True)


@functools.cache
def speech(n_recordings, seconds, seed):
    """Make mixtures and targets."""
    return make_noisy_speech(n_recordings, duration=seconds, random_state=seed)


def fit(n_layers, n_total, seed, **model):
    """Make a pipeline with an untrained network, on dictionaries from a few iterations of NMF."""
    nmf = SupervisedNMFSeparator(n_total // 2, max_iter=3, max_frames=4000)
    settings = {"nmf": nmf, "max_epochs": 0, "random_state": seed, "device": "cpu"} | model
    return make_pipeline(STFT(), DRNMFSeparator(n_layers, **settings)).fit(*speech(20, 3.0, seed))


def network_of(pipe):
    """Build the network of a pipeline, with the gradients that the default recipe needs."""
    separator = pipe[-1]
    learned = {"learn_sparsity": True, "learn_mask_exponent": True}
    learned |= {"learn_dynamics": separator.dynamics_.ndim == 2}
    return separator._make_network(separator._fitted_values(), **learned)


def lstm_for(n_layers, n_total):
    """Make the LSTM that is compared with a DR-NMF."""
    torch.manual_seed(0)
    return LSTM(n_layers, LSTM_UNITS.get(n_total, max(n_total // 4, 1)), N_FREQS)


def batch_of(n_sequences, n_frames, seed):
    """Make a batch of magnitudes as in training, frames first in memory."""
    X, Y = speech(20, 3.0, seed)
    frames = []
    for waveforms in (X, Y):
        rows = np.concatenate([x.magnitude() for x in STFT().fit_transform(waveforms)])
        rows = np.resize(rows, (n_frames, n_sequences, N_FREQS)).astype(np.float32)
        frames.append(torch.from_numpy(rows).transpose(0, 1))
    return *frames, torch.full((n_sequences,), n_frames)


def step(network, batch):
    """Compute loss and gradients of one batch."""
    network.zero_grad(set_to_none=True)
    total, count = framewise_loss(network, batch)
    (total / count).backward()


@contextlib.contextmanager
def matmul_precision(precision):
    """Set torch's precision of float32 matrix products inside the context."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def measure_training(n_layers, n_total, pipe, args):
    """Time training steps beside the products alone, autograd's loops and the LSTM."""
    batch, network = batch_of(32, 500, args.seed), network_of(pipe)
    gram = n_total <= N_FREQS
    repeats, n_frames = 5 if gram else 2, batch[0][..., 0].numel()
    products = n_frames * operations(n_layers, n_total, N_FREQS, gram, training=True)
    speed, ours = peak(), best(lambda: step(network, batch), repeats)
    row("training step, 32 x 500 frames", ours, "products at full speed", products / speed / ours)
    for precision in ("high", "medium"):
        with matmul_precision(precision):
            theirs = best(lambda: step(network, batch), repeats)
        row(f"  precision {precision}", theirs, "it to ours", theirs / ours)
    # The second loop, which indexes one large tensor, would take minutes at the larger size.
    loops = [AutogradRecurrence(network, gram, unbind) for unbind in ([True, False][: 1 + gram])]
    theirs = min(best(lambda loop=loop: step(loop, batch), 1) for loop in loops)
    row("  by autograd, the better of its loops", theirs, "ours to it", ours / theirs)
    lstm = lstm_for(n_layers, n_total)
    theirs = best(lambda: step(lstm, batch), repeats)
    row("  LSTM", theirs, "ours to it", ours / theirs)
    left, right = torch.rand(32, n_total), torch.rand(n_total, min(n_total, N_FREQS))
    out = torch.empty(32, right.shape[1])
    seconds = best(lambda: [torch.mm(left, right, out=out) for _ in range(100)]) / 100
    ratio = 2 * left.numel() * right.shape[1] / seconds / speed
    row("  one product of the loop", seconds, "of the speed of large ones", ratio)


def measure_memory(n_layers, n_total, pipe, args):
    """Measure the peak memory of a step beyond its batch, beside the arrays that it must keep."""
    for n_frames in (125, 250, 500):
        # In a new process, so that the peak is that of the step.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            job = process.submit(
                memory_of_step, network_of(pipe), batch_of(32, n_frames, args.seed)
            )
            used = job.result()
        residuals = N_FREQS * n_layers if n_total > N_FREQS else 0
        # Activations of all layers, and the gradient of the last one.
        needed = 4 * 32 * n_frames * ((n_layers + 1) * n_total + residuals)
        text = f"memory of a step, 32 x {n_frames} frames, {used / 2**20:.0f} MiB"
        print(
            f"{text:<58}arrays to keep {needed / 2**20:5.0f} MiB{used / needed:30.3f}", flush=True
        )


def memory_of_step(network, batch):
    """Measure the peak bytes of a step, after one on a small part of the batch."""
    # Tensors from another process count as memory once they have been read.
    batch = [x.clone() for x in batch]
    small = [x[:2, :20] if x.ndim > 1 else x[:2].clamp(max=20) for x in batch]
    step(network, small)

    def memory(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))

    before = memory("VmRSS")
    step(network, batch)
    return memory("VmHWM") - before


def measure_inference(n_layers, n_total, pipe, args):
    """Time masks of 150 recordings in one list, then of one of a minute."""
    separator, lstm = pipe[-1], lstm_for(n_layers, n_total)
    many = STFT().fit_transform(speech(150, (2.0, 4.0), args.seed + 1)[0])
    long = STFT().fit_transform([np.concatenate(speech(20, 3.0, args.seed)[0])])
    for name, items in (("150 recordings", many), ("one of a minute", long)):
        X = [item.magnitude().astype(np.float32) for item in items]
        n_frames, sequences = sum(map(len, X)), check_sequences(separator, X, reset=False)

        def masks(step, sequences=sequences):
            shapes = []
            run_in_blocks(sequences, step, lambda i, frames, mask: shapes.append(mask.shape))
            return shapes

        ours = best(lambda run=masks: run(separator._mask_step(np.dtype("float32"))), 3)
        row(
            f"masks of {name}, {n_frames} frames", ours, "real-time factor", ours / n_frames / 0.008
        )
        theirs = best(lambda run=masks: run(lstm_step(lstm)), 3)
        row("  LSTM, block by block as ours", theirs, "ours to it", ours / theirs)
        batches = lstm_batches(X)
        theirs = best(lambda batches=batches: lstm_masks(lstm, batches), 3)
        row("  LSTM, whole recordings", theirs, "ours to it", ours / theirs)
        if len(X) > 1:
            compare_updates(X, separator, ours / n_frames, n_total)


@torch.no_grad()
def lstm_masks(lstm, batches):
    """Compute masks of whole recordings, which need no state."""
    return [lstm(x)[0] for x in batches]


def lstm_batches(X):
    """Pad recordings of similar length together, as ours are."""
    batches = batches_by_length([len(x) for x in X], 16_000)
    return [torch.from_numpy(pad([X[i] for i in batch])[0]) for batch in batches]


def compare_updates(X, separator, seconds_a_frame, n_total):
    """Time 200 multiplicative updates of activations by scikit-learn, without the mask."""
    frames = np.concatenate(X)[: MU_ACTIVATIONS // n_total]
    settings = {
        "solver": "mu",
        "max_iter": 200,
        "tol": 0,
        "update_H": False,
        # An l1 weight of 1.
        "alpha_W": 1 / N_FREQS,
        "l1_ratio": 1.0,
    }
    components = separator.initial_components_
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        non_negative_factorization(frames, H=components, n_components=len(components), **settings)
    theirs = (time.perf_counter() - start) / len(frames)
    row(
        f"  200 updates by scikit-learn, a frame of {len(frames)}",
        theirs,
        "ours to it",
        seconds_a_frame / theirs,
    )


def measure_streaming(n_layers, n_total, pipe, args):
    """Time hops of a stream, on one core."""
    x = speech(20, 3.0, args.seed)[0][0].astype(np.float32)
    stream, hop = StreamingSeparator(pipe), 128
    times = []
    with threadpool_limits(1):
        for start in range(0, len(x) - hop, hop):
            begin = time.perf_counter()
            stream.process(x[start : start + hop])
            times.append(time.perf_counter() - begin)
    for name, seconds in (("median", np.median(times)), ("99 %", np.percentile(times, 99))):
        row(
            f"streaming, a hop of 128 samples, one core, {name}",
            seconds,
            "real-time factor",
            seconds / 0.008,
        )


def measure_default(n_layers, n_total, pipe, args):
    """Time the default model, without and with GRU units, beside the paper's."""
    batch = batch_of(32, 500, args.seed)
    long = STFT().fit_transform([np.concatenate(speech(20, 3.0, args.seed)[0])])
    for name, settings in DEFAULT_MODELS.items():
        model = fit(n_layers, n_total, args.seed, **settings)
        networks = [network_of(each) for each in (model, pipe)]
        ours, theirs = (best(lambda n=network: step(n, batch), 2) for network in networks)
        row(f"{name}: training step", ours, "it to the paper's", ours / theirs)
        masks = [each[-1].predict_mask for each in (model, pipe)]
        ours, theirs = (best(lambda predict=predict: predict(long), 3) for predict in masks)
        row(f"{name}: masks of a minute", ours, "it to the paper's", ours / theirs)
        print(f"{name}:")
        measure_streaming(n_layers, n_total, model, args)


def waited(function):
    """Make a function that also waits for the GPU to finish."""

    def call():
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return call


def measure_gpu(n_layers, n_total, pipe, args, device="cuda"):
    """Time steps on a GPU: as CUDA graphs, kernel by kernel, and by autograd's loop."""
    if device == "cuda" and not torch.cuda.is_available():
        print("no GPU: its training steps are not measured")
        return
    batch = [x.to(device) for x in batch_of(32, 500, args.seed)]
    network, gram = network_of(pipe).to(device), n_total <= N_FREQS
    n_frames = batch[0][..., 0].numel()
    products = n_frames * operations(n_layers, n_total, N_FREQS, gram, training=True)
    ours, speed = best(waited(lambda: step(network, batch))), peak(device)
    text = f"GPU: training step, {n_frames / ours:.0f} frames a second"
    row(text, ours, "products at full speed", products / speed / ours)
    loop = AutogradRecurrence(network, gram, unbind=True)
    theirs = best(waited(lambda: step(loop, batch)), 2)
    row("  by autograd, frame by frame", theirs, "it to ours", theirs / ours)
    os.environ[cuda_graphs.SWITCH] = "0"
    theirs = best(waited(lambda: step(network, batch)), 2)
    del os.environ[cuda_graphs.SWITCH]
    row("  ours, kernel by kernel", theirs, "it to ours", theirs / ours)
    for precision in ("high", "medium"):
        with matmul_precision(precision):
            theirs = best(waited(lambda: step(network, batch)))
        row(f"  precision {precision}", theirs, "it to ours", theirs / ours)


MEASURES = {
    "training": measure_training,
    "memory": measure_memory,
    "inference": measure_inference,
    "streaming": measure_streaming,
    "default": measure_default,
    "gpu": measure_gpu,
}
PAPER = {"dynamics": "identity", "context": 1, "evidence": False}
DEFAULT_MODELS = {"the default model": {}, "128 GRU units": {"n_gru_units": 128}}


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", nargs="+", default=["2x200", "5x2000"], help="KxN")
    parser.add_argument("--parts", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    for model in args.models:
        n_layers, n_total = map(int, model.split("x"))
        pipe = fit(n_layers, n_total, args.seed, **PAPER)
        print(f"\nDR-NMF, K = {n_layers}, N = {n_total}; large products {peak() / 1e9:.0f} GFLOP/s")
        for part in args.parts:
            MEASURES[part](n_layers, n_total, pipe, args)


if __name__ == "__main__":
    main()
