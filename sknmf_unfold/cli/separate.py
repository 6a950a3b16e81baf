"""The command `separate`: separate audio files with a saved model."""

from __future__ import annotations

import argparse
from pathlib import Path

from sknmf_unfold.datasets import save_audio

from . import _recordings
from ._model_files import load_model
from ._outputs import check_not_read, check_output_folder
from ._recordings import say


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("separate", help="separate recordings with a saved model")
    sub.add_argument("model", type=Path)
    sub.add_argument("inputs", type=Path, nargs="+")
    sub.add_argument("-o", "--output", type=Path, default=Path("separated"), help="folder")
    sub.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
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
