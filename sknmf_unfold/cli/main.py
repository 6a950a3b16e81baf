"""Command line: parse the arguments, run a command, report errors in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sknmf_unfold._version import __version__

from . import demo, fit, score, separate, stream
from ._outputs import drop_output, flush_output
from ._recordings import printable

# In the order of the help; each module defines `add_command(commands)`.
COMMANDS = (demo, fit, separate, stream, score)


def parser(prog: str) -> argparse.ArgumentParser:
    """Build the argument parser.

    Parameters
    ----------
    prog : str
        Name of the program in help and errors.
    """
    main_parser = argparse.ArgumentParser(
        prog=prog,
        description="Separate speech from noise by sparse NMF and deep recurrent NMF.",
    )
    main_parser.add_argument("--version", action="version", version=__version__)
    commands = main_parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_command(commands)
    return main_parser


def main(arguments: Sequence[str] | None = None, prog: str = "sknmf-unfold") -> int:
    """Run one command; errors of the user print one line and exit with status 2.

    Parameters
    ----------
    arguments : list of str, optional
        Command and arguments; None stands for those of the process.
    prog : str, default="sknmf-unfold"
        Name of the program in help and errors.

    Returns
    -------
    status : int
        0. Interrupts exit with status 130, a reader that closes standard output with 141.
    """
    main_parser = parser(prog)
    args = main_parser.parse_args(arguments)
    try:
        args.run(args)
        flush_output()
    except BrokenPipeError:
        # The reader closed the pipe; shells report 128 + SIGPIPE for programs that this ends.
        sys.exit(141)
    except KeyboardInterrupt as error:
        main_parser.exit(130, f"{str(error) or 'Interrupted'}\n")
    except (ValueError, TypeError, OSError, ImportError) as error:
        main_parser.exit(2, printable(f"error: {error}\n", sys.stderr))
    finally:
        drop_output()
    return 0
