"""Numbers and choices: values that are valid, and the messages of those that are not."""

import numpy as np
import pytest

from sknmf_unfold.validation.options import check_choice
from sknmf_unfold.validation.parameters import check_number


@pytest.mark.parametrize(
    ("value", "bounds", "error", "message"),
    [
        (0, {"low": 1, "integer": True}, ValueError, r"`n` must be a whole number >= 1; got 0\.$"),
        (1.0, {"integer": True}, TypeError, r"`n` must be a whole number; got 1.0 \(float\)\.$"),
        (True, {"integer": True}, TypeError, r"`n` must be a whole number; got True \(bool\)\.$"),
        (np.True_, {}, TypeError, r"`n` must be a finite number; got .*True.* \(bool.*\)\.$"),
        ("3", {}, TypeError, r"`n` must be a finite number; got '3' \(str\)\.$"),
        (None, {"low": 0}, TypeError, r"`n` must be a finite number >= 0; got None \(NoneType\)"),
        (1j, {}, TypeError, r"`n` must be a finite number; got 1j \(complex\)\.$"),
        (np.ones(1), {}, TypeError, r"`n` must be a finite number; got array\(\[1\.\]\) \(ndarray"),
        (np.nan, {}, ValueError, r"`n` must be a finite number; got nan\.$"),
        (np.nan, {"low": 0, "high": 1}, ValueError, r"a finite number >= 0 and <= 1; got nan\.$"),
        (-np.inf, {}, ValueError, r"`n` must be a finite number; got -inf\.$"),
        (-0.1, {"low": 0}, ValueError, r"`n` must be a finite number >= 0; got -0\.1\.$"),
        (0, {"low": 0, "open_low": True}, ValueError, r"`n` must be a finite number > 0; got 0\.$"),
        (1.1, {"high": 1}, ValueError, r"`n` must be a finite number <= 1; got 1\.1\.$"),
        (9, {"low": 1, "high": 8, "integer": True}, ValueError, r"number >= 1 and <= 8; got 9\.$"),
    ],
)
def test_number_is_refused(value, bounds, error, message):
    with pytest.raises(error, match=message):
        check_number("n", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (1, {"low": 1, "high": 1, "integer": True}),
        (np.int8(3), {"integer": True}),
        (0, {"low": 0}),
        (np.float32(1e-30), {"low": 0, "open_low": True}),
        (-5, {}),
        (0.9, {"low": 0, "high": 0.9}),
    ],
)
def test_number_is_taken(value, bounds):
    check_number("n", value, **bounds)


def test_choice():
    check_choice("inference", "mu", ["mu", "ista"])
    for value in ("fista", None, 3, ["mu"], np.ones(2)):
        with pytest.raises(ValueError, match=r"`inference` must be one of 'mu', 'ista'; got "):
            check_choice("inference", value, ["mu", "ista"])
