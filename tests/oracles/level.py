"""The running level from its definition, frame by frame."""

import numpy as np


def at_running_level(magnitude, n_frames, reference, faintest):
    """One recording (frames, bins), each frame divided by the level of the last `n_frames`."""
    magnitude = magnitude.astype(np.float64)
    result = np.zeros_like(magnitude)
    for t in range(len(magnitude)):
        means = [frame.mean() for frame in magnitude[max(t + 1 - n_frames, 0) : t + 1]]
        total = sum(means)
        level = sum(mean * (mean / total) for mean in means) if total else 0.0
        result[t] = magnitude[t] * reference / max(level, faintest * reference)
    return result
