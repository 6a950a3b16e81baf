"""Self-describing spectrograms: waveforms with STFT settings and an optional mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.validation.lazy import LazyWaveform, is_lazy, samples_of
from sknmf_unfold.validation.magnitudes import check_mask

from .highpass import HighPassed
from .overlap_add import OverlapAdd
from .stft import n_frames_of, stft

# Frames of one block of the inverse STFT, a bound on memory for long recordings.
BLOCK_FRAMES = 4096


class Spectrogram:
    """Spectrogram of one recording, computed on access.

    It stores the waveform and the STFT settings instead of the frames. So a list of spectrograms
    takes the memory of the waveforms, and each item can be inverted on its own. Its arguments are
    not checked here: `STFT` checks waveforms first, and estimators check the items of their input.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,), float32 or float64, or LazyWaveform
        Samples. They are kept, not copied: pass a copy of a buffer that will be overwritten. A
        lazy one, as `datasets.AudioFiles` has them, is read when its frames are computed, and
        never kept.
    n_fft, hop_length : int
        Frame length and hop in samples.
    window : str, tuple or array-like of shape (n_fft,)
        Analysis window.
    sample_rate : int
        Sampling rate in Hz.
    mask : ndarray of shape (n_frames, n_freqs), optional
        Multiplies the frames.
    highpass : float, optional
        Cutoff in Hz of a causal high-pass filter before the analysis. The item keeps the waveform
        as it is, and filters what the frames need when they are computed.

    Attributes
    ----------
    source : ndarray or LazyWaveform
        The waveform as it was passed.

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

    def __init__(
        self,
        waveform: np.ndarray | LazyWaveform,
        n_fft: int,
        hop_length: int,
        window: str | tuple | ArrayLike,
        sample_rate: int,
        mask: np.ndarray | None = None,
        highpass: float | None = None,
    ) -> None:
        self.source = waveform
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.window = window
        self.sample_rate = sample_rate
        self.mask = mask
        self.highpass = highpass

    @property
    def waveform(self) -> np.ndarray:
        """Samples of shape (n_times,); those of a lazy waveform are read."""
        return samples_of(self.source)

    @waveform.setter
    def waveform(self, waveform: np.ndarray | LazyWaveform) -> None:
        self.source = waveform

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Earlier versions stored an array of this name.
        names = {"waveform": "source"}
        vars(self).update({names.get(name, name): value for name, value in state.items()})

    @property
    def n_times(self) -> int:
        """Length of the waveform in samples."""
        return len(self.source)

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_frames, n_freqs)``."""
        return n_frames_of(self.n_times, self.n_fft, self.hop_length), self.n_fft // 2 + 1

    @property
    def dtype(self) -> np.dtype:
        """The dtype of waveform and magnitude."""
        return self.source.dtype

    @property
    def settings(self) -> dict[str, Any]:
        """STFT settings as plain values, those of time in samples, those of frequency in Hz."""
        plain = isinstance(self.window, (str, tuple))
        window = self.window if plain else tuple(np.asarray(self.window, dtype=float).tolist())
        return {
            "n_fft": self.n_fft,
            "hop_length": self.hop_length,
            "window": window,
            "sample_rate": self.sample_rate,
            "highpass": self.highpass,
        }

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return (
            f"Spectrogram({self.n_times} samples at {self.sample_rate} Hz, "
            f"{self.shape[0]} frames x {self.shape[1]} bins)"
        )

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.magnitude(), dtype=dtype)

    @default_settings()
    def stft(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Compute the complex frames, or a range of them, multiplied by the mask.

        Parameters
        ----------
        start : int, default=0
            Index of the first frame.
        stop : int, optional
            Index after the last frame; by default all frames.

        Returns
        -------
        frames : ndarray of shape (n_frames, n_freqs), complex
        """
        frames = stft(self._analysed, self.n_fft, self.hop_length, self.window, start, stop)
        return frames if self.mask is None else frames * self.mask[start:stop]

    @property
    def _analysed(self) -> np.ndarray | LazyWaveform | HighPassed:
        """The samples whose STFT is taken."""
        if self.highpass is None:
            return self.source
        return HighPassed(self.source, self.highpass, self.sample_rate)

    @default_settings()
    def magnitude(self) -> np.ndarray:
        """Compute the magnitudes.

        Returns
        -------
        magnitude : ndarray of shape (n_frames, n_freqs), float32 or float64
        """
        return np.abs(self.stft())

    def masked(self, mask: ArrayLike) -> Spectrogram:
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
        gains = check_mask(mask, self.shape, "`mask`")
        complex_dtype = np.result_type(self.dtype, np.complex64)
        gains = gains.astype(complex_dtype if gains.dtype.kind == "c" else self.dtype, copy=False)
        gains = gains if self.mask is None else self.mask * gains
        masked = self.of(self.source)
        masked.mask = gains
        return masked

    def load(self) -> Spectrogram:
        """Return this spectrogram with its waveform in memory, read once.

        Returns
        -------
        loaded : Spectrogram
            This one itself unless its waveform is lazy.
        """
        if not is_lazy(self.source):
            return self
        loaded = self.of(self.waveform)
        loaded.mask = self.mask
        return loaded

    def of(self, waveform: np.ndarray | LazyWaveform) -> Spectrogram:
        """Make the spectrogram of another waveform with the same settings, without a mask.

        Parameters
        ----------
        waveform : ndarray of shape (n_times,), or LazyWaveform

        Returns
        -------
        other : Spectrogram
        """
        analysis = self.n_fft, self.hop_length, self.window, self.sample_rate
        return Spectrogram(waveform, *analysis, highpass=self.highpass)

    @default_settings()
    def inverse(self) -> np.ndarray:
        """Synthesise the waveform of the (masked) frames.

        Returns
        -------
        waveform : ndarray of shape (n_times,)
            With `highpass`, of the frames of the filtered waveform.
        """
        inverse, item = self.overlap_add(), self.load()
        for start in range(0, len(item), BLOCK_FRAMES):
            inverse.append(item.stft(start, start + BLOCK_FRAMES))
        return inverse.waveform

    def overlap_add(self) -> OverlapAdd:
        """Make an inverse STFT of these settings that takes the frames block by block.

        Returns
        -------
        inverse : OverlapAdd
        """
        return OverlapAdd(self.n_times, self.n_fft, self.hop_length, self.window)


class Spectrograms(list):
    """List of `Spectrogram` items with a shape and array indexing, as scikit-learn needs them.

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
    def shape(self) -> tuple[int]:
        """``(n_items,)``; each item has its own number of frames."""
        return (len(self),)

    def __getitem__(self, key: Any) -> Any:
        # scikit-learn indexes objects with a shape as arrays: X[indices, ...].
        key = key[0] if isinstance(key, tuple) else key
        if isinstance(key, slice):
            return Spectrograms(super().__getitem__(key))
        if np.ndim(key) == 0:
            return super().__getitem__(key)
        indices = np.arange(len(self))[key]
        return Spectrograms(super(Spectrograms, self).__getitem__(int(i)) for i in indices)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Stack items of one shape to (n_items, n_frames * n_freqs); else make an object array."""
        if len({item.shape for item in self}) == 1:
            return np.stack([np.asarray(item, dtype=dtype).ravel() for item in self])
        items = np.empty(len(self), dtype=object)
        # Item by item: numpy would compute the frames of each to look for a common shape.
        for i, item in enumerate(self):
            items[i] = item
        return items
