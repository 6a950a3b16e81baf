"""Processes of a torch.distributed group, ended with all that they started."""

import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
SECONDS = 55


def environment(**variables):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    # Otherwise processes that were started again find the addresses of the dead, in some versions.
    fixed = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
    return os.environ | {"PYTHONPATH": path} | fixed | variables


def torchrun(script, *arguments, n=2, options=(), **variables):
    """Start a script in n processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", str(n), *options, str(script), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=ROOT, text=True, env=environment(**variables), **pipes)


def one_by_one(script, *arguments, n=2):
    """Start a script in n processes that nobody restarts or ends."""
    command = [sys.executable, str(script), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": ROOT}
    variables = [{"RANK": str(i), "LOCAL_RANK": str(i), "WORLD_SIZE": str(n)} for i in range(n)]
    return [subprocess.Popen(command, env=environment(**each), **pipes) for each in variables]


@contextlib.contextmanager
def ended(*processes):
    """End processes and all that they started, whatever happens inside."""
    try:
        yield
    finally:
        family = []
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                family += [*parent.children(recursive=True), parent]
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        for process in processes:
            process.communicate()


def run(script, *arguments, **settings):
    """Run a script in some processes; return what they print."""
    process = torchrun(script, *arguments, **settings)
    with ended(process):
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, output
    return output


def results(folder, name, n=2):
    """Read what each rank has left."""
    return [pickle.loads((folder / f"{name}-{rank}.pickle").read_bytes()) for rank in range(n)]
