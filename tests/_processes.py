"""Processes of tests: bounded in time, and none is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


def run_with_children(command, environment, timeout=120):
    """Run a command and return what it prints; if it hangs, end it and all that it started.

    None of its processes may stay.
    """
    settings = {"env": environment, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **settings) as process:
        try:
            printed, _ = process.communicate(timeout=timeout)
            assert process.returncode == 0
            assert_group_ends(process.pid)
        finally:
            end_group(process.pid)
    return printed


def run_script(script, path, *arguments, timeout=120, **environment):
    """Write a script to a file, run it, and return what it prints.

    Arguments given by name are variables of its environment; those that are None are not set.
    """
    path.write_text(script)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "JOBLIB_MULTIPROCESSING": "1",
        **environment,
    }
    environment = {name: value for name, value in environment.items() if value is not None}
    return run_with_children([sys.executable, path, *arguments], environment, timeout)


def assert_group_ends(group, timeout=5):
    """Check that the processes of a group end, which may take them a moment."""
    end = time.monotonic() + timeout
    while left := commands_of_group(group):
        assert time.monotonic() < end, f"{left} are left"
        time.sleep(0.05)


def commands_of_group(group):
    """Commands of the processes of a group that run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def end_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
