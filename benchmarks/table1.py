"""Train the systems of the paper's table 1 on the open speech corpus and print their rows.

    python -m benchmarks.table1 --size tenth --models snmf-200 drnmf-2x200

A model is ``snmf-N`` (sparse NMF, 200 multiplicative updates), ``drnmf-KxN`` (DR-NMF of K layers)
or ``lstm-KxN`` (an LSTM of K layers of N units); for the others N counts the components of both
sources, as in the paper. DR-NMF starts from the NMF of the same N. Networks stop on the loss of the
development set; the test set is looked at once.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.metrics import sdr
from sknmf_unfold.separators import LSTMSeparator

COLUMNS = (
    ("model", "{:<14}"),
    ("K", "{:>3}"),
    ("N", "{:>5}"),
    ("parameters", "{:>10}"),
    ("dev loss", "{:>9.4f}"),
    ("dev SDR", "{:>8.2f}"),
    ("test SDR", "{:>9.2f}"),
    ("dev noisy", "{:>10.2f}"),
    ("test noisy", "{:>11.2f}"),
    ("seconds", "{:>8.0f}"),
)


def parse_model(name):
    """Split ``"drnmf-2x200"`` into kind, K and N.

    Examples
    --------
    >>> parse_model("drnmf-2x200"), parse_model("snmf-200")
    (('drnmf', 2, 200), ('snmf', 0, 200))
    """
    match = re.fullmatch(r"(?:snmf-|(?:drnmf|lstm)-(\d+)x)(\d+)", name)
    if match is None or (int(match[2]) % 2 and not name.startswith("lstm")):
        raise argparse.ArgumentTypeError(
            f"{name!r}: wanted snmf-N, drnmf-KxN (both with an even N) or lstm-KxN, for example "
            f"drnmf-2x200."
        )
    return name.split("-")[0], int(match[1] or 0), int(match[2])


class Systems:
    """Fits the systems on one training set; one NMF serves every DR-NMF of its size."""

    def __init__(self, train, dev, recipe, seed, max_epochs=None):
        self.train, self.dev = train, dev
        self.recipe, self.seed, self.max_epochs = recipe, seed, max_epochs
        self.dictionaries = {}

    def fit(self, kind, n_layers, n_total):
        """Fit one system.

        Returns
        -------
        pipe : Pipeline
        n_parameters : int
            Numbers that make up the model.
        seconds : float
            Of training, the dictionaries included.
        """
        if kind == "lstm":
            return self._train(LSTMSeparator(n_layers, n_total, **self._settings()), 0.0)
        nmf, nmf_seconds = self._nmf(n_total // 2)
        if kind == "snmf":
            return make_pipeline(STFT(), nmf), nmf.components_.size, nmf_seconds
        frozen = FrozenEstimator(nmf)
        separator = DRNMFSeparator(n_layers, n_total // 2, nmf=frozen, **self._settings())
        return self._train(separator, nmf_seconds)

    def _settings(self):
        settings = {"recipe": self.recipe, "max_epochs": self.max_epochs}
        return settings | {"random_state": self.seed, "verbose": 1}

    def _train(self, separator, seconds):
        start = time.perf_counter()
        pipe = Pipeline([("stft", STFT()), ("sep", separator)])
        pipe.fit(*self.train, sep__validation_data=self.dev)
        return pipe, separator.n_parameters_, seconds + time.perf_counter() - start

    def _nmf(self, n_components):
        if n_components not in self.dictionaries:
            start = time.perf_counter()
            settings = {"inference": "mu", "random_state": self.seed, "verbose": 1}
            separator = SupervisedNMFSeparator(n_components, **settings)
            make_pipeline(STFT(), separator).fit(*self.train)
            self.dictionaries[n_components] = separator, time.perf_counter() - start
        return self.dictionaries[n_components]


def mean_loss(pipe, X, Y):
    """Mean over frames and bins of ``(Y - mask * X) ** 2`` on magnitudes."""
    stft, separator = pipe[0], pipe[-1]
    errors, count = 0.0, 0
    for x, y in zip(stft.transform(X), stft.transform(Y), strict=True):
        mask = separator.predict_mask([x])[0]
        errors += float(np.sum((y.magnitude() - mask * x.magnitude()) ** 2, dtype=np.float64))
        count += mask.size
    return errors / count


def evaluate(pipe, data):
    """Loss and mean SDR on dev, mean SDR on test, and what the mixtures had."""
    (X_dev, Y_dev), (X_test, Y_test) = data["dev"], data["test"]
    return {
        "dev loss": mean_loss(pipe, X_dev, Y_dev),
        "dev SDR": float(np.mean(sdr(Y_dev, pipe.predict(X_dev)))),
        "test SDR": float(np.mean(sdr(Y_test, pipe.predict(X_test)))),
    }


def noisy_sdr(data):
    """Mean SDR of the mixtures of dev and test."""
    return {f"{part} noisy": float(np.mean(sdr(Y, X))) for part, (X, Y) in data.items()}


def run(args):
    """Train and print one table for each condition; write the JSON."""
    facts = environment(args.seed)
    print_environment(facts)
    data = {
        condition: {
            part: open_speech.load(part, condition, cache=args.cache) for part in ("dev", "test")
        }
        for condition in args.conditions
    }
    noisy = {condition: noisy_sdr(parts) for condition, parts in data.items()}
    train = open_speech.load(args.size, cache=args.cache)
    dev = open_speech.load("dev", "matched", cache=args.cache)
    systems = Systems(train, dev, args.recipe, args.seed, args.max_epochs)
    rows = []
    for kind, n_layers, n_total in args.models:
        pipe, n_parameters, seconds = systems.fit(kind, n_layers, n_total)
        name = f"{kind}-{n_layers}x{n_total}" if n_layers else f"{kind}-{n_total}"
        row = {"model": name, "K": n_layers, "N": n_total, "parameters": n_parameters}
        row |= {"seconds": seconds, "history": getattr(pipe[-1], "history_", None)}
        for condition, parts in data.items():
            rows.append(row | {"condition": condition} | noisy[condition] | evaluate(pipe, parts))
            print_table(rows, args)
        write(args, facts, rows)


def print_table(rows, args):
    """Print the rows so far, by condition."""
    for condition in args.conditions:
        print(f"\n{args.size} / {condition}, recipe {args.recipe}; SDR in dB")
        print(" ".join(re.sub(r"\.\d?f", "", cell).format(name) for name, cell in COLUMNS))
        for row in rows:
            if row["condition"] == condition:
                print(" ".join(cell.format(row[name]) for name, cell in COLUMNS))


def write(args, facts, rows):
    """Write the rows and what they depend on as JSON."""
    path = args.json or Path(f"table1-{args.size}-{args.recipe}-{args.seed}.json")
    result = {"environment": facts, "size": args.size, "recipe": args.recipe, "rows": rows}
    path.write_text(json.dumps(result, indent=1))
    print(f"\nwritten to {path}")


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table1", description=__doc__)
    parser.add_argument("--size", choices=["tenth", "full"], default="tenth")
    parser.add_argument(
        "--models",
        nargs="+",
        type=parse_model,
        default=["snmf-200", "drnmf-2x200"],
        metavar="MODEL",
    )
    parser.add_argument(
        "--conditions", nargs="+", choices=["matched", "unseen"], default=["matched", "unseen"]
    )
    parser.add_argument("--recipe", choices=["default", "paper"], default="default")
    parser.add_argument("--max-epochs", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    parser.add_argument("--json", type=Path, default=None, help="where the results go")
    args = parser.parse_args(arguments)
    args.models = [parse_model(m) if isinstance(m, str) else m for m in args.models]
    run(args)


if __name__ == "__main__":
    main()
