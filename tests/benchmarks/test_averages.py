import numpy as np
import pytest

from benchmarks.averages import averages
from sknmf_unfold.metrics import sdr


def test_errors_that_have_nothing_in_common_halve():
    rng = np.random.default_rng(0)
    Y = [rng.standard_normal(8000) for _ in range(2)]
    estimates = [[y + rng.standard_normal(8000) for y in Y] for _ in range(2)]
    results = averages([*estimates, estimates[0]], Y)
    assert list(results) == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    for i in range(2):
        assert results[i,] == pytest.approx(np.mean(sdr(Y, estimates[i])))
    assert results[0, 2] == pytest.approx(results[0,])
    # Half the energy of the error; the filter of the metric explains a little of both.
    assert results[0, 1] - results[0,] == pytest.approx(10 * np.log10(2), abs=0.3)
