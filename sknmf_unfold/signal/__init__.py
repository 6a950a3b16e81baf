"""From waveforms to spectrograms and back."""

from .masks import ratio_masks
from .spectrograms import Spectrogram, Spectrograms
from .stft_transformer import STFT

__all__ = ["STFT", "Spectrogram", "Spectrograms", "ratio_masks"]
