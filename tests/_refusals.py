"""The assertion of all tests of bad input."""

import re
import traceback
from pathlib import Path

import pytest

import sknmf_unfold
from tests._counts import count

PACKAGE = str(Path(sknmf_unfold.__file__).parent)


def refuses(message, call, error=ValueError):
    """Check what a call raises, and that a line of ours (or scikit-learn's checks) raised it."""
    with pytest.raises(error, match=message) as raised:
        call()
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    # numpy's C code has no frame of its own: its errors would seem to come from the line above.
    ours = last.filename.startswith(PACKAGE) and "raise" in last.line
    checked = re.search(r"sklearn.(utils|base)|argparse", last.filename)
    assert ours or checked, f"raised in {last.filename}, line {last.lineno}: {last.line}"
    count("bad inputs refused")
