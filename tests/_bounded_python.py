"""Programs that start processes of their own: bounded in time, with nothing left behind."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_python(*arguments, seconds=120, **environment):
    """Output of Python with these arguments; it is killed with its children after a time."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    settings |= {"env": os.environ | {"PYTHONPATH": path} | environment, "start_new_session": True}
    with subprocess.Popen([sys.executable, *map(str, arguments)], **settings) as child:
        try:
            output, errors = child.communicate(timeout=seconds)
        finally:
            # Children that are left are of the same session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode == 0, errors[-3000:]
    return output
