"""Benchmarks: one file for each question; run them as ``python -m benchmarks.NAME``."""
