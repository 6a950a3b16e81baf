"""Signals: the STFT and its inverse, spectrograms, masks and mixing.

``stft`` holds framing and zero padding, ``windows`` the analysis and synthesis windows,
``overlap_add`` the inverse, ``running_stft`` the frames of a stream, ``stft_transformer`` the
estimator `STFT`, ``spectrograms`` its results and ``masks`` the masks. ``mixing``,
``augmentation``, ``conditions`` and ``mixture_dataset`` make mixtures of recordings.
"""

from .masks import ratio_masks
from .spectrograms import Spectrogram, Spectrograms
from .stft_transformer import STFT

__all__ = ["STFT", "Spectrogram", "Spectrograms", "ratio_masks"]
