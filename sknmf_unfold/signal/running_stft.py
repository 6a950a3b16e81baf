"""The short-time Fourier transform of samples that come a few at a time."""

from __future__ import annotations

import numpy as np
import scipy.fft

from .windows import analysis_window


class RunningSTFT:
    """Frames of the STFT as soon as their samples are there.

    Together they are those of `stft`: zeros stand before the first sample.

    Parameters
    ----------
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window.
    n_streams : int
        Number of waveforms that come side by side.
    max_frames : int
        The most frames that are computed together.
    dtype : dtype
        Of the samples, float32 or float64.

    Examples
    --------
    >>> from sknmf_unfold.signal.stft import stft
    >>> x = np.random.default_rng(0).standard_normal((1, 1000))
    >>> running = RunningSTFT(512, 128, "sqrt_hann", 1, 8, x.dtype)
    >>> frames = [running.frames(running.append(x[:, i : i + 100])) for i in range(0, 1000, 100)]
    >>> bool(np.allclose(np.concatenate(frames, axis=1)[0], stft(x[0], stop=7)))
    True
    """

    def __init__(self, n_fft, hop_length, window, n_streams, max_frames, dtype):
        self.hop_length = hop_length
        self.capacity = max_frames * hop_length
        self._before = n_fft - hop_length
        self._window = analysis_window(window, n_fft).astype(dtype)
        self._samples = np.zeros((n_streams, self._before + self.capacity), dtype)
        self._windowed = np.empty((n_streams, max_frames, n_fft), dtype)
        self._n_waiting = 0
        self._make_views()

    def _make_views(self):
        """Make views of every frame that may lie in the samples."""
        n_fft = len(self._window)
        views = np.lib.stride_tricks.sliding_window_view(self._samples, n_fft, axis=1)
        self._views = views[:, :: self.hop_length]

    def __getstate__(self):
        # A copy of views is an array of its own, which no longer follows the samples.
        return {name: value for name, value in vars(self).items() if name != "_views"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._make_views()

    def reset(self):
        """Begin again before the first sample."""
        self._samples[...] = 0
        self._n_waiting = 0

    def append(self, samples):
        """Take samples and tell how many frames they complete.

        Parameters
        ----------
        samples : ndarray of shape (n_streams, n_times)
            At most `capacity` less those that wait for a frame to be complete.

        Returns
        -------
        n_frames : int
        """
        begin = self._before + self._n_waiting
        self._samples[:, begin : begin + samples.shape[1]] = samples
        self._n_waiting += samples.shape[1]
        return self._n_waiting // self.hop_length

    @property
    def room(self):
        """How many samples the next `append` may take."""
        return self.capacity - self._n_waiting

    def frames(self, n_frames):
        """Compute complete frames and forget the samples that no later frame covers.

        Parameters
        ----------
        n_frames : int
            What `append` returned.

        Returns
        -------
        frames : ndarray of shape (n_streams, n_frames, n_fft // 2 + 1), complex
        """
        windowed = self._windowed[:, :n_frames]
        np.multiply(self._views[:, :n_frames], self._window, out=windowed)
        done = n_frames * self.hop_length
        self._n_waiting -= done
        kept = self._before + self._n_waiting
        self._samples[:, :kept] = self._samples[:, done : done + kept]
        return scipy.fft.rfft(windowed, axis=-1)
