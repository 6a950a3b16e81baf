"""The benchmark of memory on files, on less than a minute of them."""

import re

import pytest

from benchmarks import scale_memory


def test_files_are_repeated_under_new_names(tmp_path):
    scale_memory.write_hours(tmp_path, (0.004, 0.012), quick=True)
    counts = [len(list((tmp_path / n / "noisy").iterdir())) for n in ("0.004", "0.012")]
    assert counts == [4, 12]
    names = [sorted(p.name for p in (tmp_path / "0.012" / x).iterdir()) for x in ("noisy", "clean")]
    assert names[0] == names[1] and len(set(names[0])) == 12


@pytest.mark.slow
def test_quick_table(monkeypatch):
    monkeypatch.setattr(scale_memory, "QUICK_HOURS", (0.004,))
    monkeypatch.setattr(scale_memory, "TIMEOUT", 50)
    lines = scale_memory.table(quick=True).splitlines()
    assert len(lines) == 1 + 3
    for kind, line in zip(scale_memory.KINDS, lines[1:], strict=True):
        assert re.match(rf"{kind} +0.004 +\d+ +\+0 +1.00 +[\d.]+%", line)
