"""Sentences of the results page, with their numbers from the files of results."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import results_tables as tables
from benchmarks._results import FOLDER, read_rows
from benchmarks.results_tables import DEFAULT_LABEL, MINUTES, SIZE, chosen, rows_of

SHIPPED = ("speech", "speech-low-latency")
PEERS = ("DTLN", "GTCRN", "RNNoise", "DeepFilterNet3")
# Seeds from which a spread is reported.
MIN_SEEDS = 3
VERSIONS = ("numpy", "scipy", "scikit-learn", "torch", "sknmf_unfold")


@dataclass
class Results:
    """Rows of the files of results."""

    denoisers: list[dict]
    speeds: list[dict]
    table1: list[dict]
    few_minutes: list[dict]
    version2: list[dict]


def read_results(folder: Path = FOLDER) -> Results:
    """Read the files of results."""
    names = ("denoisers", "denoisers_speed", "table1", "few_minutes", "version2/table1")
    return Results(*(read_rows(folder / f"{name}.jsonl") for name in names))


def paragraph(text: str) -> str:
    """Break a paragraph or an item of a list into lines.

    Examples
    --------
    >>> paragraph("- one two").splitlines()
    ['- one two']
    """
    indent = "  " if text.startswith("- ") else ""
    settings = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(text, 118, subsequent_indent=indent, **settings)


def section(title: str, *parts: str) -> str:
    """Write a section; its parts are paragraphs and tables."""
    return "\n\n".join([f"{title}\n{'-' * len(title)}", *parts])


def best(rows: Sequence[dict], start: str) -> str | None:
    """Choose the system with the highest SDR on dev, condition wild, by the start of its label."""
    labels = [label for label in tables.data_systems() if label.startswith(start)]
    found = {label: rows_of(rows, label) for label in labels}
    scores = {
        label: np.mean([row["dev wild"]["SDR"] for row in own])
        for label, own in found.items()
        if own and "dev wild" in own[0]
    }
    return max(scores, key=lambda label: scores[label]) if scores else None


def sdr(rows: Sequence[dict], label: str, condition: str = "test wild") -> str:
    """Format the SDR of a system of table 1."""
    return tables.sdr_cell(rows_of(rows, label), condition)


def each(rows: dict[str, dict], names: Sequence[str], measure: str = "SDR") -> str:
    """List a measure of some denoisers in a sentence."""
    return ", ".join(f"{rows[name][measure]:.2f} ({name})" for name in names if name in rows)


def bands_behind(wild: dict[str, dict]) -> str:
    """Name the bands of the SNR in which another denoiser is ahead of the shipped models."""
    behind = []
    for band, ours in wild["speech"]["by SNR"].items():
        found = {n: wild[n]["by SNR"][band]["SDR"] for n in PEERS if n in wild}
        name = max(found, key=lambda n: found[n], default=None)
        if name is not None and found[name] > ours["SDR"]:
            numbers = f"{found[name]:.2f} ({name}), {ours['SDR']:.2f} (speech)"
            behind.append(f"{band} dB {numbers}")
    return f" On ``wild``, too, at low SNR: {'; '.join(behind)}." if behind else ""


def in_short(results: Results) -> str:
    """Say which model is best, and by how much."""
    wild, rows = chosen(results.denoisers, "wild"), results.table1
    noisy = wild["noisy"]
    lines = [
        f"- **Speech in noise.** Mixtures have {noisy['SDR']:.2f} dB of SDR, the shipped models "
        f"{each(wild, SHIPPED)}, others {each(wild, PEERS)}.",
        f"- PESQ of the mixtures is {noisy['PESQ']:.2f}, of the models "
        f"{each(wild, (*SHIPPED, *PEERS), 'PESQ')}.",
    ]
    unseen = chosen(results.denoisers, "unseen")
    ahead = [n for n in PEERS if n in unseen and unseen[n]["SDR"] > unseen["speech"]["SDR"]]
    if ahead:
        lines += [
            "- **Not everywhere.** On mixtures of -6 to 9 dB, some of them with other people who "
            f"speak (``unseen``), others have more SDR: {each(unseen, ahead)}; the shipped models "
            f"have {each(unseen, SHIPPED)}.{bands_behind(wild)}"
        ]
    names = [best(rows, "LSTM"), DEFAULT_LABEL, best(rows, "DR-NMF")]
    found = [name for name in dict.fromkeys(names) if name and rows_of(rows, name)]
    if found:
        said = [
            f"on ``{part}`` mixtures {sdr(rows, 'noisy', f'test {part}')} dB, sparse NMF "
            f"{sdr(rows, 'sparse NMF', f'test {part}')}"
            + "".join(f", {sdr(rows, name, f'test {part}')} ({name})" for name in found)
            for part in ("wild", "unseen")
        ]
        lines += [
            f"- **Trained on {MINUTES[SIZE]} minutes**, {'; '.join(said)}. The best LSTM and the "
            "best DR-NMF were chosen on dev."
        ]
    return "\n".join(map(paragraph, lines))


def spreads(rows: Sequence[dict]) -> list[str]:
    """Format half the range of the seeds of each system that has some."""
    found = {name: rows_of(rows, name) for name in tables.data_systems()}
    return [
        f"{np.ptp([row['test matched']['SDR'] for row in own]) / 2:.2f} dB ({name})"
        for name, own in found.items()
        if len(own) >= MIN_SEEDS
    ]


def how_sure(results: Results) -> str:
    """Say how far results may be off."""
    count = chosen(results.denoisers, "wild")["noisy"]["recordings"]
    trainings = [len(rows_of(results.table1, name)) for name in tables.data_systems()]
    lines = [
        f"- Numbers are means over recordings, of ``wild`` {count}. The files of results keep no "
        "spread among recordings.",
        "- Behind ± is half the range of several trainings; without it a row is **one training**."
        if max(trainings) > 1
        else "- Every trained system, and every shipped model, is **one training**.",
    ]
    found = spreads(results.version2)
    if found:
        lines += [
            "- How far trainings differ by their seed was measured on version 2 of the corpus. "
            f"Half the range of three is {', '.join(found)}, on ``matched``. Differences as small "
            "mean nothing."
        ]
    lines += [
        "- Choices were made on dev, which has other speakers than test.",
        "- Our models were trained on the part ``train`` of this corpus, the other denoisers by "
        "their authors on other data.",
    ]
    return "\n".join(map(paragraph, lines))


def machines(results: Results) -> str:
    """Name the machines and versions of the rows."""
    said = {}
    for row in [*results.denoisers, *results.speeds, *results.table1, *results.few_minutes]:
        facts = row["environment"]
        versions = ", ".join(f"{name} {facts['versions'][name]}" for name in VERSIONS)
        processor = facts["gpu"] or f"{facts['processor']}, {facts['cores']} cores"
        said[f"- {processor}; Python {facts['python']}, {versions}."] = None
    return "\n".join(map(paragraph, said))
