"""What the tests count, for pytest's summary."""

COUNTS: dict[str, int] = {}


def count(name):
    COUNTS[name] = COUNTS.get(name, 0) + 1
