"""Entry point of the command line: ``python -m sknmf_unfold``."""

import sys

from sknmf_unfold.cli.main import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m sknmf_unfold"))
