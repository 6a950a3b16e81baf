"""Tables of the rows that ``benchmarks.denoisers`` has measured, in reStructuredText."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks._results import read_rows
from benchmarks.denoisers_measures import MEASURES

# Cell without a value; a hyphen alone would be an item of a list in reStructuredText.
NO_VALUE = "\N{EN DASH}"
# Decimals of the measures.
FORMATS = {"SDR": ".2f", "SI-SDR": ".2f", "PESQ": ".2f", "ESTOI": ".3f"}
# The mixture comes first, the ideal mask last, the others between them by their SDR.
FIRST, LAST = "noisy", "ideal"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a simple table of reStructuredText.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequence of str
        As many cells as the header has.

    Returns
    -------
    text : str

    Examples
    --------
    >>> print(table(["system", "SDR"], [["noisy", "1.5"]]))
    ======  ===
    system  SDR
    ======  ===
    noisy   1.5
    ======  ===
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def number(value: float | None, form: str = ".2f") -> str:
    """Format a number; an en dash where there is none.

    Examples
    --------
    >>> number(1.234), number(23670, ",d")
    ('1.23', '23,670')
    >>> number(None) == number(float("nan")) == NO_VALUE
    True
    """
    return NO_VALUE if value is None or value != value else format(value, form)


def largest(rows: Sequence[dict]) -> list[dict]:
    """Choose the rows of the most recordings, for each system, part, condition and gain.

    Parameters
    ----------
    rows : sequence of dict

    Returns
    -------
    rows : list of dict
    """
    chosen: dict[tuple, dict] = {}
    for row in rows:
        key = tuple(row[name] for name in ("system", "part", "condition", "gain"))
        if key not in chosen or row["recordings"] > chosen[key]["recordings"]:
            chosen[key] = row
    return list(chosen.values())


def ordered(rows: Sequence[dict]) -> list[str]:
    """Order the systems: the mixture, the systems by their mean SDR, the ideal mask."""
    totals: dict[str, list[float]] = {}
    for row in rows:
        totals.setdefault(row["system"], []).append(row["SDR"])
    names = sorted(totals, key=lambda name: sum(totals[name]) / len(totals[name]))
    bounds = [name for name in (FIRST, LAST) if name in names]
    others = [name for name in names if name not in bounds]
    return [*bounds[:1], *others, *bounds[1:]] if FIRST in names else [*others, *bounds]


def by_columns(
    rows: Sequence[dict],
    column: Callable[[dict], str],
    cell: Callable[[dict], str],
) -> str:
    """Make a table with a line for each system.

    Parameters
    ----------
    rows : sequence of dict
    column : callable
        Names the column of a row.
    cell : callable
        Formats a row.

    Returns
    -------
    text : str
    """
    columns = list(dict.fromkeys(column(row) for row in rows))
    cells = {(row["system"], column(row)): cell(row) for row in rows}
    lines = [[name, *(cells.get((name, c), NO_VALUE) for c in columns)] for name in ordered(rows)]
    return table(["system", *columns], lines)


def quality_cell(row: dict) -> str:
    """Format SDR, SI-SDR, PESQ and ESTOI of a row."""
    return " / ".join(number(row[name], FORMATS[name]) for name in MEASURES)


def by_snr(rows: Sequence[dict]) -> str:
    """Make a table of the SDR (PESQ) by the input SNR."""
    bands = sorted({band for row in rows for band in row["by SNR"]}, key=_band_order)
    found = {row["system"]: row["by SNR"] for row in rows}
    lines = []
    for name in ordered(rows):
        values = [found[name].get(band, {}) for band in bands]
        cells = [f"{number(v.get('SDR'))} ({number(v.get('PESQ'))})" for v in values]
        lines.append([name, *cells])
    return table(["system", *(f"{band} dB" for band in bands)], lines)


def _band_order(band):
    first = band.split()[0]
    return float("-inf") if first == "below" else float(first)


def by_band(rows: Sequence[dict]) -> str:
    """Make a table of the attenuation in pauses by frequency."""
    bands = list(dict.fromkeys(band for row in rows for band in row["attenuation"]))
    found = {row["system"]: row["attenuation"] for row in rows}
    lines = [[n, *(number(found[n].get(b), ".1f") for b in bands)] for n in ordered(rows)]
    return table(["system", *bands], lines)


def properties(speeds: Sequence[dict]) -> str:
    """Make a table of size, latency and speed, the fastest first."""
    header = ["system", "rate, kHz", "weights", "kB", "delay", "latency, ms", "RTF", "RTF, frames"]
    rows = sorted(speeds, key=lambda row: row["real-time factor"])
    return table(header, [[row["system"], *_property_cells(row)] for row in rows])


def _property_cells(row):
    size = row["bytes"]
    return [
        f"{row['rate'] / 1000:g}",
        number(row["parameters"], ",d"),
        number(None if size is None else size / 1000, ",.0f"),
        str(row["delay"]),
        number(row["latency"], ".0f"),
        number(row["real-time factor"], ".4f"),
        number(row["real-time factor, streaming"], ".4f"),
    ]


def report(rows: Sequence[dict], speeds: Sequence[dict] = ()) -> str:
    """Make all tables.

    Parameters
    ----------
    rows : sequence of dict
        Of quality.
    speeds : sequence of dict
        Of speed, latency and size.

    Returns
    -------
    text : str
        In reStructuredText.
    """
    rows = largest(rows)
    parts = []
    for part in dict.fromkeys(row["part"] for row in rows):
        own = [row for row in rows if row["part"] == part]
        plain = [row for row in own if row["gain"] == 0]
        counts = {row["condition"]: row["recordings"] for row in plain}
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        parts += [f"{part}: SDR / SI-SDR in dB / PESQ / ESTOI (recordings: {said})"]
        parts += [by_columns(plain, lambda row: row["condition"], quality_cell)]
        for condition in counts:
            parts += _condition(part, condition, own)
    if speeds:
        parts += ["Delay in samples at the rate of the system; RTF: time over duration, one core"]
        parts += [properties(speeds)]
    return "\n\n".join(parts)


def _condition(part, condition, rows):
    rows = [row for row in rows if row["condition"] == condition]
    plain = [row for row in rows if row["gain"] == 0]
    parts = []
    if len({row["gain"] for row in rows}) > 1:
        parts += [f"{part} {condition}: SDR in dB (PESQ) by gain"]
        gains = sorted(rows, key=lambda row: row["gain"])
        parts += [by_columns(gains, lambda row: f"{row['gain']:+g} dB", _sdr_and_pesq)]
    if "@" not in condition:
        parts += [f"{part} {condition}: SDR in dB (PESQ) by the SNR of the mixture", by_snr(plain)]
        parts += [f"{part} {condition}: attenuation in pauses, dB", by_band(plain)]
    return parts


def _sdr_and_pesq(row):
    return f"{number(row['SDR'])} ({number(row['PESQ'])})"


def print_report(path: Path, speeds: Path) -> None:
    """Print the tables of the files of results."""
    rows = read_rows(path)
    print(report(rows, read_rows(speeds)) if rows else f"{path} has no rows.")
