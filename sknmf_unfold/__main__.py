"""Command line: demo, fit, separate, stream, score."""

from __future__ import annotations

import argparse
import functools
import math
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from . import STFT, DRNMFSeparator, SupervisedNMFSeparator, __version__, _recordings
from ._atomic import check_writable
from ._checks import check_sample_rate
from ._model_files import check_model_output, save_model, save_unfinished
from ._outputs import check_not_read, check_output_folder, drop_output, flush_output
from ._recordings import printable, say
from .datasets import save_audio
from .datasets._audio_output import check_format
from .metrics import mean_over_active, sdr, si_sdr


def demo(args):
    """Run the demonstration."""
    from ._demo import run_demo

    check_output_folder(args.output)
    run_demo(args.output, args.seed)


def decibels_between(lowest, highest):
    """List gains from one to the other, at most a decibel apart.

    Examples
    --------
    >>> decibels_between(-1, 1)
    [-1.0, 0.0, 1.0]
    """
    return np.linspace(lowest, highest, math.ceil(abs(highest - lowest)) + 1).tolist()


def fit(args):
    """Fit a pipeline on two folders and save it."""
    check_model_output(args.output)
    check_sample_rate(args.sample_rate)
    pairs = _recordings.pair_recordings(args.noisy_dir, args.clean_dir)
    X, Y, failures = _recordings.read_pairs(pairs, args.sample_rate)
    _recordings.refuse_failures(failures)
    _recordings.refuse_equal(X, Y, pairs)
    settings = {"n_components": args.components, "random_state": args.seed, "verbose": 1}
    if args.model == "nmf":
        if args.level_frames is not None:
            settings["level_frames"] = args.level_frames
        separator = SupervisedNMFSeparator(**settings)
    else:
        names = ("max_epochs", "recipe", "remix", "gain_db", "level_frames", "device")
        training = {name: getattr(args, name) for name in names}
        if args.gain_db is not None:
            training["gain_db"] = decibels_between(*args.gain_db)
        separator = DRNMFSeparator(args.layers, **settings, **training)
    pipe = Pipeline([("stft", STFT(sample_rate=args.sample_rate)), ("sep", separator)])
    try:
        pipe.fit(X, Y)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(save_unfinished(pipe, args.output)) from error
    save_model(pipe, args.output)
    say(f"Fitted on {len(X)} recordings; the model is in {args.output}")


def load_model(path):
    """Load a pipeline that `fit` saved; raise ``ValueError`` for any other file."""
    try:
        pipe = joblib.load(path)
    except OSError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} is not a model saved by 'fit' ({reason}).") from error
    whole = isinstance(pipe, Pipeline) and len(pipe) > 1
    if not (whole and isinstance(pipe[0], STFT) and hasattr(pipe, "predict")):
        raise ValueError(
            f"{path} holds a {type(pipe).__name__}, not a pipeline that begins with STFT and ends "
            f"with a separator."
        )
    return pipe


def separate(args):
    """Separate audio files with a saved model."""
    pipe = load_model(args.model)
    targets = [args.output / f"{path.stem}.wav" for path in args.inputs]
    if len(set(targets)) < len(targets):
        raise ValueError("Two inputs have the same name; separate them into different folders.")
    check_output_folder(args.output)
    for target in targets:
        check_not_read(target, [args.model, *args.inputs])
    args.output.mkdir(parents=True, exist_ok=True)
    rate = pipe[0].sample_rate
    failures: list[str] = []
    for source, target in zip(args.inputs, targets, strict=True):
        waveform = _recordings.read_or_note(source, rate, failures)
        if waveform is not None:
            save_audio(target, pipe.predict([waveform])[0], rate)
            say(str(target))
    _recordings.finish(failures, len(targets) - len(failures))


def score(args):
    """Print SDR and SI-SDR before and after separation."""
    pipe = load_model(args.model)
    pairs = _recordings.pair_recordings(args.noisy_dir, args.clean_dir)
    X, Y, failures = _recordings.read_pairs(pairs, pipe[0].sample_rate)
    if not X:
        _recordings.refuse_failures(failures)
    estimates = pipe.predict(X)
    print(f"{len(X)} recordings {'noisy':>10} {'separated':>12} {'improvement':>13}")
    for name, metric in (("SDR", sdr), ("SI-SDR", si_sdr)):
        before, after = (mean_over_active(metric(Y, signals)) for signals in (X, estimates))
        print(f"{name:<8} {before:>12.2f} dB {after:>9.2f} dB {after - before:>10.2f} dB")
    _recordings.finish(failures, len(X))


