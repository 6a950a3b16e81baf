"""Time and memory of `SparseNMF.partial_fit` on a stream of recordings.

    python -m benchmarks.nmf_stream

Reads noisy speech of the open corpus over and over, at random levels, one call for every few
recordings, and prints after 1/64, 1/16 and 1/4 of 14 hours: seconds in ``partial_fit``, those of
the STFT, and the memory of the process beyond that of the corpus. The same stream ends with the
error of held-out frames, beside that of the components which one ``fit`` learns from a part.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks.nmf import frames_of
from sknmf_unfold import STFT, SparseNMF
from sknmf_unfold.nmf.divergence import objective

STREAM_FRAMES = 14 * 3600 * 125
REPORTED_SHARES = (1 / 64, 1 / 16, 1 / 4)
# Frames of a call, a minute of audio.
CALL_FRAMES = 60 * 125


def calls(waveforms, rng):
    """Yield for ever about a minute of magnitude frames, and the seconds that they took."""
    stft = STFT()
    while True:
        order, parts, seconds = rng.permutation(len(waveforms)), [], 0.0
        for index in order:
            start = time.perf_counter()
            waveform = waveforms[index] * np.float32(10 ** rng.uniform(-0.3, 0.3))
            parts.append(np.asarray(stft.transform([waveform])[0], dtype=np.float32))
            seconds += time.perf_counter() - start
            if sum(map(len, parts)) >= CALL_FRAMES:
                yield np.concatenate(parts), seconds
                parts, seconds = [], 0.0


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nmf_stream", description=__doc__)
    parser.add_argument("--n-components", type=int, default=100)
    parser.add_argument("--beta-loss", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    noisy, _ = open_speech.load("tenth", cache=args.cache)
    rng = np.random.RandomState(args.seed)
    held_out = frames_of(noisy[::20], 5000, rng)
    noisy = [waveform for i, waveform in enumerate(noisy) if i % 20]
    process, base, peak = psutil.Process(), psutil.Process().memory_info().rss, 0
    settings = {"beta_loss": args.beta_loss, "random_state": args.seed}
    nmf = SparseNMF(args.n_components, **settings)
    learning = transforming = 0.0
    parts, stream, n_frames = list(REPORTED_SHARES), calls(noisy, rng), 0
    while parts:
        frames, seconds = next(stream)
        transforming += seconds
        start = time.perf_counter()
        nmf.partial_fit(frames)
        learning += time.perf_counter() - start
        n_frames += len(frames)
        peak = max(peak, process.memory_info().rss - base)
        if n_frames >= parts[0] * STREAM_FRAMES:
            print(
                f"1/{1 / parts[0]:.0f} of 14 hours: {n_frames} frames, partial_fit {learning:.1f} s"
                f" ({1e6 * learning / n_frames:.1f} us a frame, all of it"
                f" {learning * STREAM_FRAMES / n_frames:.0f} s), STFT {transforming:.1f} s,"
                f" memory {peak / 2**20:.0f} MiB",
                flush=True,
            )
            parts.pop(0)
    start = time.perf_counter()
    whole = SparseNMF(args.n_components, **settings).fit(frames_of(noisy, 20_000, rng))
    seconds = time.perf_counter() - start
    for name, model in (("stream", nmf), (f"one fit of 20 000 frames ({seconds:.1f} s)", whole)):
        H = model.transform(held_out)
        error = objective(held_out, model.components_, H, args.beta_loss, model.sparsity)
        print(f"objective of {len(held_out)} held-out frames, {name}: {error:.6g}")


if __name__ == "__main__":
    main()
