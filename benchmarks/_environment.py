"""Facts that results depend on besides the code: machine, versions, threads, seed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import sknmf_unfold

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")


def _processor():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def environment(seed):
    """Collect machine, versions, threads and seed.

    Parameters
    ----------
    seed : int
        The seed of the run.

    Returns
    -------
    facts : dict
        Plain values, to be printed and stored beside the numbers.
    """
    import torch

    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    versions["sknmf_unfold"] = sknmf_unfold.__version__
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": versions,
        "seed": seed,
    }


def print_environment(facts):
    """Print the facts of `environment` in two lines."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    print(
        f"{facts['processor']}, {facts['cores']} cores, {facts['threads']} threads, "
        f"GPU {facts['gpu']}\nPython {facts['python']}, {versions}; seed {facts['seed']}"
    )
