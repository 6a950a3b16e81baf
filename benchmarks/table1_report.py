"""Tables and learning curves of all systems that ``benchmarks.table1`` has trained.

python -m benchmarks.table1_report --plot docs/learning_curves.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks._results import FOLDER, read_rows

RESULTS = FOLDER / "table1.jsonl"
CONDITIONS = ("matched", "unseen", "wild", "random gain")


def group(rows, condition=None):
    """Group the seeds of each system, of all rows or of those measured in a condition."""
    groups = {}
    for row in rows:
        if condition is not None and f"test {condition}" not in row:
            continue
        key = tuple(row[name] for name in ("size", "model", "recipe", "variant"))
        groups.setdefault(key, []).append(row)
    return groups


def measured(rows):
    """List the conditions in which any of the rows was measured."""
    return [condition for condition in CONDITIONS if group(rows, condition)]


def spread(values):
    """Format the mean, and half the range, of values in dB.

    Examples
    --------
    >>> spread([1.0, 2.0]), spread([3.0])
    (' 1.50+-0.50', ' 3.00      ')
    """
    mean = np.mean(values)
    if len(values) == 1:
        return f"{mean:5.2f}      "
    return f"{mean:5.2f}+-{(max(values) - min(values)) / 2:.2f}"


def describe(recipe, variant):
    """Name recipe and settings; those of the default recipe have no name."""
    return variant if recipe == "default" else f"{recipe} {variant}"


def settings_width(rows):
    """Compute the width of the column of settings, in characters."""
    names = ["settings", *(describe(row["recipe"], row["variant"]) for row in rows)]
    return max(len(name) for name in names) + 2


def print_rows(rows):
    """Print a table for each condition: means over the seeds, +- half their range."""
    width = settings_width(rows)
    for condition in measured(rows):
        print(f"\n{condition}: SDR and SI-SDR in dB, loss of dev")
        print(
            f"{'size':<6}{'model':<15}{'settings':<{width}}{'seeds':>5}{'parameters':>11}"
            f"{'dev SDR':>13}{'test SDR':>13}{'test SI-SDR':>13}{'dev loss':>9}{'seconds':>8}"
        )
        for (size, model, recipe, variant), members in group(rows, condition).items():
            dev = [row[f"dev {condition}"] for row in members]
            test = [row[f"test {condition}"] for row in members]
            loss = np.mean([part.get("loss", np.nan) for part in dev])
            settings = describe(recipe, variant)
            print(
                f"{size:<6}{model:<15}{settings:<{width}}{len(members):>5}"
                f"{members[0]['parameters']:>11}  {spread([x['SDR'] for x in dev])}"
                f"  {spread([x['SDR'] for x in test])}  {spread([x['SI-SDR'] for x in test])}"
                f"{loss:>9.4f}{np.mean([row['seconds'] for row in members]):>8.0f}",
            )


def print_by_snr(rows):
    """Print the SDR on test for each input SNR."""
    width = settings_width(rows)
    for condition in measured(rows):
        groups = group(rows, condition)
        snrs = sorted(
            {
                snr
                for members in groups.values()
                for snr in members[0][f"test {condition}"]["SDR by SNR"]
            },
            key=float,
        )
        print(f"\n{condition}: test SDR in dB by the signal-to-noise ratio of the mixture")
        print(f"{'size':<6}{'model':<15}{'settings':<{width}}" + "".join(f"{s:>7}" for s in snrs))
        for (size, model, recipe, variant), members in groups.items():
            settings = describe(recipe, variant)
            values = [
                np.mean([row[f"test {condition}"]["SDR by SNR"][snr] for row in members])
                for snr in snrs
            ]
            cells = "".join(f"{value:>7.2f}" for value in values)
            print(f"{size:<6}{model:<15}{settings:<{width}}" + cells)


def plot(rows, path):
    """Draw the losses on training and development set against the epochs; DR-NMF's are solid."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    groups = [
        (key, next(row for row in members if row.get("history")))
        for key, members in group(rows).items()
        if any(row.get("history") for row in members)
    ]
    # Colours are counted among the solid and among the dashed lines.
    kinds = ["-" if model.startswith("drnmf") else "--" for (_, model, *_), _ in groups]
    styles = [(kind, f"C{kinds[:i].count(kind)}") for i, kind in enumerate(kinds)]
    settings = {"figsize": (10, 6), "sharex": True, "sharey": True, "layout": "constrained"}
    fig, axes = plt.subplots(1, 2, **settings)
    for ax, name, title in zip(
        axes, ("train_loss", "validation_loss"), ("training", "development"), strict=True
    ):
        for ((size, model, _, variant), row), (kind, color) in zip(groups, styles, strict=True):
            history = row["history"]
            label = " ".join(part for part in (model, size, variant) if part)
            ax.plot(history["epoch"], history[name], kind, color=color, label=label)
            if name == "validation_loss":
                best = row["best epoch"]
                ax.plot(best, history[name][best], "o", color=color)
        ax.set(title=title, xlabel="Epoch", ylabel="Loss")
        ax.label_outer()
        ax.grid(alpha=0.3)
    lines = axes[1].get_legend_handles_labels()
    fig.legend(*lines, loc="outside lower center", fontsize="small")
    fig.savefig(path, dpi=110)


def main(arguments=None):
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table1_report", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the results")
    parser.add_argument("--models", nargs="+", default=None, help="only these")
    parser.add_argument("--variants", nargs="+", default=None, help="only these, '' for none")
    parser.add_argument("--plot", type=Path, default=None, help="file of the curves")
    args = parser.parse_args(arguments)
    rows = [
        row
        for row in read_rows(args.results)
        if (args.models is None or row["model"] in args.models)
        and (args.variants is None or row["variant"] in args.variants)
    ]
    print_rows(rows)
    print_by_snr(rows)
    if args.plot is not None:
        plot(rows, args.plot)


if __name__ == "__main__":
    main()
