"""The command `separate`: separate recordings of any format, rate and length."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import _recordings
from ._example import example_job, write_comparison
from ._model_files import resolve_model
from ._outputs import check_output_folder
from ._separation_files import Protected, find_jobs
from ._separation_jobs import FileSeparation, separate_all


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("separate", help="separate recordings")
    files = "recordings, and folders of them; without any, a recording that the package carries"
    sub.add_argument("inputs", type=Path, nargs="*", metavar="FILE", help=files)
    sub.add_argument("-o", "--output", type=Path, default=Path("separated"), help="folder")
    add_model_arguments(sub)
    sub.add_argument("--residual", action="store_true", help="also write what is taken away")
    bound = "take away at most so many dB at each time and frequency (default: no bound)"
    sub.add_argument("--max-attenuation", type=float, metavar="DB", help=bound)
    sub.set_defaults(run=run)


def add_model_arguments(sub: argparse.ArgumentParser) -> None:
    """Add the arguments that choose a model."""
    model = "name of a model of the package, or a file written by 'fit' (default: speech)"
    sub.add_argument("--model", default="speech", metavar="NAME_OR_FILE", help=model)
    trust = "load a model from a pickle, which can run any code: only if you trust its author"
    sub.add_argument("--trust-pickle", action="store_true", help=trust)


def run(args: argparse.Namespace) -> None:
    """Separate recordings."""
    jobs = find_jobs(args.inputs, args.output) if args.inputs else [example_job(args.output)]
    check_output_folder(args.output)
    protected = Protected([Path(args.model), *(job.source for job in jobs)])
    for job in jobs:
        protected.check(job.outputs(args.residual))
    pipe = resolve_model(args.model, args.trust_pickle)
    separation = FileSeparation(pipe, protected, args.max_attenuation, args.residual)
    failures = separate_all(jobs, separation)
    if not args.inputs:
        write_comparison(args.output, pipe, args.max_attenuation)
    _recordings.finish(failures, len(jobs) - len(failures))
