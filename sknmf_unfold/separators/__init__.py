"""Separators: estimators that map mixtures to the target."""

from .baselines import LSTMSeparator, RNNSeparator
from .deep_nmf import DeepNMFSeparator
from .drnmf import DRNMFSeparator
from .supervised_nmf import SupervisedNMFSeparator

__all__ = [
    "DRNMFSeparator",
    "DeepNMFSeparator",
    "LSTMSeparator",
    "RNNSeparator",
    "SupervisedNMFSeparator",
]
