"""Delay, latency and speed of denoisers."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks._threads import limited_to
from benchmarks.denoisers_systems import CORPUS_RATE, Denoiser, resample
from sknmf_unfold.datasets import make_noisy_speech

MAX_DELAY_SECONDS = 0.2
SECONDS_OF_TEST = 4.0
# Positions of the changes from which the latency is found: coprime to the lengths of frames.
N_CHANGES, CHANGE_STEP_SECONDS = 16, 0.0017
# The edges of windows make small changes smaller still: this one is loud.
CHANGE_GAIN = 3
# Outputs that differ by less of their peak do so by rounding.
MIN_CHANGE = 1e-6


def speech_signal(rate: int, seconds: float = SECONDS_OF_TEST) -> np.ndarray:
    """Generate speech with little noise, by which delays are found.

    Parameters
    ----------
    rate : int
        Sampling rate in Hz.
    seconds : float, default=4.0

    Returns
    -------
    waveform : ndarray of shape (n_times,), float32
    """
    settings = {"snr_db": 20, "level_db": -26, "random_state": 0}
    return resample(make_noisy_speech(1, duration=seconds, **settings)[0][0], CORPUS_RATE, rate)


def find_delay(reference: np.ndarray, output: np.ndarray, max_delay: int) -> int:
    """Find the delay of an output by its cross-correlation with the input.

    Parameters
    ----------
    reference, output : ndarray of shape (n_times,)
    max_delay : int
        Largest delay in samples that is looked for.

    Returns
    -------
    delay : int
        In samples, from 0.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(50)
    >>> find_delay(noise, -np.roll(noise, 7), 20)
    7
    """
    n_times = min(len(reference), len(output))
    spectra = (np.fft.rfft(x[:n_times], 2 * n_times) for x in (reference, output))
    first, second = spectra
    correlation = np.fft.irfft(np.conj(first) * second)
    return int(np.argmax(np.abs(correlation[: max_delay + 1])))


def align(denoiser: Denoiser) -> Denoiser:
    """Find and set the delay of a denoiser.

    Parameters
    ----------
    denoiser : Denoiser

    Returns
    -------
    denoiser : Denoiser
        The same.
    """
    signal = speech_signal(denoiser.rate)
    longest = round(MAX_DELAY_SECONDS * denoiser.rate)
    output = denoiser.process(np.pad(signal, (0, longest)))
    denoiser.delay = find_delay(np.pad(signal, (0, longest)), np.asarray(output), longest)
    return denoiser


def latency(denoiser: Denoiser) -> float | None:
    """Measure how far ahead of an output sample the input has to be known.

    The input is changed from some sample on; the first aligned output sample that changes is so
    much earlier. The largest such distance is the algorithmic latency, up to the step between the
    positions.

    Parameters
    ----------
    denoiser : Denoiser
        With its delay.

    Returns
    -------
    latency : float or None
        In ms; None if the output depends on the whole recording.
    """
    if not denoiser.streams:
        return None
    signal = speech_signal(denoiser.rate, SECONDS_OF_TEST / 2)
    before = denoiser.aligned(signal)
    noise = np.random.RandomState(0).normal(0, CHANGE_GAIN * np.std(signal), len(signal))
    step, ahead = round(CHANGE_STEP_SECONDS * denoiser.rate), []
    for k in range(N_CHANGES):
        start = len(signal) // 2 + k * step
        changed = signal.copy()
        changed[start:] += noise[start:].astype(np.float32)
        ahead.append(start - _first_change(before, denoiser.aligned(changed)))
    return 1000 * max(ahead) / denoiser.rate


def _first_change(before, after):
    return int(np.argmax(np.abs(after - before) > MIN_CHANGE * np.abs(before).max()))


def real_time_factor(
    process: Callable[[np.ndarray], np.ndarray], waveform: np.ndarray, rate: int
) -> float:
    """Measure the shortest time of three runs on one core, in parts of the duration.

    Parameters
    ----------
    process : callable
    waveform : ndarray of shape (n_times,)
    rate : int
        Sampling rate in Hz.

    Returns
    -------
    factor : float
    """
    seconds = []
    with limited_to(1):
        for _ in range(3):
            start = time.perf_counter()
            process(waveform)
            seconds.append(time.perf_counter() - start)
    return min(seconds) * rate / len(waveform)
