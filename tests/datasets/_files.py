"""Small audio files on disk, and counts of what is read of them."""

import contextlib

import numpy as np
import soundfile

from sknmf_unfold.datasets import _audio_input


def write(path, waveform, rate=16000, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, rate, **settings)
    return path


def noise(n_times, seed=0, channels=None):
    shape = n_times if channels is None else (n_times, channels)
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def write_pairs(folder, lengths=(4000, 5000, 3000, 4500, 3500, 4200), suffixes=(".wav", ".flac")):
    """Write mixtures and tones as targets; return the paths of both."""
    noisy, clean = [], []
    for i, n in enumerate(lengths):
        target = 0.2 * np.sin(np.arange(n) * (0.1 + 0.05 * i)) * np.sin(np.arange(n) / 900) ** 2
        noisy.append(write(folder / "noisy" / f"{i}{suffixes[0]}", target + noise(n, i) / 2))
        clean.append(write(folder / "clean" / f"{i}{suffixes[1]}", target))
    return noisy, clean


class Reads:
    """Numbers of opened files, of files that are still open, and of decoded samples."""

    def __init__(self):
        self.n_opened = self.n_open = self.n_decoded = 0


@contextlib.contextmanager
def counted_reads(monkeypatch):
    """Count what is read inside the block."""
    reads = Reads()
    File = _audio_input.ForwardFile

    class Counted(File):
        def __init__(self, *args):
            super().__init__(*args)
            reads.n_opened += 1
            reads.n_open += 1

        def close(self):
            reads.n_open -= not self.closed
            super().close()

        def read(self, *args, **kwargs):
            block = super().read(*args, **kwargs)
            reads.n_decoded += len(block)
            return block

    with monkeypatch.context() as patch:
        patch.setattr(_audio_input, "ForwardFile", Counted)
        yield reads
