"""Training of the systems of the paper's table 1 on the open speech corpus or CHiME2.

    python -m benchmarks.table1 --size tenth --models snmf-200 drnmf-2x200 --seeds 0 1 2

A model is ``noisy`` (the mixtures as they are), ``ideal`` (the ideal ratio mask), ``snmf-N``
(sparse NMF, 200 multiplicative updates), ``drnmf-KxN`` (DR-NMF of K layers, as in the paper),
``drnmf-KxN+`` (with the dynamics and the context of the default recipe), ``deepnmf-KxN`` (deep NMF
of K updates), ``lstm-KxN`` or ``rnn-KxN`` (an LSTM or ReLU RNN of K layers of N units); for the
others N counts the components of both sources, as in the paper. DR-NMF starts from the NMF of the
same N. Networks stop on the loss of the development set; test is printed beside it, not used.
``--size 3min`` and ``15min`` take so many minutes of the training set ``tenth`` (86 minutes), and
stop on a fifth of them, at least two minutes, of the development set.

Each system and seed is a line of ``results/table1.jsonl``, and is not trained again where that line
exists. ``--set remix=True loss=snr`` gives parameters to the networks; ``nmf=random`` starts DR-NMF
from random dictionaries, and ``n_fft=1024 hop_length=256`` are the STFT's, for all systems
(``sequence_length`` counts frames). ``level_frames`` is that of all systems, too: ``--set
level_frames=0 gain_db=[0.0]`` trains on the levels as they are, as the tables of version 2 were,
and ``--random-gain`` also measures all systems on mixtures that are louder or quieter than those of
the corpus. ``--keep FOLDER`` stores the fitted pipelines too, for
`benchmarks.difficulty`; with ``--checkpoints FOLDER`` a training that was killed resumes from its
last epoch when the same command is given again. ``--dictionaries FOLDER`` stores fitted NMFs, from
which DR-NMF starts; what either of the two folders has is only measured, not trained again.
``python -m benchmarks.table1_report`` prints all rows; those of version 2 of the corpus are in
``results/version2``. ``--chime2 FOLDER`` takes that corpus, see
`benchmarks.chime2`.
"""

from __future__ import annotations

import argparse
import ast
import functools
import json
import re
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks import chime2, open_speech
from benchmarks._environment import environment, print_environment
from benchmarks._results import TABLE1_KEY, add_row, find_row
from benchmarks.table1_report import RESULTS, print_rows
from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.metrics import sdr, si_sdr
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator
from sknmf_unfold.signal.masks import ratio_masks

PARTS = ("dev", "test")
STACKED = {"lstm": LSTMSeparator, "rnn": RNNSeparator}
UNFOLDED = {"drnmf": DRNMFSeparator, "drnmf+": DRNMFSeparator, "deepnmf": DeepNMFSeparator}
# The model of the paper; the default recipe has more.
PAPER = {"dynamics": "identity", "context": 1, "evidence": False}
# Bounds of the random gain.
GAINS_DB = (-20, 10)
# Minutes of smaller training sets, and the least of the development set that they stop on.
MINUTES = {"3min": 3, "15min": 15}
MIN_DEV_MINUTES = 2
STFT_PARAMETERS = ("n_fft", "hop_length")
# Settings of sparse NMF, and so of all systems that start from one.
NMF_PARAMETERS = (*STFT_PARAMETERS, "level_frames")


def parse_model(name):
    """Split ``"drnmf-2x200+"`` into kind, K and N.

    Examples
    --------
    >>> parse_model("drnmf-2x200"), parse_model("drnmf-2x200+"), parse_model("snmf-200")
    (('drnmf', 2, 200), ('drnmf+', 2, 200), ('snmf', 0, 200))
    """
    match = re.fullmatch(r"(noisy|ideal)()()|(snmf)-()(\d+)|([a-z]+)-(\d+)x(\d+)", name.rstrip("+"))
    kind, k, n = (part for part in match.groups() if part is not None) if match else ("", "", "")
    kind += name[len(name.rstrip("+")) :]
    known = kind in ("noisy", "ideal", "snmf", *STACKED, *UNFOLDED)
    if not known or (int(n or 0) % 2 and kind not in STACKED):
        raise argparse.ArgumentTypeError(
            f"{name!r}: wanted noisy, ideal, snmf-N, drnmf-KxN, drnmf-KxN+, deepnmf-KxN (all with "
            f"an even N), lstm-KxN or rnn-KxN, for example drnmf-2x200+."
        )
    return kind, int(k or 0), int(n or 0)


