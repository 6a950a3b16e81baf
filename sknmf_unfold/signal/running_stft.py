"""Short-time Fourier transform of a stream, chunk by chunk, padded as in `stft`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, DTypeLike

from .highpass import RunningHighPass
from .windows import analysis_window


class RunningSTFT:
    """STFT of a stream: computes each frame when its last sample has arrived.

    The frames equal those of `stft`, which pads the beginning with zeros.

    Parameters
    ----------
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window.
    n_streams : int
        Number of parallel waveforms.
    max_frames : int
        Largest number of frames computed together.
    dtype : dtype
        Type of the samples, float32 or float64.
    sample_rate : int, default=16000
        Sampling rate in Hz, which matters to the filter only.
    highpass : float, optional
        Cutoff in Hz of the high-pass filter before the analysis.

    Examples
    --------
    >>> from sknmf_unfold.signal.stft import stft
    >>> x = np.random.default_rng(0).standard_normal((1, 1000))
    >>> running = RunningSTFT(512, 128, "sqrt_hann", 1, 8, x.dtype)
    >>> frames = [running.frames(running.append(x[:, i : i + 100])) for i in range(0, 1000, 100)]
    >>> bool(np.allclose(np.concatenate(frames, axis=1)[0], stft(x[0], stop=7)))
    True
    """

    def __init__(
        self,
        n_fft: int,
        hop_length: int,
        window: str | tuple | ArrayLike,
        n_streams: int,
        max_frames: int,
        dtype: DTypeLike,
        sample_rate: int = 16000,
        highpass: float | None = None,
    ) -> None:
        self.hop_length = hop_length
        self.capacity = max_frames * hop_length
        self._before = n_fft - hop_length
        self._window = analysis_window(window, n_fft).astype(dtype)
        self._samples = np.zeros((n_streams, self._before + self.capacity), dtype)
        self._windowed = np.empty((n_streams, max_frames, n_fft), dtype)
        self._n_waiting = 0
        self._filter = None
        if highpass is not None:
            self._filter = RunningHighPass(highpass, sample_rate, n_streams)
        self._make_views()

    def _make_views(self) -> None:
        """Make views of the buffer, one for each frame that fits into it."""
        n_fft = len(self._window)
        views = np.lib.stride_tricks.sliding_window_view(self._samples, n_fft, axis=1)
        self._views = views[:, :: self.hop_length]

    def __getstate__(self) -> dict[str, Any]:
        # A copied view no longer shares memory with the buffer, so views are made again.
        return {name: value for name, value in vars(self).items() if name != "_views"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_views()

    def reset(self) -> None:
        """Return to the state before the first sample."""
        self._samples[...] = 0
        self._n_waiting = 0
        if self._filter is not None:
            self._filter.reset()

    def append(self, samples: np.ndarray, is_padding: bool = False) -> int:
        """Append samples and count the frames that are complete.

        Parameters
        ----------
        samples : ndarray of shape (n_streams, n_times)
            At most `n_free` samples.
        is_padding : bool, default=False
            Whether they are zeros after the end of the recording, which no filter changes.

        Returns
        -------
        n_frames : int
        """
        if self._filter is not None and not is_padding:
            samples = self._filter(samples)
        begin = self._before + self._n_waiting
        self._samples[:, begin : begin + samples.shape[1]] = samples
        self._n_waiting += samples.shape[1]
        return self._n_waiting // self.hop_length

    @property
    def n_free(self) -> int:
        """Largest number of samples for the next `append`."""
        return self.capacity - self._n_waiting

    def frames(self, n_frames: int) -> np.ndarray:
        """Compute complete frames and drop the samples that no later frame covers.

        Parameters
        ----------
        n_frames : int
            The number that `append` returned.

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
