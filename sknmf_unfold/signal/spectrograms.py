"""Self-describing spectrograms: a waveform, how to analyse it, and the way back."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.magnitudes import check_mask

from .overlap_add import OverlapAdd
from .stft import n_frames_of, stft

# Frames that the way back to audio works on together: a bound on memory for long recordings.
BLOCK = 4096


class Spectrogram:
    """One recording's spectrogram, computed when asked for.

    It keeps the waveform and the STFT settings instead of the frames, so a list of them costs what
    the waveforms cost, and an item taken out of its list still knows how to become audio again.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,), float32 or float64
        Samples. They are kept, not copied: pass a copy of a buffer that will be filled again.
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window.
    sample_rate : int
        Sampling rate in Hz.
    mask : ndarray of shape (n_frames, n_freqs), optional
        Multiplies the frames.

    Examples
    --------
    >>> import numpy as np
    >>> from sknmf_unfold import Spectrogram
    >>> item = Spectrogram(np.ones(1000), 512, 128, "sqrt_hann", 16000)
    >>> item.shape, item.magnitude().dtype
    ((11, 257), dtype('float64'))
    >>> half = item.masked(np.full(item.shape, 0.5))
    >>> bool(np.allclose(half.inverse(), 0.5))
    True
    """

    def __init__(self, waveform, n_fft, hop_length, window, sample_rate, mask=None):
        self.waveform = waveform
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.window = window
        self.sample_rate = sample_rate
        self.mask = mask

    @property
    def n_times(self):
        """Length of the waveform in samples."""
        return len(self.waveform)

    @property
    def shape(self):
        """``(n_frames, n_freqs)``."""
        return n_frames_of(self.n_times, self.n_fft, self.hop_length), self.n_fft // 2 + 1

    @property
    def dtype(self):
        """The dtype of waveform and magnitude."""
        return self.waveform.dtype

    @property
    def settings(self):
        """The STFT settings as plain values: n_fft, hop_length, window, sample_rate (Hz)."""
        plain = isinstance(self.window, (str, tuple))
        window = self.window if plain else tuple(np.asarray(self.window, dtype=float).tolist())
        return {
            "n_fft": self.n_fft,
            "hop_length": self.hop_length,
            "window": window,
            "sample_rate": self.sample_rate,
        }

    def __len__(self):
        return self.shape[0]

    def __repr__(self):
        return (
            f"Spectrogram({self.n_times} samples at {self.sample_rate} Hz, "
            f"{self.shape[0]} frames x {self.shape[1]} bins)"
        )

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.magnitude(), dtype=dtype)

    @default_settings()
    def stft(self, start=0, stop=None):
        """Compute the complex frames, or a part of them, the mask applied.

        Parameters
        ----------
        start : int, default=0
            The first frame.
        stop : int, optional
            The frame to stop before; None goes to the end.

        Returns
        -------
        frames : ndarray of shape (n_frames, n_freqs), complex
        """
        frames = stft(self.waveform, self.n_fft, self.hop_length, self.window, start, stop)
        return frames if self.mask is None else frames * self.mask[start:stop]

    @default_settings()
    def magnitude(self):
        """Compute the magnitudes.

        Returns
        -------
        magnitude : ndarray of shape (n_frames, n_freqs), float32 or float64
        """
        return np.abs(self.stft())

    def masked(self, mask):
        """Return a copy whose frames are multiplied by a mask.

        Parameters
        ----------
        mask : array-like of shape (n_frames, n_freqs)
            Finite numbers. Floats of the dtype of the waveform are kept, not copied.

        Returns
        -------
        masked : Spectrogram

        Raises
        ------
        ValueError, TypeError
            If the mask has another shape, or is not finite.
        """
        mask = check_mask(mask, self.shape, "`mask`")
        complex_dtype = np.result_type(self.dtype, np.complex64)
        mask = mask.astype(complex_dtype if mask.dtype.kind == "c" else self.dtype, copy=False)
        mask = mask if self.mask is None else self.mask * mask
        return Spectrogram(
            self.waveform, self.n_fft, self.hop_length, self.window, self.sample_rate, mask
        )

    def of(self, waveform):
        """Describe another waveform with the same settings.

        Parameters
        ----------
        waveform : ndarray of shape (n_times,)

        Returns
        -------
        other : Spectrogram
        """
        return Spectrogram(waveform, self.n_fft, self.hop_length, self.window, self.sample_rate)

    @default_settings()
    def inverse(self):
        """Synthesise the waveform of the (masked) frames.

        Returns
        -------
        waveform : ndarray of shape (n_times,)
        """
        inverse = self.overlap_add()
        for start in range(0, len(self), BLOCK):
            inverse.append(self.stft(start, start + BLOCK))
        return inverse.waveform

    def overlap_add(self):
        """Make what takes frames of these settings, block by block, back to a waveform.

        Returns
        -------
        inverse : OverlapAdd
        """
        return OverlapAdd(self.n_times, self.n_fft, self.hop_length, self.window)


class Spectrograms(list):
    """A list of `Spectrogram` items that scikit-learn can index and measure.

    Indexing with a slice, an integer array or a boolean mask gives `Spectrograms` again.

    Parameters
    ----------
    iterable : iterable of Spectrogram, optional
        The items.

    Examples
    --------
    >>> import numpy as np
    >>> from sknmf_unfold import STFT
    >>> spectrograms = STFT().transform([np.ones(500), np.ones(700), np.ones(900)])
    >>> spectrograms[np.array([True, False, True])].shape
    (2,)
    >>> spectrograms[1].n_times
    700
    """

    @property
    def shape(self):
        """``(n_items,)``; each item has its own number of frames."""
        return (len(self),)

    def __getitem__(self, key):
        # scikit-learn indexes what has a shape like an array: X[indices, ...].
        key = key[0] if isinstance(key, tuple) else key
        if isinstance(key, slice):
            return Spectrograms(super().__getitem__(key))
        if np.ndim(key) == 0:
            return super().__getitem__(key)
        indices = np.arange(len(self))[key]
        return Spectrograms(super(Spectrograms, self).__getitem__(int(i)) for i in indices)

    def __array__(self, dtype=None, copy=None):
        """Equally long items stacked to (n_items, n_frames * n_freqs); else an object array."""
        if len({item.shape for item in self}) == 1:
            return np.stack([np.asarray(item, dtype=dtype).ravel() for item in self])
        items = np.empty(len(self), dtype=object)
        items[:] = list(self)
        return items
