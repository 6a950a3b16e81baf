"""Separators: estimators that map mixtures to the target."""

from .baselines import LSTMSeparator
from .drnmf import DRNMFSeparator
from .supervised_nmf import SupervisedNMFSeparator

__all__ = ["DRNMFSeparator", "LSTMSeparator", "SupervisedNMFSeparator"]
