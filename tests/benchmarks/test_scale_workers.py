"""Tables of searches and of threads in workers, on tiny data with workers in this process."""

import re

import pytest

from benchmarks import scale_search, scale_threads

pytestmark = pytest.mark.slow


def rows(table):
    """First numbers of the lines that end with numbers, by the text before them."""
    found = re.findall(r"^ +(.+?) {2,}([-\d.e+]+)", table, flags=re.MULTILINE)
    return {name: float(number) for name, number in found}


def test_the_table_of_searches():
    found = rows(scale_search.table(quick=True))
    assert found["largest difference of scores to serial, dB"] == 0
    lists, scattered, spectrograms, files = (found[way] for way in scale_search.WAYS)
    assert lists > 2 * max(scattered, spectrograms) and files < scattered


def test_the_table_of_threads():
    found = rows(scale_threads.table(quick=True))
    assert len(found) == 2 + 2 * len(scale_threads.WORKS)
    assert min(found.values()) > 0
