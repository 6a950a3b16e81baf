"""Source separation by sparse NMF and deep recurrent NMF, as scikit-learn estimators."""

from ._version import __version__
from .base.model_files import load_model, save_model
from .nmf import SparseNMF
from .separators import DRNMFSeparator, SupervisedNMFSeparator
from .signal import STFT, Spectrogram, Spectrograms

__all__ = [
    "STFT",
    "DRNMFSeparator",
    "SparseNMF",
    "Spectrogram",
    "Spectrograms",
    "SupervisedNMFSeparator",
    "__version__",
    "load_model",
    "save_model",
]
