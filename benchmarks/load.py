"""Training and separation beside busy processes: ratios of times.

    python -m benchmarks.load

It compares three ways to do the same work: that of the package, and whole batches and blocks with
one thread an operation, or with two. It starts the busy processes itself, runs the ways in turn,
and prints the median of the ratios of their times:

- beside busy processes, to one thread: at most 1.3,
- alone, to two threads: at most 1.1,
- in each of two joblib workers, to one worker alone: at most 1.3.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
import subprocess
import sys
import time
from unittest import mock

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from benchmarks._environment import environment, print_environment
from benchmarks._threads import limited_to
from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.base import threads
from sknmf_unfold.base.workers import Workers
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.separators import LSTMSeparator, _blocks
from sknmf_unfold.streaming import StreamingSeparator
from sknmf_unfold.training import loop

MAX_BESIDE, MAX_ALONE = 1.3, 1.1
N_THREADS = 2


@contextlib.contextmanager
def busy_processes(n):
    """Run `n` busy processes inside the context."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def as_it_is():
    """Run the package unchanged, on `N_THREADS` threads."""
    with limited_to(N_THREADS):
        yield


@contextlib.contextmanager
def undivided(n_threads):
    """Run all work in the calling thread, each operation in `n_threads` threads."""

    @contextlib.contextmanager
    def alone(*_):
        yield Workers(1)

    def unlimited(*_):
        """Leave the numbers of threads as they are."""

    patches = (
        mock.patch.object(loop, "worker_threads", alone),
        mock.patch.object(loop, "split_batch", lambda batch: [batch]),
        mock.patch.object(_blocks, "worker_threads", alone),
        mock.patch.object(threads, "_limit_torch", unlimited),
        mock.patch.object(threads, "_begin_limit", lambda _: n_threads),
        mock.patch.object(threads, "_end_limit", unlimited),
        mock.patch.object(StreamingSeparator, "process", StreamingSeparator.process.__wrapped__),
        mock.patch.object(StreamingSeparator, "_build", StreamingSeparator._build.__wrapped__),
    )
    with contextlib.ExitStack() as stack, limited_to(n_threads):
        for patch in patches:
            stack.enter_context(patch)
        yield


def works(seed):
    """Prepare the functions to time.

    Parameters
    ----------
    seed : int

    Returns
    -------
    works : dict of callable
        Each takes a good part of a second.
    """
    X, Y = make_noisy_speech(24, n_speakers=12, random_state=seed)
    minute = [np.concatenate(X)[: 60 * 16000]]
    stft = STFT().fit(X)
    S, long = stft.transform(X), stft.transform(minute)
    start = SupervisedNMFSeparator(max_iter=20, random_state=seed)
    drnmf = DRNMFSeparator(nmf=start, max_epochs=0, random_state=seed).fit(S, Y)
    lstm = LSTMSeparator(max_epochs=0, random_state=seed).fit(S, Y)
    pipe = make_pipeline(STFT(), clone(drnmf)).fit(X, Y)
    nmf = SparseNMF(100, max_iter=10, tol=0, random_state=seed)
    magnitude = np.concatenate([item.magnitude() for item in S])

    def stream():
        separator = StreamingSeparator(pipe)
        for samples in np.split(minute[0][: 128 * 1000], 1000):
            separator.process(samples)

    return {
        "training, DR-NMF": functools.partial(drnmf.partial_fit, S, Y),
        "training, LSTM": functools.partial(lstm.partial_fit, S, Y),
        "predict, a minute, DR-NMF": functools.partial(_often, 3, drnmf.predict, long),
        "predict, 24 recordings, DR-NMF": functools.partial(_often, 3, drnmf.predict, S),
        "predict, a minute, LSTM": functools.partial(_often, 6, lstm.predict, long),
        "streaming, DR-NMF": stream,
        "NMF": functools.partial(nmf.fit, magnitude),
    }


def _often(n, function, *args):
    for _ in range(n):
        function(*args)


def ratio(work, one, other, rounds):
    """Compute the median ratio of the times of two ways, which take turns."""
    ratios = []
    for _ in range(rounds + 1):
        times = []
        for way in (one, other):
            with way():
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
        ratios.append(times[0] / times[1])
    # The first round starts with cold caches.
    return statistics.median(ratios[1:])


def report(text, value, bound):
    """Print a ratio beside its bound."""
    print(
        f"{text:58s} {value:6.2f}  at most {bound}{'' if value <= bound else '  MISSED'}",
        flush=True,
    )


def seconds_of_fit(X, Y, seed):
    """Time a fit in a worker of joblib."""
    start = time.perf_counter()
    nmf = SupervisedNMFSeparator(20, max_iter=20, random_state=seed)
    DRNMFSeparator(nmf=nmf, max_epochs=4, random_state=seed).fit(X, Y)
    return time.perf_counter() - start


def workers(seed, rounds):
    """Compute the time of each of two workers as a ratio to that of one alone."""
    X, Y = make_noisy_speech(16, n_speakers=8, random_state=seed)
    S = STFT().fit_transform(X)
    ratios = []
    with joblib.Parallel(n_jobs=2) as run:
        for _ in range(rounds + 1):
            alone = run([joblib.delayed(seconds_of_fit)(S, Y, seed)])
            both = run(joblib.delayed(seconds_of_fit)(S, Y, seed) for _ in range(2))
            ratios.append(max(both) / alone[0])
    return statistics.median(ratios[1:])


def main(arguments=None):
    """Parse the command line and print all ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--busy", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--works", nargs="+", default=[""], help="beginnings of their names")
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    one, two = functools.partial(undivided, 1), functools.partial(undivided, N_THREADS)
    for name, work in works(args.seed).items():
        if not name.startswith(tuple(args.works)):
            continue
        alone = ratio(work, as_it_is, two, args.rounds)
        report(f"{name}: alone, to two threads", alone, MAX_ALONE)
        for n in args.busy:
            with busy_processes(n):
                beside = ratio(work, as_it_is, one, args.rounds)
            report(f"{name}: beside {n} busy, to one thread", beside, MAX_BESIDE)
    text = "training, DR-NMF: each of two workers, to one alone"
    report(text, workers(args.seed, max(args.rounds // 2, 1)), MAX_BESIDE)


if __name__ == "__main__":
    main()
