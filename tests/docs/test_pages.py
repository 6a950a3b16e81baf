"""Pages of the site: reachable, complete, and with code that runs. Building it checks its links."""

import ast
import importlib
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from sknmf_unfold import datasets
from sknmf_unfold.datasets import make_noisy_speech, save_audio

DOCS = Path(__file__).parents[2] / "docs"
# Written by the build, or pages of another tool.
NO_PAGES = {"auto_examples", "generated", "examples", "_templates"}
PAGES = sorted(p for p in DOCS.rglob("*.rst") if p.relative_to(DOCS).parts[0] not in NO_PAGES)
TOCTREE = re.compile(r"^\.\. toctree::\n((?: +.*\n|\n)+)", re.MULTILINE)
CODE = re.compile(r"^\.\. code-block:: python\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)


def name_of(page):
    return page.relative_to(DOCS).with_suffix("").as_posix()


def toctree_entries(page):
    """Names of the pages in the toctrees of a page."""
    for block in TOCTREE.findall(page.read_text()):
        for line in textwrap.dedent(block).splitlines():
            if line.strip() and not line.startswith(":"):
                yield (page.parent / line.strip()).relative_to(DOCS).as_posix()


def code_blocks(page):
    return [textwrap.dedent(code) for code in CODE.findall(page.read_text())]


BLOCKS = {f"{name_of(p)}-{i}": code for p in PAGES for i, code in enumerate(code_blocks(p))}


def test_every_page_is_in_one_toctree():
    entries = [entry for page in PAGES for entry in toctree_entries(page)]
    assert sorted(set(entries)) == sorted(entries)
    assert {name_of(page) for page in PAGES} - {"index"} <= set(entries)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_left_to_fill_in(page):
    assert re.findall(r"@[A-Z0-9]+@|TODO|FIXME|XXX", page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_are_those_of_sphinx(page):
    """A link to the source of a page would lead nowhere in the site."""
    assert re.findall(r"<[^>]*\.rst[^>]*>`_", page.read_text()) == []


def test_there_are_blocks_of_code():
    assert len(BLOCKS) > 15


@pytest.mark.parametrize("name", BLOCKS)
def test_code_imports_names_that_exist(name):
    for node in ast.walk(ast.parse(BLOCKS[name])):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert [a.name for a in node.names if not hasattr(module, a.name)] == []


@pytest.fixture
def small_data(monkeypatch, tmp_path):
    """Files that the pages name, and generated speech of a second."""

    def short(n_samples=3, *, duration=1.0, **kwargs):
        return make_noisy_speech(min(n_samples, 4), duration=min(duration, 1.0), **kwargs)

    monkeypatch.setattr(datasets, "make_noisy_speech", short)
    monkeypatch.chdir(tmp_path)
    noisy, clean = short(random_state=0)
    folders = {"noisy": noisy, "clean": clean, "noise": noisy, "voices": clean, "noises": noisy}
    for folder, recordings in folders.items():
        Path(folder).mkdir()
        for i, recording in enumerate(recordings):
            save_audio(Path(folder) / f"{i}.wav", recording, 16000)
    save_audio("noisy.wav", noisy[0], 16000)
    rows = [f"noisy/{i}.wav,clean/{i}.wav,{i}" for i in range(3)]
    Path("manifest.csv").write_text("\n".join(["noisy,clean,speaker", *rows]) + "\n")
    return {"clean": clean, "noise": noisy, "X": noisy, "Y": clean, "np": np}


# Blocks that define all that they use, but for the files and recordings of `small_data`.
COMPLETE = [
    name
    for name, code in BLOCKS.items()
    if re.match(r"(getting_started|guide/(own_loss|nmf|own_data|scikit_learn))-", name)
    and "import" in code
    and "simulate_rooms" not in code
    and 'load_pretrained("speech").set' not in code
]


# Dask takes another port where tests beside this one have a cluster.
@pytest.mark.filterwarnings("ignore:Port 8787 is already in use:UserWarning")
@pytest.mark.parametrize("name", COMPLETE)
def test_complete_blocks_run(name, small_data, capsys):
    code = re.sub(r"DRNMFSeparator\((?!\))", "DRNMFSeparator(n_components=5, ", BLOCKS[name])
    code = code.replace("DRNMFSeparator()", "DRNMFSeparator(n_components=5, max_epochs=1)")
    code = code.replace("[100, 1000]", "[4, 5]")
    exec(code, dict(small_data))


def test_the_pages_with_complete_blocks_have_some():
    assert {name.rsplit("-", 1)[0] for name in COMPLETE} == {
        "getting_started",
        "guide/nmf",
        "guide/own_data",
        "guide/own_loss",
        "guide/scikit_learn",
    }
