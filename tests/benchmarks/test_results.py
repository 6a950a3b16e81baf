"""Files of results: one line for each run, sorted, without copies."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from benchmarks._results import FOLDER, TABLE1_KEY, VARIANTS_KEY, add_row, find_row, read_rows

FIELDS = ("model", "seed")
VERSION_2 = FOLDER / "version2"


def row(model, seed, value=0.0):
    return {"model": model, "seed": seed, "loss": value}


def test_rows_are_read_as_they_were_added(tmp_path):
    path = tmp_path / "folder" / "rows.jsonl"
    assert read_rows(path) == []
    added = row("a", 0) | {"history": {"loss": [0.1, 1e-30, -3], "gpu": None}}
    add_row(path, added, FIELDS)
    assert read_rows(path) == [added]
    assert path.read_text() == json.dumps(added) + "\n"


def test_numbers_are_kept_to_the_last_bit(tmp_path):
    path = tmp_path / "rows.jsonl"
    values = [0.1 + 0.2, float("nan"), float("inf"), 2**53 + 1, 5e-324]
    add_row(path, row("a", 0, values), FIELDS)
    add_row(path, row("b", 0), FIELDS)
    assert list(map(repr, read_rows(path)[0]["loss"])) == list(map(repr, values))


def test_rows_are_sorted_by_their_key(tmp_path):
    path = tmp_path / "rows.jsonl"
    for model, seed in (("b", 1), ("a", 10), ("b", 0), ("a", 9)):
        add_row(path, row(model, seed), FIELDS)
    keys = [(each["model"], each["seed"]) for each in read_rows(path)]
    assert keys == [("a", 9), ("a", 10), ("b", 0), ("b", 1)]


def test_a_row_replaces_that_with_the_same_key(tmp_path):
    path = tmp_path / "rows.jsonl"
    for value, seed in ((1.0, 0), (2.0, 1), (3.0, 0)):
        add_row(path, row("a", seed, value), FIELDS)
    assert [each["loss"] for each in read_rows(path)] == [3.0, 2.0]


def test_rows_are_found_by_their_key(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert find_row(path, {"model": "a", "seed": 0}) is None
    for seed in range(3):
        add_row(path, row("a", seed, float(seed)), FIELDS)
    assert find_row(path, {"model": "a", "seed": 1})["loss"] == 1
    assert find_row(path, {"model": "b", "seed": 1}) is None


def test_an_error_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "rows.jsonl"
    add_row(path, row("a", 0), FIELDS)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        add_row(path, row("a", 1, object()), FIELDS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def add_some(path, model):
    for seed in range(20):
        add_row(path, row(model, seed), FIELDS)


@pytest.mark.slow
def test_processes_that_add_at_the_same_time_lose_no_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for job in [pool.submit(add_some, path, model) for model in "ab"]:
            job.result()
    assert len(read_rows(path)) == 40


@pytest.mark.parametrize(
    "path, fields",
    [(VERSION_2 / "table1.jsonl", TABLE1_KEY), (VERSION_2 / "variants.jsonl", VARIANTS_KEY)],
)
def test_stored_results_are_as_they_would_be_written_again(path, fields, tmp_path):
    rows = read_rows(path)
    assert len(rows) >= 10
    lines = path.read_text().splitlines()
    assert lines == [json.dumps(each) for each in rows]
    keys = [tuple(each[name] for name in fields) for each in rows]
    assert keys == sorted(set(keys))
