"""The results page of the site, the table of data in the user guide, and those of the README.

    python -m benchmarks.results_page             # writes the pages
    python -m benchmarks.results_page --readme    # prints the tables of the README
    python -m benchmarks.results_page --check     # whether all are as they would be written now

All numbers are read from ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results_tables as tables
from benchmarks.results_sentences import (
    Results,
    best,
    how_sure,
    in_short,
    machines,
    paragraph,
    read_results,
    sdr,
    section,
)
from benchmarks.results_tables import DEFAULT_LABEL, MINUTES, SIZE

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.rst"
GUIDE_TABLE = ROOT / "docs" / "guide" / "data_and_time_table.inc"
README = ROOT / "README.rst"
BEGIN, END = ".. results: begin", ".. results: end"
# Rows that the README does not have: bounds, and systems of its other table.
NOT_IN_README = ("ideal", "sparse NMF", "GTCRN-like")
COMMENT = ".. Written by: python -m benchmarks.results_page"
COMMANDS = """\
::

    python -m benchmarks.open_speech       # builds the corpus from free recordings
    python -m benchmarks.denoisers --conditions wild wild@20 --models speech speech-low-latency --weights weights
    python -m benchmarks.table1            # --help: sizes, systems and settings
    python -m benchmarks.few_minutes --cases voice music
    python -m benchmarks.results_page      # this page"""  # noqa: E501


def denoiser_section(results: Results) -> str:
    """Write the section of shipped models and other denoisers."""
    head = (
        "Condition ``wild``. Time is that of one core, frame by frame, as a "
        "part of the duration. The last columns have the recordings mixed again at 20 dB, "
        "and those of ``unseen``. ``ideal`` is the ratio mask of known sources, the bound "
        "of all masks. ``GTCRN-like`` is a network of the form of GTCRN that we trained on 15 "
        "minutes of our mixtures; sparse NMF learned from 86."
    )
    return section(
        "Shipped models beside denoisers",
        paragraph(head),
        tables.denoisers(results.denoisers, results.speeds),
        "SDR in dB by the signal-to-noise ratio of the mixture. Leave recordings above 20 dB, the "
        "last column, as they are:",
        tables.by_input_snr(results.denoisers),
        paragraph(
            "SDR in dB (PESQ) on the other conditions, which have mixtures of -6 to 9 dB, some of "
            "them with other people who speak, and on recordings that are quieter or louder:"
        ),
        tables.other_conditions(results.denoisers),
    )


def paper_section(results: Results) -> str:
    """Write the section of the systems of the paper."""
    found = tables.paper_systems(results.table1) if results.table1 else "Not measured yet."
    return section(
        "Systems of the paper",
        paragraph(
            f"Trained on {MINUTES[SIZE]} minutes of mixtures by the default recipe. ``2 x 54`` are "
            "two layers of 54 units; DR-NMF has two layers and 200 components. SDR in dB:"
        ),
        found,
        "How much data each of them needs: :doc:`guide/data_and_time`.",
    )


def few_minutes_section(results: Results) -> str:
    """Write the section of a few minutes of recordings."""
    head = (
        "Three minutes of a target and of an interference in one room, and three others to test; "
        "SDR in dB. What a model was trained for it does as well without more of it. Where the "
        "target is no speech, train from nothing."
    )
    return section(
        "Three minutes of your own", paragraph(head), tables.few_minutes(results.few_minutes)
    )


def page(results: Results) -> str:
    """Write the results page."""
    head = (
        "Which model, how good, how sure. The data are the open speech corpus, version 3: speech "
        "of many languages in music, ambience, effects and other voices, at 16 kHz. All numbers "
        "are of its part ``test``. ``matched`` has other stretches of the interference of "
        "training, ``unseen`` other recordings, ``wild`` other collections of sounds, rooms, "
        "microphones and levels. SDR is that of BSS Eval 3; PESQ (wide band, up to 4.6) tells "
        "quality, ESTOI (up to 1) intelligibility; all are means over recordings. All else that "
        "was tried is in the :doc:`notebook`."
    )
    packages = (
        "``weights`` is a folder with the published weights of GTCRN and DTLN; the packages of "
        "the others are in the extra ``bench``."
    )
    parts = [
        COMMENT,
        "Results\n=======",
        paragraph(head),
        section("In short", in_short(results)),
        denoiser_section(results),
        paper_section(results),
        few_minutes_section(results),
        section("How sure", how_sure(results)),
        section("Machine and commands", machines(results), COMMANDS, paragraph(packages)),
    ]
    return "\n\n".join(parts) + "\n"


def guide_table(results: Results) -> str:
    """Write the tables of the page of the guide on data and time."""
    rows = results.table1
    expected = (
        "SDR in dB to expect of so many minutes of mixtures, on voices, rooms, microphones and "
        f"sounds that training did not have (the mixtures have {sdr(rows, 'noisy')}), with the "
        "lambda, K and N of the row:"
    )
    time = (
        "Minutes of training on one core of the machine that the :doc:`results <../results>` "
        "name, while the other was busy: an epoch for an hour of mixtures, and the whole training "
        "on so many minutes. Sparse NMF has no epochs."
    )
    missing = "Not measured yet."
    parts = [
        COMMENT,
        paragraph(expected),
        tables.data_table(rows) if rows else missing,
        paragraph(time),
        tables.time_table(rows) if rows else missing,
        "**Two sources only** in all of them, a target and the rest. For more see :doc:`limits`.",
    ]
    return "\n\n".join(parts) + "\n"


def readme_tables(results: Results) -> str:
    """Write the tables of the README, between the comments that mark them."""
    rows = results.table1
    names = [best(rows, "LSTM") or "LSTM, 2 x 244", DEFAULT_LABEL, best(rows, "DR-NMF")]
    head = (
        f"Trained on {MINUTES[SIZE]} minutes of mixtures, SDR in dB on recordings (unseen) and on "
        "collections of sounds, rooms and levels (wild) that training did not have:"
    )
    shipped = (
        "The models that the package carries beside denoisers that people use, on wild; the last "
        "columns are wild mixed again at 20 dB, and unseen, where other people speak:"
    )
    parts = [
        BEGIN,
        paragraph(head),
        tables.readme_systems(rows, ["noisy", "sparse NMF", *filter(None, names)]),
        paragraph(shipped),
        tables.denoisers(results.denoisers, results.speeds, leave_out=NOT_IN_README),
        END,
    ]
    return "\n\n".join(parts) + "\n"


def outdated(results: Results) -> list[str]:
    """Name the files that are not as they would be written now.

    Parameters
    ----------
    results : Results

    Returns
    -------
    names : list of str
    """
    files = {PAGE: page(results), GUIDE_TABLE: guide_table(results)}
    names = [path.name for path, text in files.items() if path.read_text() != text]
    if readme_tables(results).strip() not in README.read_text():
        names.append(README.name)
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; the exit status is 1 where a page is outdated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results_page", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--readme", action="store_true", help="print the tables of the README")
    group.add_argument("--check", action="store_true", help="write nothing, name what is outdated")
    args = parser.parse_args(arguments)
    results = read_results()
    if args.readme:
        print(readme_tables(results), end="")
        return 0
    if args.check:
        names = outdated(results)
        print(f"Outdated: {', '.join(names)}" if names else "All tables are up to date.")
        return int(bool(names))
    PAGE.write_text(page(results))
    GUIDE_TABLE.write_text(guide_table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
