"""Model of an epoch on a cluster, from the parts that `scale_parts` measures.

Recordings are shared out among `n_ranks` processes. Each trains on its share while background
threads prepare the next one, so an epoch takes the longer of the two. After each step gradients of
g bytes go round a ring of n processes, in 2 (n - 1) messages of g / n bytes::

    epoch = max(hours / n * step + n_steps * exchange, hours / n * data / n_data_threads)
    n_steps = hours * 3600 / (n * seconds of audio in a batch)
    exchange = 2 (n - 1) * latency + 2 (n - 1) / n * g / bandwidth

Before the first epoch each process reads all headers, all of them together read every recording
once to measure it, and the first learns dictionaries from frames of some recordings. Validation is
not in the model: it takes the share of its recordings, without gradients.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.scale_parts import BATCH_SECONDS, BATCH_SEQUENCES, RATE_HZ

HOURS = 10_000
# A step of K = 2, N = 200 on 32 x 500 frames of 8 ms on an NVIDIA H200, and the seconds in them.
GPU_STEP_SECONDS, GPU_STEP_AUDIO_SECONDS = 0.0389, 32 * 500 * 0.008
# A mixture reads a recording of the target and one of the interference, of 16 bits a sample.
READS = 2
READ_BYTES = READS * 2 * 3600 * RATE_HZ
# Recordings of ten seconds. Each of the two dictionaries is learned from so many frames, almost all
# of different recordings.
RECORDINGS_PER_HOUR, N_DRAWN_FRAMES = 360, 20_000


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


class Start(NamedTuple):
    """Prediction of the time before the first epoch, in seconds."""

    headers: float
    measures: float
    dictionaries: float


def predict_start(parts, cluster, hours=HOURS):
    """Predict the start of a fit of `hours` of audio on a cluster."""
    n_recordings = hours * RECORDINGS_PER_HOUR
    n_threads = cluster.n_ranks * cluster.n_data_threads
    read_hours = min(N_DRAWN_FRAMES, n_recordings) / RECORDINGS_PER_HOUR
    return Start(
        READS * n_recordings * parts.header,
        hours * (READS * parts.decode_flac + parts.stft) / n_threads,
        READS * 2 * read_hours * parts.decode_flac / cluster.n_data_threads,
    )


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
    columns = "headers", "measures", "dictionaries"
    head = f"{hours * RECORDINGS_PER_HOUR} recordings, the start in seconds"
    lines += ["", f"{head:<46}" + "".join(f"{name:>14}" for name in columns)]
    for cluster in CLUSTERS:
        numbers = "".join(f"{value:>14.0f}" for value in predict_start(parts, cluster, hours))
        lines.append(f"{cluster.name:<46}{numbers}")
    memory = hours * RECORDINGS_PER_HOUR * READS * parts.item_bytes
    lines.append(f"Descriptions of the recordings take {memory / 1e9:.1f} GB in each process.")
    return "\n".join(lines)
