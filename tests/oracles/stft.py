"""The short-time Fourier transform by its definition, frame by frame and bin by bin."""

import cmath

import numpy as np


def frame_starts(n_times, n_fft, hop_length):
    """First sample of every frame; the first frame ends after `hop_length` samples."""
    starts = [hop_length - n_fft]
    while starts[-1] + hop_length < n_times:
        starts.append(starts[-1] + hop_length)
    return starts


def stft_loop(waveform, window, hop_length):
    """Complex frames (n_frames, n_freqs), zeros outside the waveform."""
    n_fft, n_times = len(window), len(waveform)
    frames = []
    for start in frame_starts(n_times, n_fft, hop_length):
        frame = []
        for k in range(n_fft // 2 + 1):
            total = 0j
            for i in range(n_fft):
                if 0 <= start + i < n_times:
                    turn = cmath.exp(-2j * cmath.pi * ((k * i) % n_fft) / n_fft)
                    total += float(window[i]) * float(waveform[start + i]) * turn
            frame.append(total)
        frames.append(frame)
    return np.array(frames)


def istft_loop(frames, n_times, window, hop_length):
    """The waveform whose frames are nearest to `frames` (Griffin and Lim 1984).

    Nearest among all real frames: each sample is the mean of what its frames say, weighted by the
    squared window.
    """
    n_fft = len(window)
    weighted, weights = np.zeros(n_times), np.zeros(n_times)
    starts = frame_starts(n_times, n_fft, hop_length)
    for start, frame in zip(starts, frames, strict=True):
        for i in range(n_fft):
            if 0 <= start + i < n_times:
                weighted[start + i] += float(window[i]) * _inverse_dft(frame, n_fft, i)
                weights[start + i] += float(window[i]) ** 2
    return weighted / weights


def _inverse_dft(frame, n_fft, i):
    """Sample `i` of a real frame from the lower half of its spectrum."""
    total = 0.0
    for k in range(n_fft):
        value = complex(frame[k]) if k <= n_fft // 2 else complex(frame[n_fft - k]).conjugate()
        total += (value * cmath.exp(2j * cmath.pi * ((k * i) % n_fft) / n_fft)).real
    return total / n_fft