def parse_setting(text):
    """Split ``"remix=True"`` into a name and a Python value.

    Examples
    --------
    >>> parse_setting("remix=True"), parse_setting("loss=snr")
    (('remix', True), ('loss', 'snr'))
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: wanted name=value, for example remix=True.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def split_settings(settings):
    """Split the settings of the STFT from those of networks.

    Examples
    --------
    >>> split_settings({"n_fft": 1024, "loss": "snr"})
    ({'n_fft': 1024}, {'loss': 'snr'})
    """
    parts = {}, {}
    for name, value in settings.items():
        parts[name not in STFT_PARAMETERS][name] = value
    return parts


def variant_of(kind, settings):
    """Name the settings that affect a system.

    Examples
    --------
    >>> settings = {"n_fft": 1024, "loss": "snr"}
    >>> variant_of("lstm", settings), variant_of("snmf", settings), variant_of("noisy", settings)
    ('loss=snr,n_fft=1024', 'n_fft=1024', '')
    """
    parameters = {"noisy": (), "ideal": STFT_PARAMETERS, "snmf": NMF_PARAMETERS}
    settings = {k: v for k, v in settings.items() if k in parameters.get(kind, settings)}
    return ",".join(f"{name}={value}" for name, value in sorted(settings.items()))


class Systems:
    """Fits the systems on one training set; one NMF serves every DR-NMF of its size.

    `dictionaries` is the path of the stored NMFs; size, variant and seed are added to its name.
    """

    def __init__(self, train, dev, settings, seed, dictionaries=None):
        self.train, self.dev = train, dev
        self.stft, self.settings = split_settings(settings)
        self.seed = seed
        self.dictionaries = dictionaries
        self.fitted = {}

    def fit(self, kind, n_layers, n_total, checkpoint_dir=None):
        """Fit one system.

        Parameters
        ----------
        kind : str
        n_layers, n_total : int
            From `parse_model`.
        checkpoint_dir : Path, optional
            Folder for the checkpoints of networks, see `DRNMFSeparator`.

        Returns
        -------
        pipe : Pipeline
        n_parameters : int
            Number of weights.
        seconds : float
            Time of training, with that of the dictionaries and that before a kill.
        """
        settings = self.settings | {"random_state": self.seed, "verbose": 1}
        settings["checkpoint_dir"] = checkpoint_dir
        if kind in STACKED:
            return self._train(STACKED[kind](n_layers, n_total, **settings), 0.0)
        if kind == "deepnmf":
            return self._train(DeepNMFSeparator(n_layers, n_total // 2, **settings), 0.0)
        if kind == "drnmf":
            settings = PAPER | settings
        start_from = settings.pop("nmf", "nmf")
        learn = self._random if start_from == "random" and kind != "snmf" else self._nmf
        nmf, nmf_seconds = learn(n_total // 2)
        if kind == "snmf":
            return make_pipeline(STFT(**self.stft), nmf), nmf.components_.size, nmf_seconds
        settings["nmf"] = FrozenEstimator(nmf)
        return self._train(DRNMFSeparator(n_layers, n_total // 2, **settings), nmf_seconds)

    def _train(self, separator, seconds):
        pipe = Pipeline([("stft", STFT(**self.stft)), ("sep", separator)])
        pipe.fit(*self.train, sep__validation_data=self.dev)
        return pipe, separator.n_parameters_, seconds + separator.history_["seconds"][-1]

    def _nmf(self, n_components):
        if n_components not in self.fitted:
            self.fitted[n_components] = self._stored_nmf(n_components)
        return self.fitted[n_components]

    def _stored_nmf(self, n_components):
        if self.dictionaries is None:
            return self._fit_nmf(n_components)
        variant = variant_of("snmf", self.stft | self.settings)
        parts = f"snmf-{2 * n_components}", variant, f"seed{self.seed}"
        stem = "_".join(part for part in (self.dictionaries.name, *parts) if part)
        path = self.dictionaries.with_name(f"{stem}.joblib")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            joblib.dump(self._fit_nmf(n_components), path)
        return joblib.load(path)

    def _fit_nmf(self, n_components):
        start = time.perf_counter()
        settings = {"inference": "mu", "random_state": self.seed, "verbose": 1}
        separator = SupervisedNMFSeparator(n_components, **settings, **self._level())
        make_pipeline(STFT(**self.stft), separator).fit(*self.train)
        return separator, time.perf_counter() - start

    def _level(self):
        return {k: v for k, v in self.settings.items() if k == "level_frames"}

    def _random(self, n_components):
        """Draw dictionaries at random, to measure what starting from an NMF brings."""
        settings = {"max_iter": 1, "max_frames": 100}
        separator = SupervisedNMFSeparator(n_components, **settings, **self._level())
        first = [part[:2] for part in self.train]
        make_pipeline(STFT(**self.stft), separator).fit(*first)
        drawn = np.random.RandomState(self.seed).uniform(size=separator.components_.shape)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        drawn = drawn.astype(separator.components_.dtype)
        separator.target_components_, separator.interference_components_ = np.split(drawn, 2)
        return separator, 0.0


def separate(pipe, X, Y):
    """Separate mixtures, and measure the loss of the same masks.

    Parameters
    ----------
    pipe : Pipeline
        An STFT and a fitted separator.
    X, Y : list of ndarray of shape (n_samples,)
        Mixtures and targets.

    Returns
    -------
    estimates : list of ndarray of shape (n_samples,)
        Separated waveforms, as from ``pipe.predict(X)``.
    loss : float
        Mean over frames and bins of ``(Y - mask * X) ** 2`` on magnitudes.
    """
    stft, separator = pipe[0], pipe[-1]
    estimates, errors, count = [], 0.0, 0
    for x, y in zip(stft.transform(X), stft.transform(Y), strict=True):
        mask = separator.predict_mask([x])[0]
        estimates.append(x.masked(mask).inverse())
        errors += float(np.sum((y.magnitude() - mask * x.magnitude()) ** 2, dtype=np.float64))
        count += mask.size
    return estimates, errors / count


def by_known_sources(stft, X, Y, estimate):
    """Separate by the `ratio_masks` of ``estimate(magnitude, source)`` for each source."""
    results = []
    for x, y in zip(X, Y, strict=True):
        mixture, *sources = stft.transform([x, y, x - y])
        estimates = [estimate(source.magnitude(), i) for i, source in enumerate(sources)]
        results.append(mixture.masked(ratio_masks(np.stack(estimates))[0]).inverse())
    return results


def ideal_ratio(X, Y, **stft):
    """Separate by the ideal ratio masks ``|Y| / (|Y| + |X - Y|)``, which need the sources."""
    return by_known_sources(STFT(**stft), X, Y, lambda magnitude, _: magnitude)


def measure(estimates, Y, snrs):
    """Compute mean SDR and SI-SDR, and the SDR for each input SNR, in dB."""
    values = np.asarray(sdr(Y, estimates))
    by_snr = {str(snr): float(values[snrs == snr].mean()) for snr in np.unique(snrs)}
    return {
        "SDR": float(values.mean()),
        "SI-SDR": float(np.mean(si_sdr(Y, estimates))),
        "SDR by SNR": by_snr,
    }


def snr_row(entry):
    """Return the SNR under which the SDR is reported: the wild ones to the nearest 5 dB.

    Examples
    --------
    >>> snr_row({"snr": 3}), snr_row({"snr": 11.87, "condition": "wild"})
    (3, 10)
    """
    wild = entry.get("condition") == "wild"
    return 5 * round(entry["snr"] / 5) if wild else entry["snr"]


def evaluate(system, data):
    """Measure a system, such as `separate`, on all parts; its loss is None without a mask."""
    results = {}
    for name, (X, Y, entries) in data.items():
        snrs = np.array([snr_row(entry) for entry in entries])
        estimates, loss = system(X, Y)
        results[name] = measure(estimates, Y, snrs)
        if loss is not None:
            results[name]["loss"] = loss
    return results


def draw_minutes(X, Y, minutes, sample_rate=16000):
    """Draw mixtures and their targets at random until they last so many minutes.

    Examples
    --------
    >>> X = [np.full(16000 * 30, i) for i in range(10)]
    >>> [int(x[0]) for x in draw_minutes(X, X, 1.25)[0]]
    [2, 8, 4]
    """
    order = np.random.RandomState(0).permutation(len(X))
    ends = np.cumsum([len(X[i]) for i in order])
    chosen = order[: np.searchsorted(ends, minutes * 60 * sample_rate) + 1]
    return [X[i] for i in chosen], [Y[i] for i in chosen]


def training_set(size, load):
    """Load a training set by ``load(part)``, or draw one of some minutes from ``tenth``."""
    minutes = MINUTES.get(size)
    return load(size) if minutes is None else draw_minutes(*load("tenth"), minutes)


def stopping_set(size, dev):
    """Draw the part of the development set that a training set of some minutes stops on."""
    minutes = MINUTES.get(size)
    return dev if minutes is None else draw_minutes(*dev, max(minutes / 5, MIN_DEV_MINUTES))


def load_corpus(args):
    """Load the training set, and mixtures, targets and entries of dev and test."""
    if args.chime2 is not None:
        train = training_set(args.size, lambda part: chime2.load(part, args.chime2)[:2])
        return train, {f"{part} matched": chime2.load(part, args.chime2) for part in PARTS}
    train = training_set(args.size, functools.partial(open_speech.load, cache=args.cache))
    settings = {"cache": args.cache, "return_entries": True}
    data = {
        f"{part} {condition}": open_speech.load(part, condition, **settings)
        for part in PARTS
        for condition in args.conditions
    }
    if args.random_gain:
        data |= {f"{part} random gain": at_random_gain(*data[f"{part} matched"]) for part in PARTS}
    return train, data


def at_random_gain(X, Y, entries):
    """Scale each mixture and its target by a random gain between `GAINS_DB`."""
    gains = 10 ** (np.random.RandomState(0).uniform(*GAINS_DB, len(X)) / 20)
    X, Y = ([np.float32(g) * x for g, x in zip(gains, part, strict=True)] for part in (X, Y))
    return X, Y, entries


def make_row(model, systems, data, facts, keep=None, checkpoint_dir=None):
    """Train and measure one system; store its pipeline in the file `keep`."""
    kind = model[0]
    if kind == "noisy":
        return facts | {"parameters": 0, "seconds": 0.0} | evaluate(lambda X, Y: (X, None), data)
    if kind == "ideal":
        stft = systems.stft
        ceiling = evaluate(lambda X, Y: (ideal_ratio(X, Y, **stft), None), data)
        return facts | {"parameters": 0, "seconds": 0.0} | ceiling
    if keep is not None and keep.exists():
        pipe, row = joblib.load(keep), json.loads(keep.with_suffix(".json").read_text())
    else:
        pipe, n_parameters, seconds = systems.fit(*model, checkpoint_dir)
        row = facts | {"parameters": n_parameters, "seconds": seconds}
        row |= {"history": getattr(pipe[-1], "history_", None)}
        row |= {"best epoch": getattr(pipe[-1], "best_epoch_", None)}
        if keep is not None:
            keep.parent.mkdir(parents=True, exist_ok=True)
            keep.with_suffix(".json").write_text(json.dumps(row, indent=1))
            joblib.dump(pipe, keep)
    return row | evaluate(functools.partial(separate, pipe), data)


def run(args):
    """Train and measure the systems without a row yet, and print the rows of all chosen ones."""
    settings = dict(args.set)
    facts = environment(args.seeds[0])
    print_environment(facts)
    train, data = load_corpus(args)
    dev = stopping_set(args.size, data["dev matched"][:2])
    size = args.size if args.chime2 is None else f"chime2-{args.size}"
    dictionaries = None if args.dictionaries is None else args.dictionaries / size
    rows = []
    for seed in args.seeds:
        given = settings | {"recipe": args.recipe}
        systems = Systems(train, dev, given, seed, dictionaries)
        for name in args.models:
            key = {"size": size, "model": name, "recipe": args.recipe}
            key |= {"variant": variant_of(parse_model(name)[0], settings)}
            stem = "_".join(part for part in (*key.values(), f"seed{seed}") if part)
            keep = None if args.keep is None else args.keep / f"{stem}.joblib"
            checkpoint_dir = None if args.checkpoints is None else args.checkpoints / stem
            key |= {"seed": seed}
            if find_row(args.results, key) is None:
                row = key | {"environment": facts | {"seed": seed}}
                row = make_row(parse_model(name), systems, data, row, keep, checkpoint_dir)
                add_row(args.results, row, TABLE1_KEY)
            rows.append(find_row(args.results, key))
            print_rows(rows)


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table1", description=__doc__)
    parser.add_argument("--size", choices=[*MINUTES, "tenth", "full"], default="tenth")
    parser.add_argument("--models", nargs="+", default=["snmf-200", "drnmf-2x200"], metavar="MODEL")
    parser.add_argument("--recipe", choices=["default", "paper"], default="default")
    parser.add_argument("--set", nargs="+", type=parse_setting, default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    conditions = {
        "nargs": "+",
        "choices": open_speech.CONDITIONS,
        "default": open_speech.CONDITIONS,
    }
    parser.add_argument("--conditions", **conditions)
    parser.add_argument("--random-gain", action="store_true", help="also measure at other levels")
    parser.add_argument("--chime2", type=Path, default=None, help="folder chime2-wsj0")
    parser.add_argument("--keep", type=Path, default=None, help="folder for fitted pipelines")
    parser.add_argument("--dictionaries", type=Path, default=None, help="folder for fitted NMFs")
    parser.add_argument("--checkpoints", type=Path, default=None, help="folder to resume from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the results")
    args = parser.parse_args(arguments)
    for name in args.models:
        try:
            parse_model(name)
        except argparse.ArgumentTypeError as error:
            parser.error(str(error))
    run(args)


if __name__ == "__main__":
    main()
