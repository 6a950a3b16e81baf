"""Tables of the results page, of the README and of the user guide, from the files of results."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from benchmarks.denoisers_report import NO_VALUE, number, ordered, table

# Minutes of mixtures in the training sets of `benchmarks.table1`.
MINUTES = {"3min": 3, "15min": 15, "tenth": 86, "full": 864}
# Training sets of the tables of data and time.
DATA_SIZES = ("3min", "15min", "tenth")
# The training set whose rows the tables of systems have.
SIZE = "tenth"
# Systems of table 1: label, model, and settings that belong to the model.
PAPER_SYSTEMS = (
    ("noisy", "noisy", {}),
    ("sparse NMF", "snmf-200", {}),
    ("LSTM, 2 x 54", "lstm-2x54", {}),
    ("LSTM, 2 x 244", "lstm-2x244", {}),
    ("DR-NMF of the paper", "drnmf-2x200", {}),
    ("DR-NMF, default", "drnmf-2x200+", {}),
    ("DR-NMF, 256 GRU units, 64 ms", "drnmf-2x200+", {"n_gru_units": "256", "n_fft": "1024"}),
    ("ideal mask", "ideal", {}),
)
DEFAULT_LABEL = "DR-NMF, default"
# Settings that make another model; the others are those of training.
MODEL_SETTINGS = ("n_fft", "n_gru_units", "nmf", "evidence", "level_frames", "loss", "remix")
FEW_MINUTES_CASES = {
    "voice": "a voice, and music beside it",
    "music": "music, and a voice beside it",
}
FEW_MINUTES_SYSTEMS = ("sparse NMF", "from nothing", "as shipped", "shipped, trained on")


def settings_of(variant: str) -> dict[str, str]:
    """Split the name of a variant into settings.

    Examples
    --------
    >>> settings_of("max_epochs=15,speed_factors=[0.9, 1],n_fft=1024")
    {'max_epochs': '15', 'speed_factors': '[0.9, 1]', 'n_fft': '1024'}
    >>> settings_of("")
    {}
    """
    parts = re.split(r",(?=\w+=)", variant) if variant else []
    return dict(part.split("=", 1) for part in parts)


def rows_of(rows: Sequence[dict], label: str, size: str = SIZE) -> list[dict]:
    """Choose the trainings of a system: all seeds of the variant that trained longest.

    Parameters
    ----------
    rows : sequence of dict
        Of table 1.
    label : str
        One of `PAPER_SYSTEMS`.
    size : str
        Training set.

    Returns
    -------
    rows : list of dict
        Empty where nothing was measured.
    """
    model, wanted = next((m, s) for name, m, s in PAPER_SYSTEMS if name == label)
    found: dict[str, list[dict]] = {}
    for row in rows:
        settings = settings_of(row["variant"])
        of_model = {name: settings[name] for name in MODEL_SETTINGS if name in settings}
        key = row["size"], row["model"], row["recipe"]
        if key == (size, model, "default") and of_model == wanted:
            found.setdefault(row["variant"], []).append(row)
    return max(found.values(), key=_length, default=[])


def _length(rows):
    """Most epochs first, then most seeds."""
    return max(epochs_of(row) or 0 for row in rows), len(rows)


def mean_and_range(values: Sequence[float]) -> str:
    """Format a mean, and half the range where there are several values.

    Examples
    --------
    >>> mean_and_range([1.0, 2.0]), mean_and_range([3.0])
    ('1.50 ± 0.50', '3.00')
    """
    if not values:
        return NO_VALUE
    mean = number(float(np.mean(values)))
    return mean if len(values) == 1 else f"{mean} ± {(max(values) - min(values)) / 2:.2f}"


def sdr_cell(rows: Sequence[dict], condition: str) -> str:
    """Format the SDR of trainings in a part and condition, such as ``"test wild"``."""
    return mean_and_range([row[condition]["SDR"] for row in rows if condition in row])


def epochs_of(row: dict) -> int | None:
    """Count the epochs of a training; None where nothing is trained in epochs."""
    history = row.get("history")
    return None if not history else len(history["epoch"]) - 1


def weights_cell(rows: Sequence[dict]) -> str:
    """Format the number of weights; a dash where there are none."""
    return number(rows[0]["parameters"] or None, ",d") if rows else NO_VALUE


def paper_systems(rows: Sequence[dict]) -> str:
    """Make the table of the systems of the paper, on all conditions."""
    header = ["system", "weights", "epochs", "trainings", "matched", "unseen", "wild"]
    lines = []
    for label, *_ in PAPER_SYSTEMS:
        found = rows_of(rows, label)
        if not found:
            continue
        trained = found[0]["parameters"] > 0
        cells = [number(epochs_of(found[0]), "d"), str(len(found)) if trained else NO_VALUE]
        conditions = (sdr_cell(found, f"test {name}") for name in ("matched", "unseen", "wild"))
        lines.append([label, weights_cell(found), *cells, *conditions])
    return table(header, lines)


def data_systems() -> list[str]:
    """List the labels of systems that are trained."""
    return [label for label, model, _ in PAPER_SYSTEMS if model not in ("noisy", "ideal")]


def data_table(rows: Sequence[dict]) -> str:
    """Make the table of the SDR by minutes of recordings."""
    lines = [
        [label, *size_cells(label), *(sdr_cell(own, "test wild") for own in found.values())]
        for label, found in _by_size(rows).items()
    ]
    header = ["system", "lambda", "K", "N"]
    return table([*header, *(f"{MINUTES[size]} minutes" for size in DATA_SIZES)], lines)


def _by_size(rows):
    """Find the trainings of each system that has some, by the training set."""
    found = {
        label: {size: rows_of(rows, label, size) for size in DATA_SIZES} for label in data_systems()
    }
    return {label: own for label, own in found.items() if any(own.values())}


def size_cells(label: str) -> tuple[str, str, str]:
    """Return lambda, K and N of a system; a dash where it has none.

    Examples
    --------
    >>> size_cells("DR-NMF, default"), set(size_cells("LSTM, 2 x 54")) == {NO_VALUE}
    (('1', '2', '200'), True)
    """
    model, settings = next((m, s) for name, m, s in PAPER_SYSTEMS if name == label)
    if model.startswith("lstm"):
        return NO_VALUE, NO_VALUE, NO_VALUE
    layers, components = re.findall(r"-(?:(\d+)x)?(\d+)", model)[0]
    return settings.get("sparsity", "1"), layers or NO_VALUE, components


def time_table(rows: Sequence[dict]) -> str:
    """Make the table of the time of training."""
    lines = [
        [label, _per_hour(found), *map(_minutes, found.values())]
        for label, found in _by_size(rows).items()
    ]
    header = ["system", "an epoch, per hour"]
    return table([*header, *(f"of {MINUTES[size]} minutes" for size in DATA_SIZES)], lines)


def _minutes(rows):
    if not rows:
        return NO_VALUE
    minutes = float(np.mean([row["seconds"] for row in rows])) / 60
    epochs = epochs_of(rows[0])
    return f"{minutes:.1f}" if epochs is None else f"{minutes:.1f} ({epochs} epochs)"


def _per_hour(found):
    """Format the minutes that an epoch takes for an hour of audio, on the largest set."""
    for size in reversed(found):
        for row in found[size]:
            if epochs_of(row):
                seconds = row["history"]["seconds"][-1] - row["history"]["seconds"][0]
                return f"{seconds / epochs_of(row) / MINUTES[size]:.1f}"
    return NO_VALUE


def chosen(rows: Sequence[dict], condition: str, gain: float = 0.0) -> dict[str, dict]:
    """Choose the rows of denoisers on a condition of test, by the system.

    Parameters
    ----------
    rows : sequence of dict
    condition : str
    gain : float
        Of the mixtures, in dB.

    Returns
    -------
    rows : dict
    """
    wanted = ("test", condition, gain)
    return {r["system"]: r for r in rows if (r["part"], r["condition"], r["gain"]) == wanted}


def denoisers(rows: Sequence[dict], speeds: Sequence[dict], leave_out: Sequence[str] = ()) -> str:
    """Make the table of denoisers on the condition wild."""
    wild, clean, unseen = (chosen(rows, name) for name in ("wild", "wild@20", "unseen"))
    speed = {row["system"]: row for row in speeds}
    header = ["system", "weights", "latency, ms", "of real time"]
    header += ["SDR, dB", "SI-SDR", "PESQ", "ESTOI", "SDR at 20 dB", "SDR unseen"]
    lines = []
    for name in ordered(list(wild.values())):
        own, fast = wild[name], speed.get(name, {})
        cells = [number(fast.get("parameters"), ",d"), number(fast.get("latency"), ".0f")]
        cells += [number(fast.get("real-time factor, streaming"), ".3f")]
        cells += [number(own[m]) for m in ("SDR", "SI-SDR", "PESQ")] + [f"{own['ESTOI']:.3f}"]
        cells += [number(own.get(name, {}).get("SDR")) for own in (clean, unseen)]
        if name not in leave_out:
            lines.append([name, *cells])
    return table(header, lines)


def other_conditions(rows: Sequence[dict]) -> str:
    """Make the table of SDR and PESQ of denoisers on the other conditions, and at other levels."""
    columns = {"matched": ("matched", 0.0), "unseen": ("unseen", 0.0)}
    columns |= {"wild, 20 dB quieter": ("wild", -20.0), "wild, 10 dB louder": ("wild", 10.0)}
    found = {name: chosen(rows, *column) for name, column in columns.items()}
    lines = [
        [name, *(_sdr_and_pesq(own.get(name)) for own in found.values())]
        for name in ordered(list(chosen(rows, "wild").values()))
    ]
    return table(["system", *columns], lines)


def _sdr_and_pesq(row):
    return NO_VALUE if row is None else f"{row['SDR']:.2f} ({row['PESQ']:.2f})"


def by_input_snr(rows: Sequence[dict]) -> str:
    """Make the table of the SDR of denoisers by the SNR of the mixture."""
    wild = chosen(rows, "wild")
    bands = sorted({band for row in wild.values() for band in row["by SNR"]}, key=_lowest)
    lines = [
        [name, *(number(wild[name]["by SNR"].get(band, {}).get("SDR")) for band in bands)]
        for name in ordered(list(wild.values()))
    ]
    return table(["system", *(f"{band} dB" for band in bands)], lines)


def _lowest(band):
    first = band.split()[0]
    return float("-inf") if first == "below" else float(first)


def few_minutes(rows: Sequence[dict]) -> str:
    """Make the table of three minutes of target and interference."""
    found = {(row["case"], row["system"]): row for row in rows}
    lines = []
    for case, said in FEW_MINUTES_CASES.items():
        own = [found.get((case, system), {}).get("SDR") for system in FEW_MINUTES_SYSTEMS]
        noisy = next((row["noisy"] for row in rows if row["case"] == case), None)
        lines.append([said, number(noisy), *map(number, own)])
    return table(["target and interference", "mixtures", *FEW_MINUTES_SYSTEMS], lines)


def readme_systems(rows: Sequence[dict], labels: Sequence[str]) -> str:
    """Make the table of some systems of the paper for the README."""
    lines = []
    for label in dict.fromkeys(labels):
        own = rows_of(rows, label)
        conditions = [sdr_cell(own, f"test {name}") for name in ("unseen", "wild")]
        lines.append([label, weights_cell(own), *conditions])
    return table(["system", "weights", "unseen", "wild"], lines)