def stream(args):
    """Separate sound as it comes."""
    from ._live import stream_sound

    pipe = load_model(args.model)
    if str(args.output) != "-":
        check_writable(args.output)
        check_format(args.output)
        check_not_read(args.output, [args.model, args.input])
    # Not into the sound that goes out.
    report = functools.partial(print, file=sys.stderr)
    # One core keeps up, and a second one would only wait for it.
    with threadpool_limits(1):
        stream_sound(pipe, args.input, args.output, args.chunk, not args.no_wait, report)


def parser():
    """Build the argument parser."""
    main_parser = argparse.ArgumentParser(prog="python -m sknmf_unfold", description=__doc__)
    main_parser.add_argument("--version", action="version", version=__version__)
    commands = main_parser.add_subparsers(dest="command", required=True)

    sub = commands.add_parser("demo", help="train on generated speech, separate held-out voices")
    results = Path("sknmf_unfold_demo")
    sub.add_argument("-o", "--output", type=Path, default=results, help="folder for the results")
    sub.add_argument("--seed", type=int, default=0)
    sub.set_defaults(run=demo)

    sub = commands.add_parser("fit", help="train on a folder of noisy and one of clean recordings")
    sub.add_argument("noisy_dir", type=Path)
    sub.add_argument("clean_dir", type=Path)
    sub.add_argument("-o", "--output", type=Path, default=Path("model.joblib"))
    sub.add_argument("--model", choices=["drnmf", "nmf"], default="drnmf")
    sub.add_argument("--layers", type=int, default=2, help="ISTA iterations a frame (K)")
    sub.add_argument("--components", type=int, default=100, help="for each of the two sources")
    sub.add_argument("--max-epochs", type=int, default=None)
    sub.add_argument("--recipe", choices=["default", "paper"], default="default")
    remix = "train on new mixtures of the recordings in every epoch, unless the recipe does not"
    sub.add_argument("--remix", action=argparse.BooleanOptionalAction, default=None, help=remix)
    gain = "lowest and highest gain in dB of a new mixture (default: -24 12)"
    bounds = ("LOWEST", "HIGHEST")
    sub.add_argument("--gain-db", type=float, nargs=2, metavar=bounds, default=None, help=gain)
    level = "frames of the running level that each frame is brought to; 0 for none (default: 250)"
    sub.add_argument("--level-frames", type=int, default=None, help=level)
    sub.add_argument("--sample-rate", type=int, default=16000, help="Hz; files are resampled to it")
    sub.add_argument("--device", default="auto")
    sub.add_argument("--seed", type=int, default=0)
    sub.set_defaults(run=fit)

    sub = commands.add_parser("separate", help="separate recordings with a saved model")
    sub.add_argument("model", type=Path)
    sub.add_argument("inputs", type=Path, nargs="+")
    sub.add_argument("-o", "--output", type=Path, default=Path("separated"), help="folder")
    sub.set_defaults(run=separate)

    sub = commands.add_parser("stream", help="separate a recording, or standard input, as it comes")
    sub.add_argument("model", type=Path)
    sub.add_argument("input", type=Path, help="audio file, or - for raw 16-bit PCM, mono")
    results = Path("separated.wav")
    sub.add_argument("-o", "--output", type=Path, default=results, help="audio file, or - for PCM")
    sub.add_argument("--chunk", type=int, default=None, help="samples; the hop length by default")
    sub.add_argument("--no-wait", action="store_true", help="go on before a chunk's time is over")
    sub.set_defaults(run=stream)

    sub = commands.add_parser("score", help="measure a saved model on pairs of recordings")
    sub.add_argument("model", type=Path)
    sub.add_argument("noisy_dir", type=Path)
    sub.add_argument("clean_dir", type=Path)
    sub.set_defaults(run=score)
    return main_parser


def main(arguments=None):
    """Run one command; user errors print one line and exit with status 2, interrupts with 130."""
    main_parser = parser()
    args = main_parser.parse_args(arguments)
    try:
        args.run(args)
        flush_output()
    except BrokenPipeError:
        # The reader has had enough; shells report 128 + SIGPIPE for programs that it ends.
        sys.exit(141)
    except KeyboardInterrupt as error:
        main_parser.exit(130, f"{str(error) or 'Interrupted'}\n")
    except (ValueError, TypeError, OSError, ImportError) as error:
        main_parser.exit(2, printable(f"error: {error}\n", sys.stderr))
    finally:
        drop_output()
    return 0


if __name__ == "__main__":
    sys.exit(main())
