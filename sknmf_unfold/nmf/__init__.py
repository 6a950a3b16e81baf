"""Sparse non-negative matrix factorisation."""

from .sparse_nmf import SparseNMF

__all__ = ["SparseNMF"]
