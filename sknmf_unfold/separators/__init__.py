"""Separators: estimators that map mixtures to the target."""

from .drnmf import DRNMFSeparator
from .supervised_nmf import SupervisedNMFSeparator

__all__ = ["DRNMFSeparator", "SupervisedNMFSeparator"]
