"""Command line: parse the arguments, run a command, report errors in one line."""

from __future__ import annotations

import argparse
import sys

from sknmf_unfold._version import __version__

from . import demo, fit, score, separate, stream
from ._outputs import drop_output, flush_output
from ._recordings import printable

# In the order of the help; each module has `add_command(commands)`.
COMMANDS = (demo, fit, separate, stream, score)


def parser():
    """Build the argument parser."""
    main_parser = argparse.ArgumentParser(
        prog="python -m sknmf_unfold",
        description="Separate speech from noise by sparse NMF and deep recurrent NMF.",
    )
    main_parser.add_argument("--version", action="version", version=__version__)
    commands = main_parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_command(commands)
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
