"""Programs and commands of the page on scaling, run against local processes.

Stand-ins take the place of SLURM: ``srun`` starts its command once for each node, all on this
machine, and ``sbatch`` runs a script.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import joblib
import numpy as np
import pytest

from sknmf_unfold import load_model
from sknmf_unfold.datasets import make_noisy_speech, save_audio

PAGE = (Path(__file__).parents[2] / "docs/scaling.rst").read_text()
BLOCK = re.compile(
    r"^\.\. code-block:: (python|bash)\n(?:   :caption: (\S+)\n)?\n((?: {3}.*\n|\n)+)", re.MULTILINE
)
BLOCKS = [(name, textwrap.dedent(code)) for _, name, code in BLOCK.findall(PAGE)]
FILES = {name: code for name, code in BLOCKS if name}
COMMANDS = [code.strip() for name, code in BLOCKS if not name]
N_NODES = 2
STAND_INS = {
    "srun": 'for i in $(seq "$SLURM_NNODES"); do "$@" & pids+=" $!"; done\n'
    'for pid in $pids; do wait "$pid" || status=$?; done\nexit ${status:-0}',
    "sbatch": 'export SLURM_JOB_ID=7\nbash "${@: -1}"',
    "hostname": "echo localhost",
}
# Sizes of a search, a cluster and a network that suit a small machine.
SMALLER = (
    ("--nproc-per-node 8", "--nproc-per-node 1"),
    ("DRNMFSeparator(", "DRNMFSeparator(n_components=4, max_epochs=2, "),
    ("SparseNMF(100", "SparseNMF(4, sparsity=0.1"),
    ("[2, 5]", "[1, 2]"),
    ("[100, 1000]", "[2, 4]"),
    ("cores=8, processes=8", "cores=1, processes=1"),
    ("29400", "29411"),
)
# Jobs of dask-jobqueue are started by ``sbatch`` too, and wait for nothing.
BACKGROUND = 'export SLURM_JOB_ID=7\nbash "${@: -1}" >job.log 2>&1 &\necho "Submitted batch job 7"'

pytestmark = pytest.mark.slow


@pytest.fixture
def workplace(tmp_path):
    """Folder with the programs of the page, recordings, and stand-ins; returns it."""
    X, Y = make_noisy_speech(8, duration=1.0, random_state=0)
    for folder, recordings in {"noisy": X, "clean": Y}.items():
        (tmp_path / folder).mkdir()
        for i, recording in enumerate(recordings):
            save_audio(tmp_path / folder / f"{i}.wav", recording)
    for name, code in FILES.items():
        for large, small in SMALLER:
            code = code.replace(large, small)
        (tmp_path / name).write_text(code)
    (tmp_path / "bin").mkdir()
    for name, code in STAND_INS.items():
        stand_in(tmp_path, name, code)
    return tmp_path


def stand_in(folder, name, code):
    path = folder / "bin" / name
    path.write_text(f"#!/bin/bash\n{code}\n")
    path.chmod(0o755)


def run(folder, command, timeout=120):
    """Run commands of the page in a session of their own; end all that they leave."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}:{scripts}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
        "SLURM_NNODES": str(N_NODES),
    }
    with (folder / "out.txt").open("w") as out:
        process = subprocess.Popen(
            ["bash", "-ec", command],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout)
        finally:
            # Nothing is left where the commands have ended all that they started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert status == 0, (folder / "out.txt").read_text()[-4000:]


def commands_with(text):
    """The block of commands with some text."""
    [command] = [command for command in COMMANDS if text in command]
    return command


def weights(path):
    return load_model(path)[-1].components_


def test_all_commands_of_the_page_are_run():
    tested = ("python train.py", "--standalone", "sbatch", "dask scheduler", "python search.py")
    assert sorted(COMMANDS) == sorted(commands_with(text) for text in tested)


def test_training_of_one_process(workplace):
    run(workplace, commands_with("python train.py"))
    assert np.isfinite(weights(workplace / "model.skops")).all()


def test_training_on_one_machine_and_on_several(workplace):
    run(workplace, commands_with("--standalone"))
    one_machine = weights(workplace / "model.skops")
    run(workplace, commands_with("sbatch"))
    np.testing.assert_allclose(
        weights(workplace / "model.skops"), one_machine, rtol=1e-5, atol=1e-6
    )


def test_factorisation_on_workers_of_dask(workplace):
    run(workplace, commands_with("dask scheduler"))
    assert joblib.load(workplace / "dictionary.joblib").components_.shape == (4, 257)


def test_search_by_jobs(workplace):
    pytest.importorskip("dask_jobqueue")
    stand_in(workplace, "sbatch", BACKGROUND)
    stand_in(workplace, "scancel", "exit 0")
    run(workplace, commands_with("python search.py"))
    assert weights(workplace / "best.skops").shape[-2] in (4, 8)
