"""Parts of training on many processes: each measured alone, on one thread of this machine.

Decoding, mixing, STFT and training steps are given for an hour of audio, the exchange of gradients
for a step. `scale_model` predicts an epoch on a cluster from them.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
import torch.distributed

from benchmarks._threads import limited_to
from benchmarks.network import batch_of, best, fit, network_of, step
from sknmf_unfold import STFT
from sknmf_unfold.datasets import AudioFiles, MixtureDataset, load_audio, make_noisy_speech

RATE_HZ = 16000
# Sequences and frames of a batch, and the seconds of audio in it.
BATCH_SEQUENCES, BATCH_FRAMES = 32, 250
BATCH_SECONDS = BATCH_SEQUENCES * BATCH_FRAMES * 128 / RATE_HZ


class Parts(NamedTuple):
    """Measured parts.

    Attributes
    ----------
    decode_wav, decode_flac, decode_resampled : float
        Seconds for an hour in one file of each kind; the last is FLAC at 44.1 kHz.
    mix : float
        Seconds for an hour of mixtures, at a random speed and level.
    stft : float
        Seconds for the frames of an hour of mixtures and of their targets.
    step : float
        Seconds of loss and gradients for an hour of frames.
    header : float
        Seconds to open a file and read its header.
    gradient_bytes : int
        Of the default network.
    exchange, latency : float
        Seconds to sum the gradients, and a single number, of two local processes.
    item_bytes : int
        Of the description of a recording in memory.
    """

    decode_wav: float
    decode_flac: float
    decode_resampled: float
    mix: float
    stft: float
    step: float
    header: float
    gradient_bytes: int
    exchange: float
    latency: float
    item_bytes: int


def measure(quick=False):
    """Measure all parts; `quick` takes the fewest repetitions and recordings."""
    n_recordings, repeats = (4, 1) if quick else (40, 3)
    with limited_to(1), tempfile.TemporaryDirectory() as folder:
        X, Y = make_noisy_speech(n_recordings, duration=8.0, random_state=0)
        hours = sum(map(len, X)) / RATE_HZ / 3600
        files = _write(Path(folder), X)
        decode = [
            best(lambda paths=paths: load_audio(paths), repeats) / hours for paths in files.values()
        ]
        dataset = MixtureDataset.from_mixtures(X, Y, gain_db=(-6, 6), speed_factors=(0.95, 1.05))
        mixing = best(lambda: dataset.draw(1), repeats) / hours
        items = [STFT().fit_transform(waveforms) for waveforms in (X, Y)]
        frames = best(lambda: [item.stft() for part in items for item in part], repeats) / hours
        network = network_of(fit(2, 200, 0))
        batch = batch_of(BATCH_SEQUENCES, BATCH_FRAMES, 0)
        steps = best(lambda: step(network, batch), repeats) * 3600 / BATCH_SECONDS
        header = best(lambda: [len(x) for x in AudioFiles(files["wav"]).items()], repeats) / len(X)
        described = item_bytes(files["wav"])
    n_values = sum(p.numel() for p in network.parameters() if p.requires_grad)
    exchange, latency = exchange_seconds(n_values, 3 if quick else 50)
    sizes = 4 * n_values, exchange, latency, described
    return Parts(*decode, mixing, frames, steps, header, *sizes)


def item_bytes(paths, n_items=2000):
    """Measure the memory of a recording in a file: its path, its length and its STFT."""
    tracemalloc.start()
    recordings = STFT().transform(AudioFiles([str(paths[0])] * n_items))
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size // len(recordings)


def _write(folder, waveforms):
    """Write waveforms as files of each kind; return their paths."""
    kinds = {"wav": ("wav", RATE_HZ), "flac": ("flac", RATE_HZ), "resampled": ("flac", 44100)}
    paths = {}
    for kind, (suffix, rate) in kinds.items():
        # At the higher rate, so many samples as an equally long recording has.
        rows = [np.resize(x, round(len(x) * rate / RATE_HZ)) for x in waveforms]
        paths[kind] = [folder / f"{kind}-{i}.{suffix}" for i in range(len(rows))]
        for path, row in zip(paths[kind], rows, strict=True):
            soundfile.write(path, row, rate)
    return paths


def exchange_seconds(n_values, repeats):
    """Measure an all-reduce of so many float32 values, and of one, in two processes with gloo."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        results = context.SimpleQueue()
        arguments = f"file://{folder}/store", n_values, repeats, results
        others = [context.Process(target=_exchange, args=(i, *arguments)) for i in range(2)]
        for process in others:
            process.start()
        for process in others:
            process.join(120)
            if process.exitcode != 0:
                process.kill()
                raise RuntimeError("A process that exchanges gradients failed or did not end.")
        return max(results.get() for _ in others)


def _exchange(rank, store, n_values, repeats, results):
    """Time both all-reduces in one of the processes."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    seconds = []
    for size in (n_values, 1):
        values = torch.zeros(size)
        torch.distributed.all_reduce(values)
        start = time.perf_counter()
        for _ in range(repeats):
            torch.distributed.all_reduce(values)
        seconds.append((time.perf_counter() - start) / repeats)
    results.put(tuple(seconds))
    torch.distributed.destroy_process_group()


def describe(parts):
    """Describe the parts in a table, with their ratios to the training steps of an hour."""
    per_hour = {
        "decode WAV": parts.decode_wav,
        "decode FLAC": parts.decode_flac,
        "decode FLAC, 44.1 to 16 kHz": parts.decode_resampled,
        "mix": parts.mix,
        "STFT of mixture and target": parts.stft,
        "training steps": parts.step,
    }
    lines = [f"{'an hour of audio, one thread':<34}{'seconds':>10}{'to steps':>10}"]
    for name, seconds in per_hour.items():
        lines.append(f"{name:<34}{seconds:>10.2f}{seconds / parts.step:>10.3f}")
    one_step = parts.step * BATCH_SECONDS / 3600
    lines += [
        f"Gradients: {parts.gradient_bytes / 1e6:.2f} MB; their exchange by two processes takes "
        f"{1000 * parts.exchange:.2f} ms ({parts.exchange / one_step:.4f} of a step), a number "
        f"{1000 * parts.latency:.2f} ms.",
        f"A header takes {1e6 * parts.header:.0f} us, its description {parts.item_bytes} bytes.",
    ]
    return "\n".join(lines)
