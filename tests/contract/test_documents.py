"""Documents beside the site: valid reStructuredText, with links to files that exist."""

import re
from pathlib import Path

import docutils.core
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("*.rst"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documents_are_valid(page):
    settings = {"halt_level": 2, "report_level": 2}
    docutils.core.publish_string(page.read_text(), writer="null", settings_overrides=settings)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = re.findall(r"`[^`<]+<([^>`]+)>`_", page.read_text())
    files = [link.split("#")[0] for link in links if not re.match(r"https?:", link)]
    assert [file for file in files if not (page.parent / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_left_to_fill_in(page):
    assert re.findall(r"@[A-Z0-9]+@|TODO|FIXME|XXX", page.read_text()) == []
