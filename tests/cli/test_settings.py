"""Parameters by name on the command line."""

import pytest

from sknmf_unfold.cli._settings import distribute, parse_settings
from tests._refusals import refuses


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=3", 3),
        ("a=-3.5e2", -350.0),
        ("a=None", None),
        ("a=True", True),
        ("a=(300, 3400)", (300, 3400)),
        ("a = [1, 2] ", [1, 2]),
        ("a=paper", "paper"),
        ("a='12'", "12"),
        ("a=cuda:0", "cuda:0"),
        ("a=x=y", "x=y"),
        ("a=", ""),
        ("a=__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("a=" + "(" * 300, "(" * 300),
    ],
)
def test_values_are_literals_or_text(text, value):
    settings = parse_settings([text])
    assert settings == {"a": value} and type(settings["a"]) is type(value)


@pytest.mark.parametrize("text", ["a", "=3", "a b=3", "--a=3", "3=4", ""])
def test_no_settings(text):
    refuses("--set takes NAME=VALUE", lambda: parse_settings([text]))


def test_the_first_owner_of_a_name_gets_it():
    owners = {"mixtures": ["gain_db"], "separator": ["gain_db", "loss"]}
    parts = distribute({"gain_db": 1, "loss": 2}, owners)
    assert parts == {"mixtures": {"gain_db": 1}, "separator": {"loss": 2}}
