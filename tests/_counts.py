"""Counts of what the tests tried, for pytest's summary."""

COUNTS: dict[str, int] = {}


def count(name):
    COUNTS[name] = COUNTS.get(name, 0) + 1
