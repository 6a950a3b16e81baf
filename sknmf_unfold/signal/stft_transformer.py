"""`STFT`, the transformer from waveforms to spectrograms, first step of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Tags

from sknmf_unfold.base.callbacks import CallbackSupportMixin, FitTask, with_callbacks
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.set_output import RecordingsTransformerMixin
from sknmf_unfold.base.versions import VersionedEstimator
from sknmf_unfold.validation.lazy import check_rates
from sknmf_unfold.validation.recordings import as_list, check_list, check_waveforms
from sknmf_unfold.validation.tables import check_waveform_table

from .spectrograms import Spectrogram, Spectrograms
from .windows import check_stft_settings


class STFT(CallbackSupportMixin, RecordingsTransformerMixin, VersionedEstimator):
    """Short-time Fourier transform of a list of waveforms, as the first step of a pipeline.

    Parameters
    ----------
    n_fft : int, default=512
        Frame length in samples (32 ms at 16 kHz).
    hop_length : int, default=128
        Hop in samples.
    window : str, tuple or array-like of shape (n_fft,), default="sqrt_hann"
        Analysis window: ``"sqrt_hann"``, anything that `scipy.signal.get_window` takes, or the
        samples. Synthesis uses its dual, which for ``"sqrt_hann"`` is the same window, scaled.
    sample_rate : int, default=16000
        Sampling rate of the waveforms in Hz. Nothing is resampled; models store it and reject input
        of another rate.
    highpass : float or None, default=None
        Cutoff in Hz of a causal high-pass filter (Butterworth, second order) that is applied to
        the waveforms before the analysis; None for no filter. 10 Hz removes the offset of
        recordings, 50 Hz rumble too, but shifts the phases of low voices. Models store it and
        reject input of another cutoff. Their output is high-passed too.

    Attributes
    ----------
    n_freqs_ : int
        Number of bins, ``n_fft // 2 + 1``.

    Notes
    -----
    The STFT is unnormalised: a sinusoid of amplitude a peaks at about ``a * sum(window) / 2``.

    ``set_output`` does not change the spectrograms, so that a whole pipeline can be set to return
    DataFrames of activations; ``get_feature_names_out`` names the bins.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017: window and hop.

    Examples
    --------
    >>> import numpy as np
    >>> from sknmf_unfold import STFT
    >>> waveforms = [np.sin(np.arange(1000)), np.ones(300, dtype="float32")]
    >>> stft = STFT().fit(waveforms)
    >>> spectrograms = stft.transform(waveforms)
    >>> spectrograms[0].magnitude().shape
    (11, 257)
    >>> [len(x) for x in stft.inverse_transform(spectrograms)]
    [1000, 300]
    """

    def __init__(
        self,
        n_fft: int = 512,
        hop_length: int = 128,
        window: str | tuple | ArrayLike = "sqrt_hann",
        sample_rate: int = 16000,
        highpass: float | None = None,
    ) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.window = window
        self.sample_rate = sample_rate
        self.highpass = highpass

    @with_callbacks
    @default_settings()
    def fit(self, X: Sequence[ArrayLike] | ArrayLike, y: object = None) -> STFT:
        """Check the parameters and the waveforms; nothing is learned.

        Parameters
        ----------
        X : list of ndarray of shape (n_times,), AudioFiles, or ndarray (n_waveforms, n_times)
            Waveforms.
        y : ignored

        Returns
        -------
        self : STFT
        """
        self._check_all(X, y)
        return self

    @with_callbacks
    @default_settings()
    def fit_transform(self, X: Sequence[ArrayLike] | ArrayLike, y: object = None) -> Spectrograms:
        """Fit to waveforms, then describe them as spectrograms; they are checked once.

        Parameters
        ----------
        X : list of ndarray of shape (n_times,), AudioFiles, or ndarray (n_waveforms, n_times)
            Waveforms.
        y : ignored

        Returns
        -------
        spectrograms : Spectrograms
            See `transform`.
        """
        return self._describe(*self._check_all(X, y))

    @default_settings()
    def transform(self, X: Sequence[ArrayLike] | ArrayLike) -> Spectrograms:
        """Describe the waveforms as spectrograms.

        Parameters
        ----------
        X : list of ndarray of shape (n_times,), AudioFiles, or ndarray (n_waveforms, n_times)
            Waveforms of any lengths: floats, or PCM of dtype uint8, int8, int16 or int32, which is
            scaled to [-1, 1]. Floats are kept, not copied: the spectrograms change with them. Of
            files only the headers are read.

        Returns
        -------
        spectrograms : Spectrograms
            One item for each waveform; frames are computed on access.

        Raises
        ------
        ValueError, TypeError
            If a waveform is empty, not finite, not 1-D or not real, or if files are read at another
            rate than `sample_rate`.
        """
        return self._describe(self._check_parameters(), self._check_input(X, reset=False))

    @default_settings()
    def inverse_transform(self, X: Sequence[Spectrogram]) -> list[np.ndarray]:
        """Synthesise waveforms of exactly the original lengths, high-passed if `highpass` is set.

        Parameters
        ----------
        X : Spectrograms or list of Spectrogram
            Spectrograms, masked or not.

        Returns
        -------
        waveforms : list of ndarray of shape (n_times,)
        """
        items = as_list(X)
        check_list(items, "X", "Spectrogram items")
        for i, item in enumerate(items):
            if not isinstance(item, Spectrogram):
                raise TypeError(
                    f"X[{i}] must be a Spectrogram, which has a length in samples; got "
                    f"{type(item).__name__}. For bare complex frames use signal.istft."
                )
        return [item.inverse() for item in items]

    def _check_all(self, X: Any, y: object) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Check parameters and waveforms as one fit; return settings and checked waveforms."""
        settings = self._check_parameters()
        task = FitTask(self._init_callback_context(), self, X, y)
        waveforms = self._check_input(X, reset=True)
        self.n_freqs_ = self._n_features_out
        task.end(dict)
        return settings, waveforms

    def _check_parameters(self) -> dict[str, Any]:
        analysis = self.n_fft, self.hop_length, self.window
        return check_stft_settings(*analysis, self.sample_rate, self.highpass)

    def _check_input(self, X: Any, reset: bool) -> list[np.ndarray]:
        X = as_list(X)
        if isinstance(X, (list, tuple)):
            if reset:
                # Recordings have no common length: drop that of an earlier fit on a table.
                for name in ("n_features_in_", "feature_names_in_"):
                    if hasattr(self, name):
                        delattr(self, name)
            waveforms = check_waveforms(X)
            check_rates(waveforms, self.sample_rate, "X", "STFT")
            return waveforms
        return list(check_waveform_table(self, X, reset))

    def _describe(self, settings: dict[str, Any], waveforms: list[np.ndarray]) -> Spectrograms:
        if not isinstance(self.window, (str, tuple)):
            # The caller may change the array.
            settings["window"] = np.array(self.window)
        return Spectrograms(Spectrogram(x, **settings) for x in waveforms)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_fft) // 2 + 1

    def __sklearn_is_fitted__(self) -> bool:
        # Nothing is learned.
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags
