"""The results page: written from the files of results, and as they are now."""

import re

import pytest

from benchmarks import results_page, results_tables
from benchmarks.denoisers_report import NO_VALUE
from benchmarks.results_page import GUIDE_TABLE, PAGE, README, guide_table, page, readme_tables
from benchmarks.results_sentences import best, read_results

RESULTS = read_results()


def row(model, sdr, variant="", size="tenth", seed=0, epochs=None, dev=0.0):
    history = {"epoch": list(range(epochs + 1)), "seconds": [60.0 * e for e in range(epochs + 1)]}
    parts = {f"test {name}": {"SDR": sdr} for name in ("matched", "unseen", "wild")}
    facts = {"size": size, "model": model, "recipe": "default", "variant": variant, "seed": seed}
    facts |= {"parameters": 1000, "seconds": 120.0, "history": history if epochs else None}
    return facts | parts | {"dev wild": {"SDR": dev}}


@pytest.mark.parametrize("path, write", [(PAGE, page), (GUIDE_TABLE, guide_table)])
def test_committed_pages_are_as_they_would_be_written_now(path, write):
    assert path.read_text() == write(RESULTS)


def test_the_readme_has_these_tables():
    if results_page.BEGIN not in README.read_text():
        pytest.skip("its tables are not marked")
    assert readme_tables(RESULTS).strip() in README.read_text()


def test_the_page_is_short():
    assert len(page(RESULTS).splitlines()) <= 200


def test_numbers_are_those_of_the_files():
    [own] = [
        r
        for r in RESULTS.denoisers
        if (r["system"], r["part"], r["condition"], r["gain"]) == ("DTLN", "test", "wild", 0)
    ]
    line = next(x for x in page(RESULTS).splitlines() if re.match(r"DTLN +\d", x))
    assert f"{own['SDR']:.2f}" in line and f"{own['PESQ']:.2f}" in line


def test_the_longest_training_counts_with_all_its_seeds():
    rows = [
        row("drnmf-2x200+", 1.0, "max_epochs=5", epochs=5),
        row("drnmf-2x200+", 3.0, epochs=50),
        row("drnmf-2x200+", 4.0, epochs=40, seed=1),
        row("drnmf-2x200+", 9.0, "n_fft=1024,n_gru_units=256", epochs=60),
        row("drnmf-2x200+", 9.0, epochs=90, size="full"),
        row("drnmf-2x200", 9.0, epochs=90),
    ]
    found = results_tables.rows_of(rows, "DR-NMF, default")
    assert [r["seed"] for r in found] == [0, 1]
    assert results_tables.sdr_cell(found, "test wild") == "3.50 ± 0.50"


def test_the_best_system_is_chosen_on_dev():
    rows = [row("lstm-2x54", 9.0, epochs=1, dev=1.0), row("lstm-2x244", 3.0, epochs=1, dev=2.0)]
    assert best(rows, "LSTM") == "LSTM, 2 x 244"
    assert best([], "LSTM") is None


def test_missing_rows_leave_dashes_in_the_table_of_data():
    rows = [row("lstm-2x54", 5.0, epochs=2, size="3min"), row("lstm-2x54", 7.0, epochs=2)]
    [line] = [x for x in results_tables.data_table(rows).splitlines() if x.startswith("LSTM")]
    assert line.split()[-3:] == ["5.00", NO_VALUE, "7.00"]


def test_time_is_for_an_hour_of_audio():
    rows = [row("lstm-2x54", 5.0, epochs=4)]
    [line] = [x for x in results_tables.time_table(rows).splitlines() if x.startswith("LSTM")]
    # A minute an epoch of 86 minutes of audio; the whole took two minutes.
    assert f"{60 / 86:.1f}" in line and "2.0 (4 epochs)" in line


def test_check_names_what_is_outdated(monkeypatch, tmp_path, capsys):
    for name, text in (("PAGE", "old"), ("GUIDE_TABLE", guide_table(RESULTS))):
        path = tmp_path / name
        path.write_text(text)
        monkeypatch.setattr(results_page, name, path)
    readme = tmp_path / "README"
    readme.write_text("before\n\n" + readme_tables(RESULTS) + "\nafter\n")
    monkeypatch.setattr(results_page, "README", readme)
    assert results_page.main(["--check"]) == 1
    assert capsys.readouterr().out == "Outdated: PAGE\n"
    assert results_page.main([]) == 0
    assert results_page.main(["--check"]) == 0
