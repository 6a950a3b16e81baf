"""Model of an epoch on a cluster, from the parts that `scale_parts` measures.

Recordings are shared out among `n_ranks` processes. Each trains on its share while background
threads prepare the next one, so an epoch takes the longer of the two. After each step gradients of
g bytes go round a ring of n processes, in 2 (n - 1) messages of g / n bytes::

    epoch = max(hours / n * step + n_steps * exchange, hours / n * data / n_data_threads)
    n_steps = hours * 3600 / (n * seconds of audio in a batch)
    exchange = 2 (n - 1) * latency + 2 (n - 1) / n * g / bandwidth

What the start of ``fit`` does once, and the validation after each epoch, is not in it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from benchmarks.scale_parts import BATCH_SECONDS, BATCH_SEQUENCES, RATE_HZ

HOURS = 10_000
# A step of K = 2, N = 200 on 32 x 500 frames of 8 ms on an NVIDIA H200, and the seconds in them.
GPU_STEP_SECONDS, GPU_STEP_AUDIO_SECONDS = 0.0389, 32 * 500 * 0.008
# A mixture reads a recording of the target and one of the interference, of 16 bits a sample.
READS = 2
READ_BYTES = READS * 2 * 3600 * RATE_HZ


class Cluster(NamedTuple):
    """Assumptions on a cluster.

    Attributes
    ----------
    name : str
    n_ranks : int
        Processes that train.
    n_data_threads : int
        Background threads of each.
    step : float or None
        Seconds of steps for an hour of audio; None for that of this machine's thread.
    latency, bandwidth : float
        Seconds of a message, and bytes a second of one process, between neighbours of the ring.
    """

    name: str
    n_ranks: int
    n_data_threads: int
    step: float | None
    latency: float
    bandwidth: float


GPU_STEP = GPU_STEP_SECONDS * 3600 / GPU_STEP_AUDIO_SECONDS
CLUSTERS = (
    # Eight GPUs and 96 cores a node, 400 Gbit/s.
    Cluster("64 GPUs", 64, 12, GPU_STEP, 2e-5, 6e9),
    # 16 cores a node, 25 Gbit/s.
    Cluster("200 nodes, 1 process each", 200, 1, None, 5e-5, 3e9),
    Cluster("200 nodes, 8 processes each", 1600, 1, None, 5e-5, 4e8),
)


class Epoch(NamedTuple):
    """Prediction of an epoch: seconds, counts, and bytes a second of all processes together."""

    step: float
    exchange: float
    data: float
    seconds: float
    n_steps: float
    batch_sequences: int
    read_bandwidth: float


def predict(parts, cluster, hours=HOURS):
    """Predict an epoch of `hours` of audio on a cluster."""
    share, n = hours / cluster.n_ranks, cluster.n_ranks
    n_steps = share * 3600 / BATCH_SECONDS
    message = 2 * (n - 1) * cluster.latency
    message += 2 * (n - 1) / n * parts.gradient_bytes / cluster.bandwidth
    step = share * (parts.step if cluster.step is None else cluster.step)
    data_per_hour = READS * parts.decode_flac + parts.mix + parts.stft
    data = share * data_per_hour / cluster.n_data_threads
    seconds = max(step + n_steps * message, data)
    read = hours * READ_BYTES / seconds
    return Epoch(step, n_steps * message, data, seconds, n_steps, n * BATCH_SEQUENCES, read)


def start_seconds(parts, n_read, n_recordings):
    """Predict the start: headers of all recordings, and both waveforms of some of 10 s each."""
    return READS * (n_recordings * parts.header + n_read / 360 * parts.decode_flac)


def describe(parts, hours=HOURS):
    """Describe the predictions in a table."""
    columns = "steps", "exchange", "data", "epoch", "n steps", "batch", "read GB/s", "efficiency"
    head = f"{hours} hours, an epoch in seconds"
    lines = [f"{head:<34}" + "".join(f"{name:>11}" for name in columns)]
    for cluster in CLUSTERS:
        row = predict(parts, cluster, hours)
        numbers = (
            *(f"{value:.1f}" for value in row[:4]),
            f"{row.n_steps:.0f}",
            f"{row.batch_sequences}",
            f"{row.read_bandwidth / 1e9:.2f}",
            f"{row.step / row.seconds:.2f}",
        )
        lines.append(f"{cluster.name:<34}" + "".join(f"{number:>11}" for number in numbers))
    n_recordings = math.ceil(hours * 360)
    lines.append(
        f"{n_recordings} recordings of 10 s: {start_seconds(parts, 0, n_recordings) / 60:.0f} min "
        f"to read the headers in one process, {n_recordings * parts.item_bytes * READS / 1e9:.1f} "
        f"GB of descriptions in each."
    )
    return "\n".join(lines)
