"""Separators: estimators that map mixtures to the target.

The separator of a new network inherits `_trained_separator.TrainedSeparator`. It streams by itself;
a counterpart of the network in `runtime` makes it stream without torch.
"""

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
