"""The table of SparseNMF on Dask arrays, on tiny data."""

import pytest

from tests._bounded_python import run_python

CODE = "from benchmarks.scale_dask import table; print(table(quick=True))"


@pytest.mark.slow
def test_the_table_has_a_row_for_each_divergence_and_number_of_workers():
    method = {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}
    lines = run_python("-c", CODE, **method).splitlines()
    rows = [line.split() for line in lines[-6:]]
    assert [row[:2] for row in rows] == [[b, n] for b in "210" for n in "12"]
    # The number of workers changes nothing, and for beta = 2 the fit is that in memory.
    assert {float(row[5]) for row in rows} == {0.0}
    assert all(float(row[6]) < 1e-5 for row in rows[:2])
