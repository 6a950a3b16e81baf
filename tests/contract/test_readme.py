"""README.rst: its example and its commands work, and its picture is small."""

import re
import shlex
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sknmf_unfold import load_model
from sknmf_unfold.cli.main import parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.rst").read_text()
MAX_LINES, MAX_PICTURE_BYTES = 125, 150_000


def test_it_is_short():
    assert len(README.splitlines()) <= MAX_LINES


def test_the_example_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    [code] = re.findall(r"code-block:: python\n\n((?: {4}.*\n|\n)+)", README)
    # Less to train on, in a shorter time.
    for long, short in (("make_noisy_speech(20,", "make_noisy_speech(5,"), ("=10)", "=1)")):
        assert long in code
        code = code.replace(long, short)
    names: dict = {}
    exec(textwrap.dedent(code), names)
    assert np.isfinite(float(capsys.readouterr().out))
    [first] = load_model("model.skops").predict(names["X_test"][:1])
    np.testing.assert_array_equal(first, names["pipe"].predict(names["X_test"][:1])[0])
    assert 0 < np.std(names["enhanced"]) < 1


def commands():
    """Arguments of every command of the package."""
    for line in re.findall(r"^ {4}.*python -m sknmf_unfold(.*)$", README, re.MULTILINE):
        yield shlex.split(line, comments=True)


@pytest.mark.parametrize("arguments", list(commands()), ids=" ".join)
def test_the_parser_takes_the_commands(arguments):
    assert callable(parser("prog").parse_args(arguments).run)


def test_the_first_command_is_all_that_a_new_reader_needs():
    first = re.search(r"^ {4}(python -m .*)$", README, re.MULTILINE)[1]
    assert first == (
        'python -m pip install -c constraints.txt ".[demo]" && python -m sknmf_unfold separate'
    )


def test_the_picture():
    [name] = re.findall(r"^\.\. image:: (.*)$", README, re.MULTILINE)
    assert (ROOT / name).stat().st_size < MAX_PICTURE_BYTES
    with Image.open(ROOT / name) as image:
        assert image.width > 2 * image.height > 200
